/// How threads share inbound packets, and how many reports, which anybody may send, the daemon's thread reads at once.
#include "ipsecd/packets/inlet.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <vector>

#include "base/cast.h"
#include "ipsecd/packets/filter_testing.h"
#include "traffic/header.h"

namespace ipseckey::ipsecd {
namespace {

using namespace traffic;
using Octets = std::vector<std::byte>;

// A packet with `payload` after its IP header, as a raw socket sees it.
Octets seen(Family family, Bytes payload, std::size_t options = 0) {
  Octets packet;
  if (family == Family::v4) {
    packet.resize(20 + options);
    packet[0] = static_cast<std::byte>(0x45 + options / 4);
  }
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}

// Which of `count` sockets receive the packet.
std::vector<unsigned> getters(Family family, std::uint8_t protocol, unsigned count, const Octets& packet) {
  return testing::getters(count, packet, [&](Share share) { return share_filter(family, protocol, share); });
}

TEST(Shares, EveryPacketGoesToOneThreadAndNoneIsLost) {
  for (const Family family : {Family::v4, Family::v6})
    for (const std::uint8_t protocol : {kEsp, kAh})
      for (const std::size_t options : {std::size_t{0}, std::size_t{8}}) {
        if (family == Family::v6 && options != 0) continue;
        const std::size_t spi_at = protocol == kAh ? 4 : 0;
        for (std::uint32_t spi = 0x100; spi < 0x106; ++spi) {
          Octets payload(20);
          set(payload, spi_at, spi);
          EXPECT_EQ(getters(family, protocol, 3, seen(family, payload, options)), std::vector<unsigned>{spi % 3});
        }
        // Too short for an SPI: counted by the first.
        for (std::size_t size = family == Family::v6 ? 1 : 0; size < spi_at + 4; ++size)
          EXPECT_EQ(getters(family, protocol, 3, seen(family, Octets(size), options)), std::vector<unsigned>{0})
              << size;
      }
}

// Loopback replaces the network; the packets are those that a raw socket would return.
TEST(Paths, AFloodOfReportsIsReadInParts) {
  const Descriptor sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  Descriptor receiver(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof to;
  ASSERT_EQ(::bind(receiver.get(), interface_cast<sockaddr>(&to), size), 0);
  ASSERT_EQ(::getsockname(receiver.get(), interface_cast<sockaddr>(&to), &size), 0);
  Octets memory(400);
  Packet report{memory, Packet::kHeadroom, 48};
  write_header(report.bytes(),
               {.src = *parse_address("192.0.2.1"), .dst = *parse_address("192.0.2.2"), .protocol = kEsp}, 48);
  set(report.bytes(), 20, std::uint32_t{0x100});
  ASSERT_TRUE(make_too_big(report, 900, *parse_address("198.51.100.1")));
  Octets wrong(report.bytes().begin(), report.bytes().end());
  wrong.back() ^= std::byte{1};
  const auto send = [&](Bytes packet) {
    ASSERT_EQ(::sendto(sender.get(), packet.data(), packet.size(), 0, interface_cast<sockaddr>(&to), size),
              static_cast<ssize_t>(packet.size()));
  };
  for (int i = 0; i < 100; ++i) send(wrong);
  for (int i = 0; i < 100; ++i) send(report.bytes());
  PathInlet inlet(std::move(receiver), Family::v4);
  EXPECT_EQ(inlet.take().size(), 0u);   // 64 that are not reports.
  EXPECT_EQ(inlet.take().size(), 28u);  // 36 more, and the first real ones.
  EXPECT_EQ(inlet.take().size(), 64u);
  const auto last = inlet.take();
  ASSERT_EQ(last.size(), 8u);
  EXPECT_EQ(last[0].id, (engine::SaId{pfkey::SaType::esp, 0x100, *parse_address("192.0.2.2")}));
  EXPECT_EQ(last[0].mtu, 900u);
  EXPECT_TRUE(inlet.take().empty());
}

}  // namespace
}  // namespace ipseckey::ipsecd
