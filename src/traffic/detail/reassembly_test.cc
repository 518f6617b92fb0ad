/// Datagrams in fragments before transport mode protects them: RFC 4302 section 3.3.4, RFC 791, RFC 8200 section 4.5,
/// RFC 5722.
#include "traffic/detail/reassembly.h"

#include <gmock/gmock.h>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;

Shape shape(bool v6, std::size_t size) {
  return v6 ? Shape{.src = kSrc6, .dst = kDst6, .size = size} : Shape{.size = size};
}

Wish wish(bool v6) { return v6 ? Wish{.src = kSrc6, .dst = kDst6} : Wish{}; }

/// As the host's stack fragments it for a device of 1380 bytes.
std::vector<Octets> cut(Bytes packet, std::uint32_t id = 7) {
  std::vector<Octets> parts;
  Octets room(1380);
  EXPECT_TRUE(fragment(packet, 1380, id, room, [&](Bytes part) { parts.emplace_back(part.begin(), part.end()); }));
  return parts;
}

/// In a buffer large enough for a whole datagram, like the daemon's.
struct Roomy {
  Octets memory = Octets(Packet::kHeadroom + 65536 + Packet::kTailroom);
  Item item;

  explicit Roomy(Bytes packet) {
    item.packet = {memory, Packet::kHeadroom, packet.size()};
    std::ranges::copy(packet, item.packet.bytes().begin());
  }
};

Result send(Host& host, Bytes packet, Instant now = at(0)) {
  Roomy roomy(packet);
  host.worker.protect({&roomy.item, 1}, now);
  const Bytes left = roomy.item.packet.bytes();
  const bool passed = roomy.item.cause == Cause::none;
  return {roomy.item.cause, passed ? Octets(left.begin(), left.end()) : Octets{}, roomy.item.departure, roomy.item.mtu};
}

std::vector<std::string> causes(Host& host, const std::vector<Octets>& parts, Instant now = at(0)) {
  std::vector<std::string> all;
  for (const Octets& part : parts) all.emplace_back(name(send(host, part, now).cause));
  return all;
}

std::uint64_t dropped(const Host& host) {
  return host.plane.outbound().drops[static_cast<std::size_t>(Cause::fragment)];
}

using ::testing::ElementsAre;

TEST(Reassembly, FragmentsInAnyOrderLeaveAsOneDatagramUnderOneNumber) {
  for (const bool v6 : {false, true})
    for (const bool ah : {false, true}) {
      Host here, there;
      Wish w = wish(v6);
      if (ah) w.encrypt = 0, w.auth = 5;
      ASSERT_EQ(here.add(add(0x100, w)), kDone);
      ASSERT_EQ(there.add(add(0x100, w)), kDone);
      const Octets whole = datagram(shape(v6, 5000));
      std::vector<Octets> parts = cut(whole);
      ASSERT_EQ(parts.size(), 4u);
      std::ranges::rotate(parts, parts.begin() + 3);
      for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(name(send(here, parts[i]).cause), "held");
      const Result out = send(here, parts[3]);
      ASSERT_EQ(name(out.cause), "none");
      EXPECT_FALSE(out.departure.dont_fragment);
      EXPECT_GT(out.packet.size(), out.departure.mtu);
      EXPECT_EQ(out.departure.id != 0 || !v6, true);
      std::size_t pieces = 0;
      Octets room(1500);
      EXPECT_TRUE(fragment(out.packet, 1500, 1, room, [&](Bytes) { ++pieces; }));
      EXPECT_EQ(pieces, 4u);
      const Result in = unprotect(there, out.packet);
      EXPECT_EQ(name(in.cause), "none");
      EXPECT_EQ(hex(in.packet), hex(whole));
      EXPECT_EQ(here.plane.outbound().packets, 1u);
      EXPECT_EQ(here.plane.outbound().bytes, whole.size());
      EXPECT_EQ(dropped(here), 0u);
    }
}

TEST(Reassembly, AnSaWithPortsIsFoundByTheWholeDatagram) {
  Host host;
  Message m = add(0x100);
  m.dst->port = 2000;
  ASSERT_EQ(host.add(std::move(m)), kDone);
  EXPECT_THAT(causes(host, cut(datagram({.size = 3000}))), ElementsAre("held", "held", "none"));
  EXPECT_THAT(causes(host, cut(datagram({.size = 3000, .dst_port = 2001}))), ElementsAre("held", "held", "no_sa"));
}

