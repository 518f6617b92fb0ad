// Which packets a raw socket beside an IKE daemon's UDP socket receives, and how it reads them.
#include "ipsecd/packets/beside_ike.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <vector>

#include "ipsecd/packets/filter_testing.h"
#include "traffic/header.h"

namespace ipseckey::ipsecd {
namespace {

using namespace traffic;
using Octets = std::vector<std::byte>;

constexpr std::uint8_t kUdpNumber = 17;

// A datagram to `port` as a raw socket sees it: for IPv4 with its header, which has this number of octets of options.
Octets seen(Family family, std::uint16_t port, Bytes payload, std::size_t options = 0) {
  const std::size_t header = family == Family::v4 ? 20 + options : 0;
  Octets raw(header + 8 + payload.size());
  if (header > 0) {
    write_header(raw,
                 {.src = *parse_address("192.0.2.1"),
                  .dst = *parse_address("192.0.2.2"),
                  .protocol = kUdpNumber,
                  .traffic_class = 0x2e,
                  .hop_limit = 33},
                 raw.size());
    raw[0] = static_cast<std::byte>(0x45 + options / 4);
  }
  write_udp(MutableBytes(raw).subspan(header), 40000, port, 8 + payload.size());
  std::ranges::copy(payload, raw.begin() + static_cast<std::ptrdiff_t>(header + 8));
  return raw;
}

Octets esp(std::uint32_t spi, std::uint32_t number, std::size_t size) {
  Octets payload(size, std::byte{0xa5});
  set(payload, 0, spi);
  set(payload, 4, number);
  return payload;
}

// Which of three threads' sockets receive it.
std::vector<unsigned> getters(Family family, const Octets& packet) {
  return testing::getters(3, packet, [&](Share share) { return beside_filter(family, 4500, share); });
}

TEST(Beside, EspGoesToOneThreadAndNothingElseToAny) {
  for (const Family family : {Family::v4, Family::v6})
    for (const std::size_t options : {0u, 8u, 40u}) {
      if (family == Family::v6 && options > 0) continue;
      for (std::uint32_t spi = 0x100; spi < 0x106; ++spi)
        EXPECT_EQ(getters(family, seen(family, 4500, esp(spi, 1, 40), options)), std::vector<unsigned>{spi % 3});
      EXPECT_TRUE(getters(family, seen(family, 4500, esp(0, 1, 40), options)).empty()) << "an IKE message";
      EXPECT_TRUE(getters(family, seen(family, 4501, esp(0x100, 1, 40), options)).empty()) << "another port";
      const Octets keep_alive(1, std::byte{0xff});
      EXPECT_TRUE(getters(family, seen(family, 4500, keep_alive, options)).empty());
    }
}

TEST(Beside, ADatagramIsReadWithItsHeaders) {
  const Octets payload = esp(0x100, 1, 40);
  for (const std::size_t options : {0u, 8u}) {
    const Octets raw = seen(Family::v4, 4500, payload, options);
    const auto read = read_datagram(Family::v4, raw);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->arrival.src, parse_address("192.0.2.1"));
    EXPECT_EQ(read->arrival.dst, parse_address("192.0.2.2"));
    EXPECT_EQ(read->arrival.protocol, kUdpNumber);
    EXPECT_EQ(read->arrival.src_port, 40000);
    EXPECT_EQ(read->arrival.dst_port, 4500);
    EXPECT_EQ(read->arrival.traffic_class, 0x2e);
    EXPECT_EQ(read->arrival.hop_limit, 33);
    EXPECT_EQ(read->arrival.options.size(), options);
    EXPECT_TRUE(std::ranges::equal(read->payload, payload));
  }
  const Octets raw = seen(Family::v6, 4500, payload);
  const auto read = read_datagram(Family::v6, raw);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->arrival.src_port, 40000);
  EXPECT_TRUE(std::ranges::equal(read->payload, payload));
}

TEST(Beside, ATruncatedDatagramIsNotADatagram) {
  for (const Family family : {Family::v4, Family::v6}) {
    const Octets raw = seen(family, 4500, esp(0x100, 1, 40), family == Family::v4 ? 8 : 0);
    for (std::size_t size = 0; size < raw.size(); ++size)
      EXPECT_FALSE(read_datagram(family, Bytes(raw).first(size))) << size;
    Octets longer = raw;  // Bytes after the datagram are not part of it.
    longer.resize(raw.size() + 6);
    ASSERT_TRUE(read_datagram(family, longer));
    EXPECT_EQ(read_datagram(family, longer)->payload.size(), 40u);
    Octets wrong = raw;
    set(wrong, raw.size() - 48 + 4, std::uint16_t{7});
    EXPECT_FALSE(read_datagram(family, wrong));
  }
  Octets wrong = seen(Family::v4, 4500, esp(0x100, 1, 40));
  wrong[0] = std::byte{0x44};
  EXPECT_FALSE(read_datagram(Family::v4, wrong));
}

TEST(Beside, ABlockIsCutWhereTheNextDatagramBegins) {
  Octets piece;
  for (std::uint32_t number = 0xfffffffe; number != 2; ++number) {  // The last is shorter.
    const Octets one = esp(0x100, number, number == 1 ? 24 : 60);
    piece.insert(piece.end(), one.begin(), one.end());
  }
  EXPECT_EQ(size_of_each(piece), 60u);
  const Octets one = esp(0x100, 7, 60);
  EXPECT_EQ(size_of_each(one), 60u);
  Octets two = one;  // Another SA's number, and another number of this one, do not start a datagram.
  for (const Octets& other : {esp(0x101, 8, 60), esp(0x100, 9, 60)}) two.insert(two.end(), other.begin(), other.end());
  EXPECT_EQ(size_of_each(two), 180u);
  EXPECT_EQ(size_of_each(Bytes(one).first(4)), 4u);
}

}  // namespace
}  // namespace ipseckey::ipsecd
