#include "engine/lifecycle.h"

#include <gtest/gtest.h>

#include "engine/testing.h"

namespace ipseckey::engine {
namespace {

using namespace engine::testing;
using pfkey::Lifetime;
using pfkey::State;

constexpr SaId kId{SaType::esp, 0x100, {Family::v4, {std::byte{192}, std::byte{0}, std::byte{2}, std::byte{2}}}};

// One ESP SA, added at 0, and a clock.
struct Lifecycle : ::testing::Test {
  CountedPackets packets;
  Engine engine{carried_by(packets)};

  static Options carried_by(CountedPackets& packets) {
    Options options;
    options.carrier = &packets;
    return options;
  }

  void add(std::optional<Lifetime> hard, std::optional<Lifetime> soft = {}, std::optional<Lifetime> idle = {},
           State state = State::mature) {
    Message m = add_esp(0x100);
    m.hard = hard, m.soft = soft, m.idle = idle;
    m.sa->state = state;
    ASSERT_EQ(outcome(engine, std::move(m)), kDone);
  }
  void update(std::int64_t t, std::optional<Lifetime> hard, std::optional<Lifetime> soft = {},
              std::optional<Lifetime> idle = {}) {
    Message m = request(Type::update, SaType::esp, 0x100);
    m.hard = hard, m.soft = soft, m.idle = idle;
    ASSERT_EQ(outcome(engine, std::move(m), at(t)), kDone);
  }
  std::vector<Sent> charge(std::int64_t t, std::uint64_t bytes, bool expected, bool new_flow = false) {
    std::vector<Sent> sent;
    const bool passed = packets.charge(engine, kId, bytes, new_flow, at(t),
                                       [&](Audience to, Message&& m) { sent.push_back({to, std::move(m)}); });
    EXPECT_EQ(passed, expected) << "at " << t;
    return sent;
  }
  // Seconds after the add.
  std::optional<std::int64_t> deadline() {
    const auto next = engine.deadline();
    if (!next) return std::nullopt;
    return std::chrono::duration_cast<std::chrono::seconds>(*next - at(0).steady).count();
  }
  std::optional<State> state() {
    const auto all = dump(engine);
    if (all.empty()) return std::nullopt;
    return all[0].sa->state;
  }
};

// The common parts of every EXPIRE of that SA, without the limit that it reports.
Sent notice(State state, std::uint32_t flags = 0, Lifetime current = {.addtime = kEpoch}) {
  Message m = request(Type::expire, SaType::esp, 0x100);
  m.seq = m.pid = 0;
  m.sa->state = state, m.sa->flags = flags, m.sa->auth = 5, m.sa->encrypt = 12;
  m.current = current;
  m.km_cookie.emplace();
  return {Audience::everyone, std::move(m)};
}
Sent hard_notice(Lifetime limit, std::uint32_t flags = 0, Lifetime current = {.addtime = kEpoch}) {
  Sent s = notice(State::dead, flags, current);
  s.message.hard = limit;
  return s;
}
Sent soft_notice(Lifetime limit, std::uint32_t flags = 0, Lifetime current = {.addtime = kEpoch}) {
  Sent s = notice(State::dying, flags, current);
  s.message.soft = limit;
  return s;
}
Sent idle_notice(Lifetime limit, std::uint32_t flags = 0, Lifetime current = {.addtime = kEpoch}) {
  Sent s = notice(State::mature, flags, current);
  s.message.idle = limit;
  return s;
}

void expect_one(const std::vector<Sent>& sent, const Sent& wanted) {
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0], wanted);
}
#define EXPECT_SILENT(...) EXPECT_TRUE((__VA_ARGS__).empty())

constexpr Lifetime kHard{.addtime = 100}, kSoft{.addtime = 60};