// The first fragment shows its ports and the others do not: without this they would use two SAs, and never be
// reassembled.
TEST(Reassembly, InATunnelTheWholeDatagramFindsItsSaAmongThoseWithPorts) {
  const std::vector<Octets> parts = cut(datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = 3000}));
  Host host;
  ASSERT_EQ(host.add(add(0x100, {.tunnel = true})), kDone);
  EXPECT_THAT(causes(host, parts), ElementsAre("none", "none", "none"));
  Message m = add(0x200, {.tunnel = true});
  m.inner_src->proto = m.inner_dst->proto = kUdp;
  m.inner_dst->port = 2000;
  ASSERT_EQ(host.add(std::move(m)), kDone);
  EXPECT_THAT(causes(host, parts), ElementsAre("held", "held", "none"));
  const auto number = [&](std::uint32_t spi) {
    return host.plane.carried({pfkey::SaType::esp, spi, *parse_address("192.0.2.2")})->sequence;
  };
  EXPECT_EQ(number(0x100), 3u);
  EXPECT_EQ(number(0x200), 1u);
}

TEST(Reassembly, DatagramsDoNotMix) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, wish(true))), kDone);
  const Octets whole = datagram(shape(true, 2000));
  const std::vector<Octets> first = cut(whole, 1), second = cut(whole, 2);
  EXPECT_THAT(causes(host, {first[0], second[0]}), ElementsAre("held", "held"));
  EXPECT_THAT(causes(host, {second[1], first[1]}), ElementsAre("none", "none"));
}

// RFC 5722 section 3: an overlap ends the datagram, with the fragments before it and after it.
TEST(Reassembly, AnOverlapEndsTheWholeDatagram) {
  for (const bool v6 : {false, true}) {
    const std::vector<Octets> parts = cut(datagram(shape(v6, 3900)));
    ASSERT_EQ(parts.size(), 3u);
    Host host;
    ASSERT_EQ(host.add(add(0x100, wish(v6))), kDone);
    Octets shifted = parts[1];
    const std::size_t field = v6 ? 42 : 6;
    const unsigned unit = v6 ? 8 : 1;
    set(shifted, field, static_cast<std::uint16_t>(get<std::uint16_t>(parts[1], field) - unit));
    if (!v6) mend_checksum(shifted);
    EXPECT_THAT(causes(host, {parts[0], shifted}), ElementsAre("held", "fragment"));
    EXPECT_EQ(dropped(host), 2u);
    EXPECT_THAT(causes(host, {parts[1], parts[2]}), ElementsAre("fragment", "fragment"));
    EXPECT_EQ(dropped(host), 4u);
    // After its time the number means another datagram.
    EXPECT_THAT(causes(host, parts, at(15)), ElementsAre("held", "held", "none"));
    EXPECT_EQ(dropped(host), 4u);
  }
}

TEST(Reassembly, FragmentsThatContradictTheEndAreRefused) {
  const std::vector<Octets> parts = cut(datagram({.size = 4000}));
  // The middle as a second end; something behind the end; a middle fragment whose size is not a multiple of eight
  // octets.
  Octets end = parts[1];
  set(end, 6, static_cast<std::uint16_t>(get<std::uint16_t>(end, 6) & 0x1fff));
  mend_checksum(end);
  Octets behind = parts[1];
  set(behind, 6, static_cast<std::uint16_t>(0x2000 | 1000));
  mend_checksum(behind);
  const Octets odd = [&] {
    Octets o = parts[1];
    o.resize(o.size() - 1);
    mend_length(o);
    return o;
  }();
  for (const Octets& wrong : {end, behind}) {
    Host host;
    ASSERT_EQ(host.add(add(0x100)), kDone);
    EXPECT_THAT(causes(host, {parts[2], wrong, parts[0]}), ElementsAre("held", "fragment", "fragment"));
    EXPECT_EQ(dropped(host), 3u);
  }
  Host host;
  ASSERT_EQ(host.add(add(0x100)), kDone);
  EXPECT_THAT(causes(host, {odd, parts[0], parts[1], parts[2]}), ElementsAre("fragment", "held", "held", "none"));
}

TEST(Reassembly, FragmentsBeyondTheLongestPacketAreRefused) {
  Host host;
  ASSERT_EQ(host.add(add(0x100)), kDone);
  Octets last = datagram({.size = 992});
  for (const auto& [offset, cause] : {std::pair{8190u, "fragment"}, {8065u, "fragment"}, {8064u, "held"}}) {
    set(last, 6, static_cast<std::uint16_t>(offset));
    mend_checksum(last);
    EXPECT_EQ(name(send(host, last).cause), cause) << offset;  // 8064 * 8 + 1000 + 20 is 65532.
  }
}

