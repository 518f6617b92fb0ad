/// An SA's packets when its direction becomes known, from its pair, after it has carried packets.
#include <gmock/gmock.h>

#include <thread>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::SaType;

constexpr std::uint32_t kThere = 0x100, kBack = 0x200;  // Between 192.0.2.1 and 192.0.2.2.

Wish between(std::uint32_t spi) {
  Wish wish{.tunnel = true, .inner_src = "0.0.0.0", .inner_dst = "0.0.0.0", .prefix = 0};
  if (spi == kBack) std::swap(wish.src, wish.dst);
  return wish;
}

Message sa(std::uint32_t spi, std::uint32_t direction = 0) {
  Message m = add(spi, between(spi));
  m.sa->flags |= direction;
  return m;
}

// `update` of one SA that names the other as its pair.
Message pairs(std::uint32_t spi, std::uint32_t other) {
  const Wish wish = between(spi);
  Message m = engine::testing::request(pfkey::Type::update, SaType::esp, spi);
  m.src = endpoint(wish.src), m.dst = endpoint(wish.dst);
  m.pair = pfkey::Pair{other};
  return m;
}

engine::SaId id(std::uint32_t spi) { return {SaType::esp, spi, *parse_address(between(spi).dst)}; }

std::uint32_t spi_of(const Result& out) { return out.cause == Cause::none ? get<std::uint32_t>(out.packet, 20) : 0; }

// Until then the newest SA sends, whatever it is for; its counters and its window continue.
TEST(Directions, AnSaThatItsPairMakesInboundStopsSendingAndContinuesReceiving) {
  Host here, peer;
  ASSERT_EQ(here.add(sa(kThere, pfkey::kFlagOutbound)), kDone);
  ASSERT_EQ(here.add(sa(kBack)), kDone);
  ASSERT_EQ(peer.add(sa(kBack, pfkey::kFlagOutbound)), kDone);
  const Octets plain = datagram(), answer = datagram({.src = "192.0.2.2", .dst = "192.0.2.1"});
  const Octets first = protect(peer, answer).packet, second = protect(peer, answer).packet,
               third = protect(peer, answer).packet;
  ASSERT_EQ(name(unprotect(here, first).cause), "none");
  ASSERT_EQ(name(unprotect(here, third).cause), "none");
  ASSERT_EQ(spi_of(protect(here, plain)), kBack);

  ASSERT_EQ(here.add(pairs(kThere, kBack)), kDone);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(spi_of(protect(here, plain)), kThere) << i;
  EXPECT_EQ(name(unprotect(here, first).cause), "replayed");
  EXPECT_EQ(name(unprotect(here, second).cause), "none");
  EXPECT_EQ(name(unprotect(here, third).cause), "replayed");
  const auto back = here.plane.carried(id(kBack)), there = here.plane.carried(id(kThere));
  EXPECT_EQ(back->packets, 4u);      // Three in, one out.
  EXPECT_EQ(back->allocations, 2u);  // The same number of connections.
  EXPECT_EQ(back->sequence, 3u);
  EXPECT_EQ(back->replayed, 2u);
  EXPECT_EQ(there->packets, 2u);
  EXPECT_EQ(there->sequence, 2u);

  // Whatever it was when it was added, it leaves nothing behind.
  Message gone = engine::testing::request(pfkey::Type::del, SaType::esp, kThere);
  ASSERT_EQ(here.add(std::move(gone)), kDone);
  EXPECT_EQ(name(protect(here, plain).cause), "no_sa");
}

TEST(Directions, AnSaThatItsPairMakesOutboundStopsReceivingAndContinuesSending) {
  Host here, peer;
  ASSERT_EQ(here.add(sa(kThere)), kDone);
  ASSERT_EQ(here.add(sa(kBack, pfkey::kFlagInbound)), kDone);
  ASSERT_EQ(peer.add(sa(kThere)), kDone);
  const Octets before = protect(here, datagram()).packet;
  ASSERT_EQ(name(unprotect(here, before).cause), "none");
  ASSERT_EQ(here.add(pairs(kBack, kThere)), kDone);
  const Result after = protect(here, datagram());
  ASSERT_EQ(spi_of(after), kThere);
  EXPECT_EQ(get<std::uint32_t>(after.packet, 24), 2u);
  EXPECT_EQ(name(unprotect(here, after.packet).cause), "not_usable");
  for (const Octets& packet : {before, after.packet}) EXPECT_EQ(name(unprotect(peer, packet).cause), "none");
}

// Pairs are added and removed while packets go through both SAs on several threads: a packet sealed by one is opened by
// it, or dropped because the SA has the other direction, or because it was deleted.
TEST(Directions, ChangeWhilePacketsFlow) {
  constexpr unsigned kThreads = 2;
  Plane out{{.workers = kThreads, .mtu = 1500, .random = nullptr}};
  engine::Engine engine(engine::Options{.is_local = {}, .random = {}, .usable = {}, .carrier = &out});
  std::atomic<bool> stop{false};
  std::array<std::atomic<std::uint64_t>, kThreads> through{};
  std::vector<std::thread> threads;
  const auto run = [&](unsigned number) {
    Worker worker = out.worker(number);
    while (!stop.load()) {
      Held held(datagram());
      worker.protect({&held.item, 1}, at(1));
      if (held.item.cause != Cause::none) continue;
      worker.unprotect({&held.item, 1}, at(1));
      EXPECT_NE(name(held.item.cause), "corrupt");
      EXPECT_NE(name(held.item.cause), "crypto");
      ++through[number];
    }
  };
  for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back(run, i);
  // On a busy machine a thread may begin when the others have carried everything.
  const auto idle = [](const std::atomic<std::uint64_t>& n) { return n.load() == 0; };
  for (int round = 0; round < 100 || std::ranges::any_of(through, idle); ++round) {
    for (const std::uint32_t spi : {kThere, kBack})
      ASSERT_EQ(engine::testing::outcome(engine, sa(spi, spi == kThere ? std::uint32_t{pfkey::kFlagOutbound} : 0)),
                kDone);
    const std::uint64_t before = out.outbound().packets;
    while (out.outbound().packets == before) std::this_thread::yield();
    ASSERT_EQ(engine::testing::outcome(engine, pairs(kThere, kBack)), kDone);
    for (const std::uint32_t spi : {kBack, kThere}) {
      Message gone = engine::testing::request(pfkey::Type::del, SaType::esp, spi);
      gone.src = endpoint(between(spi).src), gone.dst = endpoint(between(spi).dst);
      ASSERT_EQ(engine::testing::outcome(engine, std::move(gone)), kDone);
    }
    while (out.wanted()) continue;
  }
  stop = true;
  for (std::thread& t : threads) t.join();
}

}  // namespace
}  // namespace ipseckey::traffic
