#include "prove/sighting.h"

#include <gtest/gtest.h>

#include "prove/packet.h"

namespace ipseckey::prove {
namespace {

const Address kA = *parse_address("192.0.2.1"), kB = *parse_address("192.0.2.2");
const Address kA6 = *parse_address("2001:db8::1"), kB6 = *parse_address("2001:db8::2");

std::vector<std::byte> octets(std::initializer_list<int> list) {
  std::vector<std::byte> out;
  for (const int i : list) out.push_back(static_cast<std::byte>(i));
  return out;
}

// A datagram's packet as that of another protocol: what follows the IP header is replaced.
std::vector<std::byte> packet(std::uint8_t protocol, const std::vector<std::byte>& rest, bool six = false) {
  auto p = udp_packet(six ? kA6 : kA, six ? kB6 : kB, 1, 2, std::vector<std::byte>(rest.size() - 8));
  const std::size_t head = six ? 40 : 20;
  std::copy(rest.begin(), rest.end(), p.begin() + static_cast<std::ptrdiff_t>(head));
  p[six ? 6 : 9] = static_cast<std::byte>(protocol);
  return p;
}

std::vector<std::byte> probe() {
  std::vector<std::byte> data(60);
  write_head(data, {Kind::probe, {}, {}});
  return data;
}

TEST(Sight, EspAndAh) {
  const auto esp = octets({0, 0, 0x10, 0, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8});
  for (const bool six : {false, true}) {
    const auto s = sight(packet(50, esp, six));
    ASSERT_TRUE(s);
    EXPECT_EQ(s->esp, (Seal{0x1000, 7}));
    EXPECT_FALSE(s->ah);
    EXPECT_FALSE(s->udp);
    EXPECT_EQ(s->from, six ? kA6 : kA);
    EXPECT_EQ(s->to, six ? kB6 : kB);
    EXPECT_EQ(s->size, (six ? 40u : 20u) + esp.size());
  }
  // AH around ESP: RFC 4302 section 2, a length of 12 + 12 octets.
  auto both = octets({50, 4, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  both.insert(both.end(), esp.begin(), esp.end());
  const auto s = sight(packet(51, both));
  ASSERT_TRUE(s);
  EXPECT_EQ(s->ah, (Seal{0x2000, 9}));
  EXPECT_EQ(s->esp, (Seal{0x1000, 7}));
}

TEST(Sight, EspInUdpIsKnownByItsPort) {
  const auto data = octets({0, 0, 0x10, 0, 0, 0, 0, 7, 1, 2, 3, 4});
  const auto on = [&](std::uint16_t port, std::span<const std::uint16_t> ports = {}) {
    return sight(udp_packet(kA, kB, 9999, port, data), ports);
  };
  EXPECT_EQ(on(4500)->esp, (Seal{0x1000, 7}));
  EXPECT_TRUE(on(4500)->udp);
  EXPECT_FALSE(on(5000)->esp);
  const std::uint16_t own = 5000;
  EXPECT_EQ(on(5000, {&own, 1})->esp, (Seal{0x1000, 7}));
  // A key manager's message (RFC 3948 section 2.2).
  EXPECT_FALSE(sight(udp_packet(kA, kB, 4500, 4500, octets({0, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4})))->esp);
}

// Whatever the port: a probe is not ESP.
TEST(Sight, ProbesAreKnownBeforePorts) {
  const std::uint16_t own = 5000;
  for (const std::uint16_t port : {std::uint16_t{4500}, own}) {
    const auto s = sight(udp_packet(kA, kB, 9999, port, probe()), {&own, 1});
    EXPECT_FALSE(s->esp);
    EXPECT_FALSE(s->udp);
    EXPECT_TRUE(s->ours);
  }
}

TEST(Sight, NumbersOfTcp) {
  const auto s = sight(packet(6, octets({4, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 2, 0, 0, 0, 0, 0, 0})));
  ASSERT_TRUE(s);
  EXPECT_EQ(s->from_port, 1024);
  EXPECT_EQ(s->number, 0x01020304u);
  EXPECT_EQ(s->next, 0x05060708u);
}

TEST(Sight, ProbesInClear) {
  for (const bool six : {false, true}) {
    const auto s = sight(udp_packet(six ? kA6 : kA, six ? kB6 : kB, 1000, kPort, probe()));
    ASSERT_TRUE(s && s->ours);
    EXPECT_EQ(s->ours->kind, Kind::probe);
    EXPECT_EQ(s->ours_at, six ? 48u : 28u);
    EXPECT_EQ(s->from_port, 1000);
    EXPECT_EQ(s->to_port, kPort);
    const auto ping = sight(packet(six ? 58 : 1, echo_request(six ? Family::v6 : Family::v4, 1, 2, probe()), six));
    ASSERT_TRUE(ping && ping->ours);
    EXPECT_EQ(ping->ours->kind, Kind::probe);
  }
  EXPECT_FALSE(sight(udp_packet(kA, kB, 1000, kPort, std::vector<std::byte>(60)))->ours);
}

TEST(Sight, IcmpErrors) {
  const auto s = sight(packet(1, octets({3, 4, 0, 0, 0, 0, 5, 0, 0x45, 0, 0, 0})));
  ASSERT_TRUE(s && s->complaint);
  EXPECT_EQ(*s->complaint, (Complaint{3, 4, 1280, true}));
  EXPECT_EQ(sight(packet(1, octets({3, 1, 0, 0, 0, 0, 0, 0, 0x45})))->complaint, (Complaint{3, 1, 0, false}));
  EXPECT_EQ(sight(packet(58, octets({2, 0, 0, 0, 0, 0, 5, 0, 0x60}), true))->complaint, (Complaint{2, 0, 1280, true}));
  EXPECT_FALSE(sight(packet(1, octets({8, 0, 0, 0, 0, 0, 0, 0, 0})))->complaint);
}

TEST(Sight, Fragments) {
  auto p = udp_packet(kA, kB, 1, 2, probe());
  p[6] = std::byte{0x20};  // More fragments.
  EXPECT_TRUE(sight(p)->piece);
  EXPECT_TRUE(sight(p)->ours);
  p[7] = std::byte{1};  // Not the first.
  EXPECT_TRUE(sight(p)->piece);
  EXPECT_FALSE(sight(p)->ours);
}

// Whatever is cut off, nothing behind the end is read: the sanitizers watch.
TEST(Sight, EveryTruncation) {
  for (const auto& whole : {udp_packet(kA, kB, 4500, 4500, probe()), udp_packet(kA6, kB6, 1, kPort, probe()),
                            packet(51, std::vector<std::byte>(40)), packet(44, std::vector<std::byte>(40), true)})
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      const auto s = sight(cut);
      EXPECT_TRUE(!s || size >= 20) << size;
    }
}

TEST(Renumbered, OneBitOfTheNumberAndNothingElse) {
  const auto esp = octets({0, 0, 0x10, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8});
  const auto before = packet(50, esp);
  const auto after = renumbered(before);
  ASSERT_TRUE(after);
  EXPECT_EQ(sight(*after)->esp, (Seal{0x1000, 9}));
  auto mended = *after;
  mended[27] = before[27];
  EXPECT_EQ(mended, before);
  EXPECT_FALSE(renumbered(packet(6, esp)));
  EXPECT_FALSE(renumbered(octets({0x45, 0, 0})));
}

// In UDP its checksum, where there is one, is right again.
TEST(Renumbered, UdpChecksum) {
  const auto data = octets({0, 0, 0x10, 0, 0xff, 0xff, 0xff, 0x07, 1, 2, 3, 4});
  const auto after = renumbered(udp_packet(kA, kB, 4500, 4500, data));
  ASSERT_TRUE(after);
  auto other = data;
  other[7] = std::byte{0x0f};
  EXPECT_EQ(*after, udp_packet(kA, kB, 4500, 4500, other));
}

}  // namespace
}  // namespace ipseckey::prove