TEST(Reassembly, TimeAndMemoryAreBounded) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, wish(true))), kDone);
  const Octets whole = datagram(shape(true, 2000));
  for (std::uint32_t id = 0; id < Reassembly::kMost; ++id)
    EXPECT_EQ(name(send(host, cut(whole, id)[0], at(id < 2 ? id : 2)).cause), "held");
  EXPECT_EQ(dropped(host), 0u);
  EXPECT_EQ(name(send(host, cut(whole, 100)[0], at(3)).cause), "held");  // The new one replaces the oldest:
  EXPECT_EQ(dropped(host), 1u);
  EXPECT_EQ(name(send(host, cut(whole, 1)[1], at(4)).cause), "none");  // not the second oldest.
  // Any outbound packet ends those that have waited 15 seconds.
  EXPECT_EQ(name(send(host, datagram(shape(true, 8)), at(16)).cause), "none");
  EXPECT_EQ(dropped(host), 1u);
  EXPECT_EQ(name(send(host, datagram(shape(true, 8)), at(17)).cause), "none");
  EXPECT_EQ(dropped(host), Reassembly::kMost - 1);
  EXPECT_EQ(name(send(host, datagram(shape(true, 8)), at(18)).cause), "none");
  EXPECT_EQ(dropped(host), Reassembly::kMost);
}

// RFC 3168 section 5.3.
TEST(Reassembly, CongestionMarksAreKept) {
  for (const bool v6 : {false, true})
    for (const auto& [first, second, whole] : {std::array{2, 3, 3}, {3, 2, 3}, {2, 2, 2}, {0, 0, 0}, {0, 3, -1}}) {
      Host here, there;
      ASSERT_EQ(here.add(add(0x100, wish(v6))), kDone);
      ASSERT_EQ(there.add(add(0x100, wish(v6))), kDone);
      std::vector<Octets> parts = cut(datagram(shape(v6, 2000)));
      ASSERT_EQ(parts.size(), 2u);
      set_traffic_class(parts[0], static_cast<std::uint8_t>(0xb8 | first));
      set_traffic_class(parts[1], static_cast<std::uint8_t>(0xb8 | second));
      EXPECT_EQ(name(send(here, parts[0]).cause), "held");
      const Result out = send(here, parts[1]);
      if (whole < 0) {
        EXPECT_EQ(name(out.cause), "fragment");
        EXPECT_EQ(dropped(here), 2u);
        continue;
      }
      ASSERT_EQ(name(out.cause), "none");
      const auto h = parse(unprotect(there, out.packet).packet);
      ASSERT_TRUE(h);
      EXPECT_EQ(h->traffic_class, 0xb8 | whole);
    }
}

// Extension headers before the Fragment header remain, and the octet that named it names its next header.
TEST(Reassembly, HeadersBeforeTheFragmentHeaderAreKept) {
  Host here, there;
  ASSERT_EQ(here.add(add(0x100, wish(true))), kDone);
  ASSERT_EQ(there.add(add(0x100, wish(true))), kDone);
  const Octets plain = datagram(shape(true, 2000));
  Octets whole(plain.size() + 8);
  std::ranges::copy(Bytes(plain).first(40), whole.begin());
  std::ranges::copy(Bytes(plain).subspan(40), whole.begin() + 48);
  whole[6] = std::byte{0}, whole[40] = std::byte{kUdp}, whole[42] = std::byte{1}, whole[43] = std::byte{4};
  mend_length(whole);
  const std::vector<Octets> parts = cut(whole);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(name(send(here, parts[0]).cause), "held");
  const Result out = send(here, parts[1]);
  ASSERT_EQ(name(out.cause), "none");
  EXPECT_EQ(hex(unprotect(there, out.packet).packet), hex(whole));
}

// Protected, it would exceed an IP packet: there is no answer, because a smaller size would not help its sender.
TEST(Reassembly, ADatagramThatCannotGrowIsDroppedWithoutAnAnswer) {
  Host host;
  ASSERT_EQ(host.add(add(0x100)), kDone);
  const std::vector<Octets> parts = cut(datagram({.size = 65'507}));
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) ASSERT_EQ(name(send(host, parts[i]).cause), "held");
  const Result out = send(host, parts.back());
  EXPECT_EQ(name(out.cause), "too_big");
  EXPECT_EQ(out.mtu, 0u);
}

}  // namespace
}  // namespace ipseckey::traffic
