/// What the packet path learns about the size of packets: from links, which can be trusted, and from ICMP errors.
#include <gmock/gmock.h>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::SaType;

bool has_df(Bytes v4) { return get<std::uint16_t>(v4, 6) & 0x4000; }

struct Case {
  const char* what;
  Wish wish;
  Shape shape;
  std::uint32_t fits;  // Worked out from the sizes of headers.
};
// 1400 less outer header, UDP, SPI and number, IV and ICV; in fours, less 2. AH: less 44 with HMAC-SHA-512.
const std::array kCases = {
    Case{"v4 in v4", {.tunnel = true}, {.src = "10.1.0.1", .dst = "10.2.0.1", .size = 1330}, 1346},
    Case{"v4 in v6",
         {.src = kSrc6, .dst = kDst6, .tunnel = true},
         {.src = "10.1.0.1", .dst = "10.2.0.1", .size = 1330},
         1326},
    Case{"in UDP", {.tunnel = true, .udp = true}, {.src = "10.1.0.1", .dst = "10.2.0.1", .size = 1330}, 1338},
    Case{"transport v4", {}, {.size = 1345}, 1366},
    Case{"transport v6", {.src = kSrc6, .dst = kDst6}, {.src = kSrc6, .dst = kDst6, .size = 1330}, 1366},
    Case{"AH", {.encrypt = 0, .auth = 7, .tunnel = true}, {.src = "10.1.0.1", .dst = "10.2.0.1", .size = 1330}, 1336},
};

TEST(NarrowLink, ThePacketIsFragmentedAndLaterSendersAreInformed) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.what);
    Host here, there;
    ASSERT_EQ(here.add(add(0x100, c.wish)), kDone);
    ASSERT_EQ(there.add(add(0x100, c.wish)), kDone);
    Shape with_df = c.shape;
    with_df.dont_fragment = true;
    const Octets packet = datagram(with_df);
    Held held(packet);
    here.worker.protect({&held.item, 1}, at(0));
    ASSERT_EQ(name(held.item.cause), "none");
    EXPECT_EQ(held.item.departure.mtu, 1500u);

    ASSERT_TRUE(here.worker.narrow(held.item, 1400, at(1)));
    EXPECT_EQ(held.item.departure.mtu, 1400u);
    EXPECT_FALSE(held.item.departure.dont_fragment);
    Octets room(1400);
    std::size_t parts = 0;
    ASSERT_TRUE(fragment(held.bytes(), 1400, held.item.departure.id, room, [&](Bytes part) {
      EXPECT_LE(part.size(), 1400u);
      EXPECT_TRUE(parse(part));
      ++parts;
    }));
    EXPECT_EQ(parts, 2u);
    // AH does not cover the changed fields.
    EXPECT_EQ(name(unprotect(there, held.bytes()).cause), "none");

    const Result told = protect(here, packet, at(2));
    EXPECT_EQ(name(told.cause), "too_big");
    EXPECT_EQ(told.mtu, c.fits);
    EXPECT_EQ(name(protect(here, packet, at(600)).cause), "too_big");
    EXPECT_EQ(name(protect(here, packet, at(601)).cause), "none");
  }
}

TEST(NarrowLink, DatagramsOverIpv6GetAnIdOfTheirOwnForTheirFragments) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, {.src = kSrc6, .dst = kDst6})), kDone);
  std::array<std::uint32_t, 2> ids{};
  for (std::uint32_t& id : ids) {
    Held held(datagram({.src = kSrc6, .dst = kDst6, .size = 1210}));
    host.worker.protect({&held.item, 1}, at(0));
    ASSERT_EQ(name(held.item.cause), "none");
    ASSERT_TRUE(host.worker.narrow(held.item, 1280, at(0)));
    id = held.item.departure.id;
  }
  EXPECT_EQ(ids[1], ids[0] + 1);
}

TEST(NarrowLink, WithoutItsSaOrWithAnImpossibleMtuNothingIsLearnt) {
  Host host, other;
  ASSERT_EQ(host.add(add(0x100)), kDone);
  Held held(datagram({.size = 1345, .dont_fragment = true}));
  host.worker.protect({&held.item, 1}, at(0));
  ASSERT_EQ(name(held.item.cause), "none");
  const Octets before = held.bytes();
  EXPECT_FALSE(other.worker.narrow(held.item, 1400, at(0)));
  EXPECT_FALSE(host.worker.narrow(held.item, 67, at(0)));
  EXPECT_EQ(hex(held.bytes()), hex(before));
  EXPECT_EQ(name(protect(host, datagram({.size = 1345, .dont_fragment = true})).cause), "none");
}