// covers RFC2367-2.3.2-1
TEST_F(Lifecycle, WithoutLimitsNothingIsEverDue) {
  add({});
  EXPECT_EQ(deadline(), std::nullopt);
  EXPECT_SILENT(expire(engine, at(1'000'000'000)));
  EXPECT_EQ(state(), State::mature);
}

// covers RFC2367-2.3.2-1
TEST_F(Lifecycle, ALimitOfZeroIsNone) {
  add(Lifetime{}, Lifetime{});
  EXPECT_SILENT(charge(1, UINT32_MAX, true, true));
  EXPECT_SILENT(expire(engine, at(1'000'000'000)));
  EXPECT_EQ(state(), State::mature);
}

// covers RFC4301-4.4.2.1-7 RFC2367-3.1.8-1
TEST_F(Lifecycle, SoftThenHardToTheSecond) {
  add(kHard, kSoft, Lifetime{.addtime = 60});
  EXPECT_EQ(deadline(), 60);
  EXPECT_SILENT(expire(engine, at(59)));
  expect_one(expire(engine, at(60)), soft_notice(kSoft));
  EXPECT_EQ(state(), State::dying);
  EXPECT_EQ(deadline(), 100);
  EXPECT_SILENT(expire(engine, at(99)));
  expect_one(expire(engine, at(100)), hard_notice(kHard));
  EXPECT_EQ(state(), std::nullopt);
  EXPECT_EQ(engine.size(), 0u);
  EXPECT_EQ(deadline(), std::nullopt);
}

TEST_F(Lifecycle, HardWinsWhenBothAreDue) {
  add(kHard, kSoft);
  expect_one(expire(engine, at(500)), hard_notice(kHard));
  EXPECT_EQ(engine.size(), 0u);
}

TEST_F(Lifecycle, TheSpiIsFreeAtOnceAfterDeath) {
  add(kHard);
  expire(engine, at(100));
  EXPECT_EQ(outcome(engine, add_esp(0x100), at(100)), kDone);
}

TEST_F(Lifecycle, LimitsBeyondTheClockAreNeverReached) {
  add(Lifetime{.addtime = UINT64_MAX, .usetime = UINT64_MAX}, {}, Lifetime{.addtime = UINT64_MAX});
  EXPECT_EQ(deadline(), std::nullopt);
  charge(1, 1, true);
  EXPECT_EQ(deadline(), std::nullopt);
}

TEST_F(Lifecycle, UseTimeRunsFromTheFirstUse) {
  constexpr Lifetime hard{.usetime = 50}, soft{.usetime = 20};
  add(hard, soft);
  EXPECT_EQ(deadline(), std::nullopt);
  EXPECT_SILENT(charge(10, 8, true));
  EXPECT_EQ(deadline(), 30);
  EXPECT_SILENT(charge(25, 8, true));
  EXPECT_EQ(deadline(), 30);
  const Lifetime current{.bytes = 16, .addtime = kEpoch, .usetime = kEpoch + 10};
  expect_one(expire(engine, at(30)), soft_notice(soft, pfkey::kFlagUsed, current));
  EXPECT_EQ(deadline(), 60);
  expect_one(expire(engine, at(60)), hard_notice(hard, pfkey::kFlagUsed, current));
}

// covers RFC2367-2.3.2-1
TEST_F(Lifecycle, TheEarlierOfAddTimeAndUseTimeCounts) {
  add(Lifetime{.addtime = 100, .usetime = 50}, {}, Lifetime{.addtime = 100});
  EXPECT_EQ(deadline(), 100);
  charge(80, 1, true);
  EXPECT_EQ(deadline(), 100);
}

// covers RFC2367-2.3.2-1
TEST_F(Lifecycle, AnEarlyFirstUseEndsTheSaBeforeItsAddTime) {
  add(Lifetime{.addtime = 100, .usetime = 50}, {}, Lifetime{.addtime = 100});
  charge(10, 1, true);
  EXPECT_EQ(deadline(), 60);
  EXPECT_SILENT(expire(engine, at(59)));
  EXPECT_EQ(expire(engine, at(60)).size(), 1u);
  EXPECT_EQ(engine.size(), 0u);
}

// covers RFC4301-4.4.2.1-4 RFC2367-2.3.2-1
TEST_F(Lifecycle, OfTimeAndBytesTheFirstLimitCounts) {
  constexpr Lifetime both{.bytes = 1000, .addtime = 100};
  add(both);
  charge(50, 999, true);
  EXPECT_EQ(charge(60, 1, false).size(), 1u);
  EXPECT_EQ(engine.size(), 0u);
  add(both);
  charge(61, 1, true);
  EXPECT_EQ(state(), State::mature);
  expire(engine, at(100));
  EXPECT_EQ(engine.size(), 0u);
}

TEST_F(Lifecycle, BytesCountUpToTheLimit) {
  constexpr Lifetime hard{.bytes = 1000}, soft{.bytes = 600};
  add(hard, soft);
  EXPECT_SILENT(charge(1, 599, true));
  expect_one(charge(2, 1, true),
             soft_notice(soft, pfkey::kFlagUsed, {.bytes = 600, .addtime = kEpoch, .usetime = kEpoch + 1}));
  EXPECT_EQ(state(), State::dying);
  EXPECT_SILENT(charge(3, 399, true));
  // The packet that would reach the limit is not carried and not counted.
  expect_one(charge(4, 1, false),
             hard_notice(hard, pfkey::kFlagUsed, {.bytes = 999, .addtime = kEpoch, .usetime = kEpoch + 1}));
  EXPECT_EQ(engine.size(), 0u);
  EXPECT_SILENT(charge(5, 1, false));
}

TEST_F(Lifecycle, BytesDoNotOverflow) {
  add(Lifetime{.bytes = 100});
  charge(1, 50, true);
  charge(1, UINT64_MAX, false);
  EXPECT_EQ(engine.size(), 0u);
}

TEST_F(Lifecycle, AllocationsAreFlowsUpToTheLimit) {
  constexpr Lifetime hard{.allocations = 3}, soft{.allocations = 2};
  add(hard, soft);
  EXPECT_SILENT(charge(1, 10, true, true));
  expect_one(
      charge(1, 10, true, true),
      soft_notice(soft, pfkey::kFlagUsed, {.allocations = 2, .bytes = 20, .addtime = kEpoch, .usetime = kEpoch + 1}));
  EXPECT_SILENT(charge(1, 10, true, true));
  EXPECT_SILENT(charge(1, 10, true, false));  // An old flow may continue.
  expect_one(
      charge(2, 10, false, true),
      hard_notice(hard, pfkey::kFlagUsed, {.allocations = 3, .bytes = 40, .addtime = kEpoch, .usetime = kEpoch + 1}));
}

TEST_F(Lifecycle, IdleIsReportedOnceAndAgainAfterUse) {
  constexpr Lifetime idle{.addtime = 30};
  add({}, {}, idle);
  EXPECT_EQ(deadline(), 30);
  expect_one(expire(engine, at(30)), idle_notice(idle));
  EXPECT_EQ(state(), State::mature);
  EXPECT_EQ(deadline(), std::nullopt);
  EXPECT_SILENT(expire(engine, at(300)));
  EXPECT_SILENT(charge(310, 8, true));
  EXPECT_EQ(deadline(), 340);
  EXPECT_SILENT(charge(320, 8, true));
  EXPECT_SILENT(expire(engine, at(340)));
  const Lifetime current{.bytes = 16, .addtime = kEpoch, .usetime = kEpoch + 310};
  expect_one(expire(engine, at(350)), idle_notice(idle, pfkey::kFlagUsed, current));
}

TEST_F(Lifecycle, IdleUseTimeCountsOnceTheSaWasUsed) {
  add({}, {}, Lifetime{.addtime = 30, .usetime = 5});
  EXPECT_EQ(deadline(), 30);
  charge(10, 8, true);
  EXPECT_EQ(deadline(), 15);
}

TEST_F(Lifecycle, IdleDefaultsToHalfOfTheHardLimit) {
  add(kHard);
  EXPECT_EQ(deadline(), 50);
  EXPECT_EQ(dump(engine)[0].idle, std::nullopt);
  expect_one(expire(engine, at(50)), idle_notice({.addtime = 50}));
  EXPECT_EQ(deadline(), 100);
}

TEST_F(Lifecycle, DyingSasAreNotReportedAsIdle) {
  add(kHard, Lifetime{.addtime = 10});
  expire(engine, at(10));
  EXPECT_EQ(deadline(), 100);
}

TEST_F(Lifecycle, RaisingALimitRevivesADyingSa) {
  add(kHard, kSoft);
  expire(engine, at(60));
  ASSERT_EQ(state(), State::dying);
  update(70, Lifetime{.addtime = 500});
  EXPECT_EQ(state(), State::dying);  // The soft limit has still been passed.
  update(70, {}, Lifetime{.addtime = 300}, Lifetime{.addtime = 300});
  EXPECT_EQ(state(), State::mature);
  EXPECT_EQ(dump(engine)[0].current->addtime, kEpoch);
  EXPECT_EQ(deadline(), 300);
  expect_one(expire(engine, at(300)), soft_notice({.addtime = 300}));
  expect_one(expire(engine, at(500)), hard_notice({.addtime = 500}));
}

TEST_F(Lifecycle, LoweringALimitBelowTheUseIsDueAtOnce) {
  add({});
  charge(1, 5000, true);
  update(2, {}, Lifetime{.bytes = 4000});
  EXPECT_EQ(deadline(), 2);
  const Lifetime current{.bytes = 5000, .addtime = kEpoch, .usetime = kEpoch + 1};
  expect_one(expire(engine, at(2)), soft_notice({.bytes = 4000}, pfkey::kFlagUsed, current));
  update(3, Lifetime{.bytes = 4500});
  expect_one(expire(engine, at(3)), hard_notice({.bytes = 4500}, pfkey::kFlagUsed, current));
  EXPECT_EQ(engine.size(), 0u);
}

TEST_F(Lifecycle, UpdateLeavesZeroLimitsAloneAndCapsSoftAndIdleLimits) {
  add(Lifetime{.allocations = 9, .bytes = 1000, .addtime = 100, .usetime = 50}, Lifetime{.bytes = 800, .addtime = 60},
      Lifetime{.addtime = 20});
  update(1, Lifetime{.addtime = 90}, {}, {});
  update(1, {}, Lifetime{.allocations = 20, .bytes = 2000, .usetime = 10}, {});
  update(1, {}, {}, Lifetime{.addtime = 70});
  const Message got = std::move(dump(engine)[0]);
  EXPECT_EQ(got.hard, (Lifetime{.allocations = 9, .bytes = 1000, .addtime = 90, .usetime = 50}));
  EXPECT_EQ(got.soft, (Lifetime{.allocations = 9, .bytes = 1000, .addtime = 60, .usetime = 10}));
  EXPECT_EQ(got.idle, (Lifetime{.addtime = 60}));
}

TEST_F(Lifecycle, UpdateSetsSoftLimitsWithoutHardOnes) {
  add({});
  update(1, {}, Lifetime{.bytes = 700, .usetime = 30});
  EXPECT_EQ(dump(engine)[0].soft, (Lifetime{.bytes = 700, .usetime = 30}));
}

// covers RFC2367-3.1.1-1
TEST_F(Lifecycle, ALarvalSaTimesOutSilently) {
  Message m = getspi(0x100, 0x100);
  ASSERT_EQ(outcome(engine, std::move(m)), kDone);
  EXPECT_EQ(state(), State::larval);
  EXPECT_EQ(deadline(), 90);
  EXPECT_SILENT(charge(1, 1, false));
  EXPECT_SILENT(expire(engine, at(89)));
  EXPECT_EQ(engine.size(), 1u);
  EXPECT_SILENT(expire(engine, at(90)));
  EXPECT_EQ(engine.size(), 0u);
}

// covers RFC2367-3.1.2-1 RFC4301-4.5-1
TEST_F(Lifecycle, AnUpdateMakesALarvalSaMatureFromThenOn) {
  Message m = getspi(0x100, 0x100);
  ask(engine, std::move(m));
  Message complete = add_esp(0x100);
  complete.type = Type::update;
  complete.hard = kHard;
  EXPECT_EQ(outcome(engine, std::move(complete), at(40)), kDone);
  EXPECT_EQ(state(), State::mature);
  EXPECT_EQ(dump(engine)[0].current->addtime, kEpoch + 40);
  EXPECT_EQ(deadline(), 90);  // Half of the hard limit.
  expire(engine, at(90));
  EXPECT_EQ(deadline(), 140);
}

TEST_F(Lifecycle, AnSaOfAnotherNodeBecomesIdleAndReturns) {
  add(Lifetime{.addtime = 1000}, {}, Lifetime{.addtime = 30}, State::active_elsewhere);
  EXPECT_SILENT(charge(1, 1, false));
  EXPECT_SILENT(expire(engine, at(30)));
  EXPECT_EQ(state(), State::idle);
  Message m = request(Type::update, SaType::esp, 0x100);
  m.sa->state = State::active_elsewhere;
  EXPECT_EQ(outcome(engine, m.clone(), at(40)), kDone);
  EXPECT_EQ(state(), State::active_elsewhere);
  EXPECT_SILENT(expire(engine, at(70)));
  EXPECT_EQ(state(), State::idle);
  m.sa->state = State::active;
  EXPECT_EQ(outcome(engine, m.clone(), at(80)), kDone);
  EXPECT_EQ(state(), State::mature);
  EXPECT_EQ(outcome(engine, m.clone(), at(80)), (Outcome{22, pfkey::Diagnostic::bad_sastate}));
}

TEST_F(Lifecycle, AnSaOfAnotherNodeEndsSilently) {
  add(Lifetime{.addtime = 100}, {}, Lifetime{.addtime = 30}, State::active_elsewhere);
  EXPECT_SILENT(expire(engine, at(100)));
  EXPECT_EQ(engine.size(), 0u);
}

TEST_F(Lifecycle, DeadlinesAreInOrderAndOfEqualOnesTheOlderSaIsFirst) {
  for (const auto& [spi, t] : {std::pair{1u, 20u}, {2u, 10u}, {3u, 20u}, {4u, 5u}}) {
    Message m = add_esp(spi);
    m.hard = Lifetime{.addtime = t};
    m.idle = Lifetime{.addtime = 1000};
    ask(engine, std::move(m));
  }
  std::vector<std::uint32_t> spis;
  for (const Sent& s : expire(engine, at(20))) spis.push_back(s.message.sa->spi);
  EXPECT_EQ(spis, (std::vector<std::uint32_t>{4, 2, 1, 3}));
}

TEST_F(Lifecycle, ExpireShowsInnerAddressesInTunnelModeAndNoKeys) {
  Message m = add_esp(0x100);
  m.hard = kHard;
  m.sa->flags = pfkey::kFlagTunnel;
  m.inner_src = endpoint("10.0.0.0", 8), m.inner_dst = endpoint("10.1.0.0", 16);
  m.km_cookie = pfkey::KmCookie{1, 99};
  m.src_identity = pfkey::Identity{pfkey::IdentityType::fqdn, 0, "a.example"};
  ask(engine, m.clone());
  Sent wanted = hard_notice(kHard, pfkey::kFlagTunnel | pfkey::kFlagUnique);
  wanted.message.inner_src = endpoint("10.0.0.0", 8), wanted.message.inner_dst = endpoint("10.1.0.0", 16);
  wanted.message.src->proto = wanted.message.dst->proto = 4;
  wanted.message.km_cookie = pfkey::KmCookie{1, 99};
  expect_one(expire(engine, at(100)), wanted);
}

}  // namespace
}  // namespace ipseckey::engine
