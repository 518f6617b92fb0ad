/// Keepalives for the NATs of SAs in UDP (RFC 3948 section 2.3), for a sequence of times.
#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::SaType;

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

// covers RFC3948-2.3-1
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

// covers RFC3948-4-1
TEST(KeepAlives, IsDueOnlyAfterSilence) {
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
  // After a long delay one is sent, not several.
  EXPECT_EQ(count(host.plane, 1000), 1u);
  EXPECT_GT(host.plane.keep_alive_at(), at(1010).steady);
  EXPECT_LE(host.plane.keep_alive_at(), at(1020).steady);
}

// Small delays do not add up.
TEST(KeepAlives, TheNextCountsFromWhenItWasDue) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, natted())), kDone);
  EXPECT_EQ(count(host.plane, 23), 1u);
  EXPECT_EQ(host.plane.keep_alive_at(), at(40).steady);
  EXPECT_EQ(count(host.plane, 39), 0u);
  EXPECT_EQ(count(host.plane, 42), 1u);
  EXPECT_EQ(host.plane.keep_alive_at(), at(60).steady);
}

// Clients are served in between.
TEST(KeepAlives, AreFewAtOnce) {
  Host host;
  const auto behind = [](std::uint32_t i) { return fmt::format("10.2.0.{}", i); };
  for (std::uint32_t i = 0; i < 150; ++i) {
    const std::string inside = behind(i);
    Wish wish = natted();
    wish.inner_src = kInside.src, wish.inner_dst = inside.c_str(), wish.prefix = 32;
    ASSERT_EQ(host.add(add(0x100 + i, wish)), kDone);
  }
  std::vector<std::size_t> counts;
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(host.plane.keep_alive_at(), at(i < 3 ? 20 : 40).steady);
    counts.push_back(count(host.plane, 20));
  }
  EXPECT_THAT(counts, ::testing::ElementsAre(64u, 64u, 22u, 0u));
  // Checks that find a packet has left meanwhile count, too.
  for (std::uint32_t i = 0; i < 150; ++i) {
    const std::string inside = behind(i);
    Shape shape = kInside;
    shape.dst = inside.c_str();
    EXPECT_EQ(name(protect(host, datagram(shape), at(35)).cause), "none");
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(host.plane.keep_alive_at(), at(40).steady);
    EXPECT_EQ(count(host.plane, 40), 0u);
  }
  EXPECT_EQ(host.plane.keep_alive_at(), at(55).steady);
}

// After a pause all are late at the same time.
TEST(KeepAlives, LateOnesAreSpread) {
  Host host;
  for (std::uint32_t spi = 0x100; spi < 0x100 + 60; ++spi) ASSERT_EQ(host.add(add(spi, natted())), kDone);
  EXPECT_EQ(count(host.plane, 1000), 60u);
  EXPECT_EQ(count(host.plane, 1010), 0u);
  std::vector<std::size_t> counts;
  for (int second = 1011; second <= 1020; ++second) counts.push_back(count(host.plane, second));
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), std::size_t{0}), 60u);
  EXPECT_LT(*std::ranges::max_element(counts), 20u);
}

TEST(KeepAlives, IsRetriedSoonIfThereWasNoRoom) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, natted())), kDone);
  ASSERT_EQ(count(host.plane, 20), 1u);
  const engine::SaId id{SaType::esp, 0x100, *parse_address("192.0.2.2")};
  host.plane.keep_alive_again(id, at(20));
  EXPECT_EQ(host.plane.keep_alive_at(), at(21).steady);
  EXPECT_EQ(count(host.plane, 20), 0u);
  EXPECT_EQ(count(host.plane, 21), 1u);
  EXPECT_EQ(host.plane.keep_alive_at(), at(41).steady);
  host.plane.remove(id);
  host.plane.keep_alive_again(id, at(41));
  EXPECT_FALSE(host.plane.keep_alive_at());
}

// After a restart the silence continues.
TEST(KeepAlives, CountsFromTheLastPacketBeforeARestart) {
  for (const auto& [flags, first] :
       {std::pair(0u + pfkey::kFlagOutbound, 35), std::pair(pfkey::kFlagOutbound | pfkey::kFlagInbound, 20)}) {
    PlaneOptions options;
    options.numbers = [](const engine::SaId&) {
      auto live = std::make_shared<SaNumbers>();
      live->begun = 1, live->last_steady = static_cast<std::uint64_t>(at(15).steady.count());
      return live;
    };
    Host host(options);
    Message sa = add(0x100, natted());
    sa.sa->flags |= flags;
    ASSERT_EQ(host.add(std::move(sa)), kDone);
    EXPECT_EQ(host.plane.keep_alive_at(), at(first).steady) << "a use may have been a packet that arrived";
  }
}

// The kernel cannot choose it, because a checksum covers it.
TEST(KeepAlives, OverIpv6NeedsASource) {
  Host host;
  Wish wish = natted();
  wish.src = "::", wish.dst = kDst6;
  ASSERT_EQ(host.add(add(0x100, wish)), kDone);
  EXPECT_EQ(count(host.plane, 100), 0u);
  EXPECT_FALSE(host.plane.keep_alive_at());
}

TEST(KeepAlives, IsNotAPacketOfTheSa) {
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

// The NAT has no mapping for an SA that only receives.
TEST(KeepAlives, IsOnlyForSasThatSend) {
  Host host;
  Message inbound = add(0x100, natted());
  inbound.sa->flags |= pfkey::kFlagInbound;
  ASSERT_EQ(host.add(std::move(inbound)), kDone);
  EXPECT_EQ(count(host.plane, 100), 0u);
  EXPECT_FALSE(host.plane.keep_alive_at());
}

}  // namespace
}  // namespace ipseckey::traffic