// Anybody can send them: they cannot lower a path MTU below what real paths have. Packets may then be fragmented on the
// way, if the path MTU is smaller after all.
// covers RFC4301-6.1.1-2
TEST(ForgedReports, CannotGoBelowTheMinimum) {
  for (const bool v6 : {false, true}) {
    Host here, there;
    Wish wish{.tunnel = true};
    if (v6) wish.src = kSrc6, wish.dst = kDst6;
    ASSERT_EQ(here.add(add(0x100, wish)), kDone);
    ASSERT_EQ(there.add(add(0x100, wish)), kDone);
    const engine::SaId id{SaType::esp, 0x100, *parse_address(wish.dst)};
    const Shape big{.src = "10.1.0.1", .dst = "10.2.0.1", .size = 1250, .dont_fragment = true};
    here.plane.path_mtu(id, 68, at(0));
    // 552 less 20, 8, 8 and 16 is 500, less 2; 1280 less 40, 8, 8 and 16 is 1208, less 2.
    EXPECT_EQ(protect(here, datagram(big)).mtu, v6 ? 1206u : 498u);
    const Shape small{.src = "10.1.0.1", .dst = "10.2.0.1", .size = 100, .dont_fragment = true};
    const Result out = protect(here, datagram(small));
    ASSERT_EQ(name(out.cause), "none");
    EXPECT_EQ(out.departure.dont_fragment, v6);
    EXPECT_FALSE(!v6 && has_df(out.packet));
    EXPECT_EQ(hex(unprotect(there, out.packet).packet), hex(datagram(small)));
  }
  Host host;
  ASSERT_EQ(host.add(add(0x100)), kDone);
  host.plane.path_mtu({SaType::esp, 0x100, *parse_address("192.0.2.2")}, 553, at(0));
  const Result out = protect(host, datagram({.size = 100, .dont_fragment = true}));
  EXPECT_TRUE(out.departure.dont_fragment);
  EXPECT_TRUE(has_df(out.packet));
}

// RFC 4301 section 5.1.2.2: a host copies it, a gateway does not.
// covers RFC4301-5.1.2.2-1
TEST(FlowLabel, IsCopiedForPacketsFromTheTunnelsOwnEnd) {
  for (const bool own : {true, false}) {
    Host host;
    ASSERT_EQ(host.add(add(0x100, {.src = kSrc6,
                                   .dst = kDst6,
                                   .tunnel = true,
                                   .inner_src = "2001:db8::",
                                   .inner_dst = "fd02::",
                                   .prefix = 32})),
              kDone);
    Octets packet = datagram({.src = own ? kSrc6 : "2001:db8::9", .dst = "fd02::1"});
    set<std::uint32_t>(packet, 0, 0x600abcde);
    const Result out = protect(host, packet);
    ASSERT_EQ(name(out.cause), "none");
    EXPECT_EQ(get<std::uint32_t>(out.packet, 0), own ? 0x600abcdeu : 0x60000000u);
  }
}

// RFC 4303 section 2.7, RFC 3948 section 3.1.2: octets beyond the datagram's own end are not summed.
TEST(Padding, AfterADatagramIsNotPartOfItsNewChecksum) {
  for (const std::size_t padding : {0u, 8u, 9u}) {
    Host here, there;
    ASSERT_EQ(here.add(add(0x100, {.udp = true})), kDone);
    ASSERT_EQ(there.add(add(0x100, {.udp = true})), kDone);
    const Octets inner = datagram({.size = 41});
    Octets padded = inner;
    padded.insert(padded.end(), padding, std::byte{0x5a});
    mend_length(padded);
    set(padded, 26, std::uint16_t{0x1234});  // Of the addresses before the NAT.
    const Result in = unprotect(there, protect(here, padded).packet);
    ASSERT_EQ(name(in.cause), "none");
    ASSERT_EQ(in.packet.size(), inner.size() + padding);
    // Summed octet by octet: addresses, protocol and length of the pseudo header, and the 49 octets of the datagram.
    std::uint32_t sum = kUdp + 49;
    for (std::size_t i = 12; i < 20; ++i) sum += std::to_integer<std::uint32_t>(in.packet[i]) << (i % 2 == 0 ? 8 : 0);
    for (std::size_t i = 20; i < 69; ++i) sum += std::to_integer<std::uint32_t>(in.packet[i]) << (i % 2 == 0 ? 8 : 0);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    EXPECT_EQ(sum, 0xffffu) << padding;
  }
}

// TCP has no length field: the whole packet belongs to it.
TEST(Padding, ATcpSegmentEndsWithItsPacket) {
  Host here, there;
  ASSERT_EQ(here.add(add(0x100, {.udp = true})), kDone);
  ASSERT_EQ(there.add(add(0x100, {.udp = true})), kDone);
  Octets packet = datagram({.size = 41, .protocol = kTcp});
  packet[32] = std::byte{0x50};
  const Result in = unprotect(there, protect(here, packet).packet);
  ASSERT_EQ(name(in.cause), "none");
  std::uint32_t sum = kTcp + 49;
  for (std::size_t i = 12; i < 69; ++i) sum += std::to_integer<std::uint32_t>(in.packet[i]) << (i % 2 == 0 ? 8 : 0);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  EXPECT_EQ(sum, 0xffffu);
}

// The receiver must refuse a length that contradicts the packet, so the checksum stays as it arrived.
TEST(Padding, AWrongLengthGetsNoNewChecksum) {
  Host here, there;
  ASSERT_EQ(here.add(add(0x100, {.udp = true})), kDone);
  ASSERT_EQ(there.add(add(0x100, {.udp = true})), kDone);
  for (const std::uint16_t length : {std::uint16_t{7}, std::uint16_t{50}}) {
    Octets packet = datagram({.size = 41});
    set(packet, 24, length);
    set(packet, 26, std::uint16_t{0x1234});
    const Result in = unprotect(there, protect(here, packet).packet);
    ASSERT_EQ(name(in.cause), "none");
    EXPECT_EQ(hex(in.packet), hex(packet)) << length;
  }
}

}  // namespace
}  // namespace ipseckey::traffic
