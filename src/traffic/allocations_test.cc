/// What an SA counts as allocations: each connection once, whichever thread carries it and however often.
#include <gmock/gmock.h>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::SaType;

std::uint32_t allocations(const Plane& plane, SaType satype = SaType::esp, const char* dst = "192.0.2.2") {
  return plane.carried({satype, 0x100, *parse_address(dst)})->allocations;
}

Message limited(std::uint32_t hard, const Wish& wish = {}, std::uint32_t spi = 0x100) {
  Message m = add(spi, wish);
  m.hard = pfkey::Lifetime{.allocations = hard, .bytes = 0, .addtime = 0, .usetime = 0};
  return m;
}

TEST(Allocations, ManyInterleavedConnectionsCountOnceEach) {
  constexpr std::uint16_t kMany = 6000;
  Host here, there;
  ASSERT_EQ(here.add(limited(kMany)), kDone);
  ASSERT_EQ(there.add(limited(kMany, {.window = 0})), kDone);
  for (int again = 0; again < 3; ++again)
    for (std::uint16_t port = 0; port < kMany; ++port) {
      const Result out = protect(here, datagram({.dst_port = port}));
      ASSERT_EQ(name(out.cause), "none") << again << " " << port;
      ASSERT_EQ(name(unprotect(there, out.packet).cause), "none") << again << " " << port;
    }
  EXPECT_EQ(allocations(here.plane), kMany);
  EXPECT_EQ(allocations(there.plane), kMany);
  EXPECT_EQ(name(protect(here, datagram({.dst_port = kMany})).cause), "exhausted");
}

TEST(Allocations, AConnectionWithASourceRouteCountsOnce) {
  Octets v4 = datagram({.src = "192.0.2.1", .dst = "198.51.100.1"});
  constexpr std::array<unsigned, 8> kRoute = {131, 7, 4, 192, 0, 2, 2, 0};
  std::ranges::transform(kRoute, std::inserter(v4, v4.begin() + 20), [](unsigned o) { return std::byte(o); });
  v4[0] = std::byte{0x47};
  mend_length(v4);
  Host host;
  ASSERT_EQ(host.add(limited(1)), kDone);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(name(protect(host, v4).cause), "none") << i;
  EXPECT_EQ(allocations(host.plane), 1u);
}

// The first hop of a route is not an end of the connection: it may differ for each packet. No thread remembers what
// another has counted.
TEST(Allocations, AConnectionWithSeveralRoutesCountsOnce) {
  constexpr std::array<const char*, 3> kHops = {"198.51.100.1", "198.51.100.2", "203.0.113.9"};
  Plane plane{{.workers = kHops.size(), .mtu = 1500, .random = nullptr}};
  engine::Engine engine(engine::Options{.is_local = {}, .random = {}, .usable = {}, .carrier = &plane});
  ASSERT_EQ(engine::testing::outcome(engine, limited(1)), kDone);
  for (unsigned i = 0; i < kHops.size(); ++i) {
    Octets v4 = datagram({.src = "192.0.2.1", .dst = kHops[i]});
    constexpr std::array<unsigned, 8> kRoute = {131, 7, 4, 192, 0, 2, 2, 0};
    std::ranges::transform(kRoute, std::inserter(v4, v4.begin() + 20), [](unsigned o) { return std::byte(o); });
    v4[0] = std::byte{0x47};
    mend_length(v4);
    Worker worker = plane.worker(i);
    Held routed(v4), straight(datagram());
    for (Held* const held : {&routed, &straight}) {
      worker.protect({&held->item, 1}, at(0));
      EXPECT_EQ(name(held->item.cause), "none") << kHops[i];
    }
  }
  EXPECT_EQ(allocations(plane), 1u);
}

TEST(Allocations, AConnectionThatChangesItsThreadCountsOnce) {
  Plane plane{{.workers = 2, .mtu = 1500, .random = nullptr}};
  engine::Engine engine(engine::Options{.is_local = {}, .random = {}, .usable = {}, .carrier = &plane});
  ASSERT_EQ(engine::testing::outcome(engine, limited(1)), kDone);
  std::array workers = {plane.worker(0), plane.worker(1)};
  for (std::size_t i = 0; i < 4; ++i) {
    Held held(datagram());
    workers[i % 2].protect({&held.item, 1}, at(0));
    EXPECT_EQ(name(held.item.cause), "none") << i;
  }
  EXPECT_EQ(allocations(plane), 1u);
}

TEST(Allocations, AConnectionThatAlternatesBetweenSasCountsOnceForEach) {
  Host first, second, there;
  ASSERT_EQ(first.add(add(0x100)), kDone);
  ASSERT_EQ(second.add(add(0x101)), kDone);
  for (const std::uint32_t spi : {0x100u, 0x101u}) ASSERT_EQ(there.add(limited(1, {}, spi)), kDone);
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(name(unprotect(there, protect(i % 2 ? first : second, datagram()).packet).cause), "none") << i;
  EXPECT_EQ(allocations(there.plane), 1u);
}

