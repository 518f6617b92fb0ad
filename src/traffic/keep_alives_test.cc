/// What shows NATs that SAs in UDP are still there (RFC 3948 section 2.3), asked about one time after another.
#include <gmock/gmock.h>

#include "traffic/testing.h"

namespace traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::SaType;

constexpr const char* kSrc6 = "2001:db8::1";
constexpr const char* kDst6 = "2001:db8::2";

std::vector<Octets> due(Plane& plane, Instant now) {
  std::vector<Octets> packets;
  Octets memory(Packet::kHeadroom + 128);
  Item item;
  for (item.packet.memory = memory; plane.keep_alive(item, now);)
    packets.emplace_back(item.packet.bytes().begin(), item.packet.bytes().end());
  return packets;
}
std::size_t count(Plane& plane, int seconds) { return due(plane, at(seconds)).size(); }

Wish natted(std::uint32_t seconds = 20) { return {.tunnel = true, .udp = true, .keepalive = seconds}; }
const Shape kInside{.src = "10.1.0.1", .dst = "10.2.0.1"};

TEST(KeepAlives, IsOneOctetFromThePortOfTheSaToThatOfItsPeer) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, natted())), kDone);
  Octets memory(Packet::kHeadroom + 128);
  Item item;
  item.packet.memory = memory;
  ASSERT_FALSE(host.plane.keep_alive(item, at(19)));
  ASSERT_TRUE(host.plane.keep_alive(item, at(20)));
  const Bytes packet = item.packet.bytes();
  const auto h = parse(packet);
  ASSERT_TRUE(h);
  EXPECT_EQ(h->src, *parse_address("192.0.2.1"));
  EXPECT_EQ(h->dst, *parse_address("192.0.2.2"));
  EXPECT_EQ(h->upper, kUdp);
  // From 4500 to 4501, 9 bytes, no checksum, the octet.
  EXPECT_EQ(hex(packet.subspan(20)), "1194119500090000ff");
  EXPECT_EQ(item.departure.dst, h->dst);
  EXPECT_EQ(item.departure.protocol, kUdp);
  EXPECT_EQ(item.departure.header, 28u);
  EXPECT_EQ(name(item.cause), "none");
  Host peer;
  ASSERT_EQ(peer.add(add(0x100, natted())), kDone);
  EXPECT_EQ(name(unprotect(peer, packet).cause), "keep_alive");
}

TEST(KeepAlives, OverIpv6HasAChecksum) {
  Host host;
  Wish wish = natted();
  wish.src = kSrc6, wish.dst = kDst6;
  ASSERT_EQ(host.add(add(0x100, wish)), kDone);
  const auto packets = due(host.plane, at(20));
  ASSERT_EQ(packets.size(), 1u);
  ASSERT_EQ(packets[0].size(), 49u);
  Octets again = packets[0];
  mend_transport_checksum(again, *parse(again));
  EXPECT_NE(get<std::uint16_t>(packets[0], 46), 0u);
  EXPECT_EQ(hex(packets[0]), hex(again));
}

TEST(KeepAlives, ComesAfterSilenceAlone) {
  Host host;
  EXPECT_FALSE(host.plane.keep_alive_at());
  ASSERT_EQ(host.add(add(0x100, natted())), kDone);
  EXPECT_EQ(host.plane.keep_alive_at(), at(20).steady);
  EXPECT_EQ(count(host.plane, 19), 0u);
  EXPECT_EQ(name(protect(host, datagram(kInside), at(15)).cause), "none");
  EXPECT_EQ(count(host.plane, 20), 0u);
  EXPECT_EQ(host.plane.keep_alive_at(), at(35).steady);
  EXPECT_EQ(count(host.plane, 34), 0u);
  EXPECT_EQ(count(host.plane, 35), 1u);
  EXPECT_EQ(count(host.plane, 35), 0u);
  EXPECT_EQ(host.plane.keep_alive_at(), at(55).steady);
  // Whoever comes late sends one and no more.
  EXPECT_EQ(count(host.plane, 1000), 1u);
  EXPECT_EQ(host.plane.keep_alive_at(), at(1020).steady);
}

TEST(KeepAlives, IsNoPacketOfTheSa) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, natted())), kDone);
  EXPECT_EQ(count(host.plane, 20), 1u);
  const auto carried = host.plane.carried({SaType::esp, 0x100, *parse_address("192.0.2.2")});
  EXPECT_EQ(carried->packets, 0u);
  EXPECT_EQ(carried->bytes, 0u);
  EXPECT_EQ(carried->sequence, 0u);
  EXPECT_EQ(host.plane.outbound().packets, 0u);
}

TEST(KeepAlives, EachSaHasATimeOfItsOwn) {
  Host host;
  for (const std::uint32_t seconds : {10u, 15u, 30u}) ASSERT_EQ(host.add(add(0x100 + seconds, natted(seconds))), kDone);
  ASSERT_EQ(host.add(add(0x200, {.tunnel = true, .udp = true})), kDone);
  ASSERT_EQ(host.add(add(0x201, {.tunnel = true})), kDone);
  std::vector<std::size_t> counts;
  for (int second = 5; second <= 30; second += 5) counts.push_back(count(host.plane, second));
  EXPECT_THAT(counts, ::testing::ElementsAre(0u, 1u, 1u, 1u, 0u, 3u));
}

TEST(KeepAlives, EndsWithItsSa) {
  Host host;
  const engine::SaId id{SaType::esp, 0x100, *parse_address("192.0.2.2")};
  ASSERT_EQ(host.add(add(0x100, natted())), kDone);
  host.plane.halt(id);
  EXPECT_EQ(count(host.plane, 20), 0u);
  host.plane.remove(id);
  EXPECT_EQ(count(host.plane, 100), 0u);
  EXPECT_FALSE(host.plane.keep_alive_at());
}

// What only receives is not what the NAT knows.
TEST(KeepAlives, IsForWhatSends) {
  Host host;
  Message inbound = add(0x100, natted());
  inbound.sa->flags |= pfkey::kFlagInbound;
  ASSERT_EQ(host.add(std::move(inbound)), kDone);
  EXPECT_EQ(count(host.plane, 100), 0u);
  EXPECT_FALSE(host.plane.keep_alive_at());
}

}  // namespace
}  // namespace traffic