// 20,000 connections: 1,024 by their tags, and for the rest the share 1 - exp(-18,976 / 2^20) of the bits, 18,806 +-
// 13.
TEST(Allocations, AreExactForAnSaWithALimit) {
  constexpr std::uint16_t kMany = 20'000;
  Host hard, soft, none;
  ASSERT_EQ(hard.add(limited(kMany)), kDone);
  Message m = add(0x100);
  m.soft = pfkey::Lifetime{.allocations = kMany, .bytes = 0, .addtime = 0, .usetime = 0};
  ASSERT_EQ(soft.add(std::move(m)), kDone);
  ASSERT_EQ(none.add(add(0x100)), kDone);
  for (Host* const host : {&hard, &soft, &none})
    for (std::uint16_t port = 0; port < kMany; ++port)
      ASSERT_EQ(name(protect(*host, datagram({.dst_port = port})).cause), "none") << port;
  EXPECT_EQ(allocations(hard.plane), kMany);
  EXPECT_EQ(allocations(soft.plane), kMany);
  EXPECT_GT(allocations(none.plane), 19'730u);
  EXPECT_LT(allocations(none.plane), 19'930u);
}

// After a process was killed, its successor knows the number of its connections, but not which ones they were.
TEST(Allocations, ConnectionsThatContinueAfterARestartAreNotNew) {
  const auto live = std::make_shared<SaNumbers>();
  PlaneOptions options;
  options.numbers = [live](const engine::SaId&) { return live; };
  for (int life = 0; life < 3; ++life) {
    Host host(options);
    ASSERT_EQ(host.add(limited(3)), kDone);
    for (const std::uint16_t port : {std::uint16_t{1}, std::uint16_t{2}, std::uint16_t{3}})
      EXPECT_EQ(name(protect(host, datagram({.dst_port = port})).cause), "none") << life << " " << port;
    EXPECT_EQ(allocations(host.plane), 3u);
  }
  Host host(options);
  ASSERT_EQ(host.add(limited(3)), kDone);
  for (const std::uint16_t port : {std::uint16_t{4}, std::uint16_t{5}, std::uint16_t{6}})
    EXPECT_EQ(name(protect(host, datagram({.dst_port = port})).cause), "none") << port;
  EXPECT_EQ(name(protect(host, datagram({.dst_port = 7})).cause), "exhausted");
}

TEST(Allocations, LaterFragmentsAreNotAConnection) {
  Octets first = datagram({.src = "10.1.0.1", .dst = "10.2.0.1"}), later = first;
  set<std::uint16_t>(first, 6, 0x2000), set<std::uint16_t>(later, 6, 0x0009);
  mend_checksum(first), mend_checksum(later);
  Host host;
  ASSERT_EQ(host.add(limited(1, {.tunnel = true})), kDone);
  for (const Octets* const part : {&first, &later, &first, &later}) EXPECT_EQ(name(protect(host, *part).cause), "none");
  EXPECT_EQ(allocations(host.plane), 1u);
}

// A first packet that was dropped does not start a connection; the next one does.
TEST(Allocations, OnlyACarriedPacketStartsAConnection) {
  Host host;
  ASSERT_EQ(host.add(limited(5)), kDone);
  EXPECT_EQ(name(protect(host, datagram({.size = 1470, .dont_fragment = true})).cause), "too_big");
  EXPECT_EQ(allocations(host.plane), 0u);
  EXPECT_EQ(name(protect(host, datagram()).cause), "none");
  EXPECT_EQ(allocations(host.plane), 1u);
}

// A packet that a hard limit refuses is counted neither as a connection nor in bytes.
TEST(Allocations, ARefusedPacketIsNotCounted) {
  Host many, much;
  ASSERT_EQ(many.add(limited(2)), kDone);
  for (std::uint16_t port = 1; port <= 2; ++port)
    EXPECT_EQ(name(protect(many, datagram({.dst_port = port})).cause), "none");
  EXPECT_EQ(name(protect(many, datagram({.dst_port = 3})).cause), "exhausted");
  const engine::SaId id{SaType::esp, 0x100, *parse_address("192.0.2.2")};
  auto c = many.plane.carried(id);
  EXPECT_EQ(c->allocations, 2u);
  EXPECT_EQ(c->bytes, 2 * 68u);
  EXPECT_EQ(c->packets, 2u);

  Message m = add(0x100);
  m.hard = pfkey::Lifetime{.allocations = 0, .bytes = 100, .addtime = 0, .usetime = 0};
  ASSERT_EQ(much.add(std::move(m)), kDone);
  EXPECT_EQ(name(protect(much, datagram({.dst_port = 1})).cause), "none");
  EXPECT_EQ(name(protect(much, datagram({.dst_port = 2})).cause), "exhausted");
  c = much.plane.carried(id);
  EXPECT_EQ(c->allocations, 1u);
  EXPECT_EQ(c->bytes, 68u);
  EXPECT_EQ(c->packets, 1u);
}

}  // namespace
}  // namespace ipseckey::traffic
