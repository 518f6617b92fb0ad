// Two SAs that live and die together. The refusals are in diagnostics_test.cc.
#include <gtest/gtest.h>

#include <cerrno>

#include "engine/testing.h"

namespace ipseckey::engine {
namespace {

using namespace engine::testing;
using pfkey::Diagnostic;
using pfkey::Lifetime;
using pfkey::State;

// SPI 1 from 192.0.2.1, which is local, to 192.0.2.2; SPI 2 back; paired by the second add.
struct Pairs : ::testing::Test {
  Engine engine;

  Pairs() : engine(local()) {
    EXPECT_EQ(outcome(engine, add_esp(1)), kDone);
    EXPECT_EQ(outcome(engine, second()), kDone);
  }
  static Options local() {
    Options o;
    o.is_local = [](const Address& a) { return a == parse_address("192.0.2.1"); };
    return o;
  }
  static Message second(std::uint32_t spi = 2) {
    Message m = reversed(add_esp(spi));
    m.pair = pfkey::Pair{1};
    return m;
  }
  static Message named(Type type, std::uint32_t spi) {
    Message m = request(type, SaType::esp, spi);
    return spi == 1 ? std::move(m) : reversed(std::move(m));
  }
  std::vector<std::pair<std::uint32_t, std::optional<pfkey::Pair>>> table() {
    std::vector<std::pair<std::uint32_t, std::optional<pfkey::Pair>>> rows;
    for (const Message& m : dump(engine)) {
      rows.emplace_back(m.sa->spi, m.pair);
      EXPECT_EQ((m.sa->flags & pfkey::kFlagPaired) != 0, m.pair.has_value());
    }
    return rows;
  }
  using Table = std::vector<std::pair<std::uint32_t, std::optional<pfkey::Pair>>>;
  inline static const Table kBoth = {{1, pfkey::Pair{2}}, {2, pfkey::Pair{1}}};
};

TEST_F(Pairs, EachNamesTheOtherInOppositeDirections) {
  EXPECT_EQ(table(), kBoth);
  const auto all = dump(engine);
  EXPECT_EQ(all[0].sa->flags, pfkey::kFlagOutbound | pfkey::kFlagPaired);
  EXPECT_EQ(all[1].sa->flags, pfkey::kFlagInbound | pfkey::kFlagPaired);
}

TEST_F(Pairs, AFailedPairingRemovesTheNewSaAtOnce) {
  EXPECT_EQ(outcome(engine, second(3)), (Outcome{EINVAL, Diagnostic::pair_already}));
  EXPECT_EQ(engine.size(), 2u);
  EXPECT_EQ(outcome(engine, reversed(add_esp(3))), kDone);  // The SPI is free.
}

TEST_F(Pairs, DeletingOneLeavesTheOtherUnpaired) {
  const auto sent = ask(engine, named(Type::del, 2));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].message.pair, pfkey::Pair{1});
  EXPECT_EQ(table(), (Table{{1, std::nullopt}}));
  EXPECT_EQ(outcome(engine, second()), kDone);
  EXPECT_EQ(table(), kBoth);
}

TEST_F(Pairs, DeletePairDeletesBothWithOneReplyAboutTheNamedOne) {
  const auto sent = ask(engine, named(Type::x_delpair, 2));
  ASSERT_EQ(sent.size(), 1u);
  Message wanted = reversed(add_esp(2));
  wanted.type = Type::x_delpair;
  wanted.auth_key.reset(), wanted.encrypt_key.reset();
  wanted.current = Lifetime{.addtime = kEpoch};
  wanted.pair = pfkey::Pair{1};
  wanted.sa->state = State::dead;
  wanted.sa->flags = pfkey::kFlagInbound | pfkey::kFlagPaired;
  EXPECT_EQ(sent[0], (Sent{Audience::everyone, std::move(wanted)}));
  EXPECT_EQ(engine.size(), 0u);
}

TEST_F(Pairs, DeletePairOfAnUnpairedSaDeletesNothing) {
  ask(engine, named(Type::del, 2));
  EXPECT_EQ(outcome(engine, named(Type::x_delpair, 1)), (Outcome{ESRCH, Diagnostic::pair_sa_notfound}));
  EXPECT_EQ(engine.size(), 1u);
}

TEST_F(Pairs, UpdatePairSetsTheLimitsOfBothAndUpdateThoseOfOne) {
  Message m = named(Type::x_updatepair, 1);
  m.hard = Lifetime{.addtime = 100};
  m.km_cookie = pfkey::KmCookie{1, 5};
  EXPECT_EQ(outcome(engine, std::move(m)), kDone);
  m = named(Type::update, 2);
  m.soft = Lifetime{.addtime = 40};
  EXPECT_EQ(outcome(engine, std::move(m)), kDone);
  const auto all = dump(engine);
  EXPECT_EQ(all[0].hard, (Lifetime{.addtime = 100}));
  EXPECT_EQ(all[1].hard, (Lifetime{.addtime = 100}));
  EXPECT_EQ(all[0].km_cookie, all[1].km_cookie);
  EXPECT_EQ(all[0].soft, std::nullopt);
  EXPECT_EQ(all[1].soft, (Lifetime{.addtime = 40}));
}

TEST_F(Pairs, UpdatePairsTwoSasAndMayRepeatIt) {
  ask(engine, named(Type::del, 2));
  ask(engine, reversed(add_esp(2)));
  EXPECT_EQ(table(), (Table{{1, std::nullopt}, {2, std::nullopt}}));
  for (int i = 0; i < 2; ++i) {
    Message m = named(Type::update, 1);
    m.pair = pfkey::Pair{2};
    m.sa->flags = pfkey::kFlagPaired;
    EXPECT_EQ(outcome(engine, std::move(m)), kDone);
    EXPECT_EQ(table(), kBoth);
  }
}

TEST_F(Pairs, OnePartnersHardLimitEndsBothWithANoticeEach) {
  Message m = named(Type::update, 2);
  m.hard = Lifetime{.addtime = 100};
  m.idle = Lifetime{.addtime = 100};
  ask(engine, std::move(m));
  EXPECT_TRUE(expire(engine, at(99)).empty());
  const auto sent = expire(engine, at(100));
  ASSERT_EQ(sent.size(), 2u);
  for (const Sent& s : sent) EXPECT_EQ(s.message.sa->state, State::dead);
  EXPECT_EQ(sent[0].message.sa->spi, 2u);
  EXPECT_EQ(sent[0].message.hard, (Lifetime{.addtime = 100}));
  EXPECT_EQ(sent[1].message.sa->spi, 1u);
  EXPECT_EQ(sent[1].message.hard, Lifetime{});
  EXPECT_EQ(engine.size(), 0u);
}

TEST_F(Pairs, SoftLimitsAreEachHalfsOwnAndADyingHalfIsNotAPartner) {
  Message m = named(Type::update, 1);
  m.soft = Lifetime{.addtime = 10};
  ask(engine, std::move(m));
  EXPECT_EQ(expire(engine, at(10)).size(), 1u);
  const auto all = dump(engine);
  EXPECT_EQ(all[0].sa->state, State::dying);
  EXPECT_EQ(all[1].sa->state, State::mature);
  ask(engine, named(Type::del, 2));
  EXPECT_EQ(outcome(engine, second()), (Outcome{EINVAL, Diagnostic::pair_inappropriate}));
}

TEST_F(Pairs, ALarvalSaBecomesAPartnerWhenItIsCompletedWithOne) {
  ask(engine, named(Type::del, 2));
  ask(engine, reversed(getspi(2, 2)));
  Message early = named(Type::update, 1);
  early.pair = pfkey::Pair{2};
  EXPECT_EQ(outcome(engine, std::move(early)), (Outcome{EINVAL, Diagnostic::pair_inappropriate}));
  Message complete = second();
  complete.type = Type::update;
  EXPECT_EQ(outcome(engine, std::move(complete)), kDone);
  EXPECT_EQ(table(), kBoth);
}

TEST_F(Pairs, ARefusalNamesItsCause) {
  Message foreign = reversed(add_esp(9));
  foreign.src = endpoint("0.0.0.0");
  foreign.sa->flags = pfkey::kFlagInbound;
  Message both = reversed(add_esp(8));
  both.sa->flags = pfkey::kFlagInbound | pfkey::kFlagOutbound;
  for (Message* m : {&foreign, &both}) ask(engine, std::move(*m));
  ask(engine, reversed(getspi(7, 7)));
  const auto said = [&](std::uint32_t pair, std::uint32_t flags = pfkey::kFlagOutbound, std::uint32_t spi = 5) {
    Message m = add_esp(spi);
    m.pair = pfkey::Pair{pair};
    m.sa->flags = flags;
    const auto sent = ask(engine, std::move(m));
    EXPECT_EQ(sent[0].message.diagnostic, static_cast<std::uint16_t>(Diagnostic::pair_inappropriate));
    const auto& remark = sent[0].message.remark;
    return remark ? remark->text : std::string();
  };
  constexpr auto kBothDirections = "an SA for both directions cannot have a pair: give inbound or outbound";
  EXPECT_EQ(said(99), "no SA with that SPI has this SA's source as its destination");
  EXPECT_EQ(said(5), "an SA cannot be paired with itself or with SPI 0");
  EXPECT_EQ(said(1),
            "both SAs run in the same direction: in a pair, the src of one is the dst of the other, so swap src and "
            "dst of one");
  EXPECT_EQ(said(9), "the other SA's source is not this SA's destination");
  EXPECT_EQ(said(8), kBothDirections);
  EXPECT_EQ(said(2, pfkey::kFlagInbound | pfkey::kFlagOutbound), kBothDirections);
  EXPECT_EQ(said(7), "the other SA is not mature");
  EXPECT_EQ(said(2, pfkey::kFlagInbound), "both SAs have the same direction: one must be inbound, the other outbound");
}

TEST(PairsOfUnknownDirection, SwappedAddressesSuffice) {
  Engine engine;
  ask(engine, add_esp(1));
  Message m = reversed(add_esp(2));
  m.pair = pfkey::Pair{1};
  EXPECT_EQ(outcome(engine, std::move(m)), kDone);
  for (const Message& sa : dump(engine)) EXPECT_EQ(sa.sa->flags, pfkey::kFlagPaired);
}

// Neither address is the host's, as on a gateway or for a peer: a pair implies opposite directions.
TEST(PairsOfUnknownDirection, ThePairItselfImpliesOppositeDirections) {
  constexpr std::uint32_t kIn = pfkey::kFlagInbound, kOut = pfkey::kFlagOutbound, kPaired = pfkey::kFlagPaired;
  const struct {
    std::uint32_t first, second;  // As requested.
    Outcome outcome;
    std::vector<std::uint32_t> held;
  } rows[] = {
      {0, 0, kDone, {kPaired, kPaired}},
      {kOut, 0, kDone, {kPaired | kOut, kPaired | kIn}},
      {0, kIn, kDone, {kPaired | kOut, kPaired | kIn}},
      {0, kOut, kDone, {kPaired | kIn, kPaired | kOut}},
      {kIn, kOut, kDone, {kPaired | kIn, kPaired | kOut}},
      {kOut, kOut, {EINVAL, Diagnostic::pair_inappropriate}, {kOut}},
  };
  for (const bool knows : {false, true})
    for (const bool late : {false, true})
      for (const auto& row : rows) {
        SCOPED_TRACE(::testing::Message() << knows << late << ' ' << row.first << ' ' << row.second);
        Options options;
        if (knows) options.is_local = [](const Address& a) { return a == parse_address("203.0.113.99"); };
        Engine engine(options);
        Message first = add_esp(1), second = reversed(add_esp(2));
        first.sa->flags = row.first, second.sa->flags = row.second;
        ask(engine, std::move(first));
        Message pairing = late ? reversed(request(Type::update, SaType::esp, 2)) : second.clone();
        if (late) ask(engine, std::move(second));
        pairing.pair = pfkey::Pair{1};
        EXPECT_EQ(outcome(engine, std::move(pairing)), row.outcome);
        if (row.outcome != kDone) continue;
        std::vector<std::uint32_t> held;
        for (const Message& sa : dump(engine)) held.push_back(sa.sa->flags);
        EXPECT_EQ(held, row.held);
      }
}

}  // namespace
}  // namespace ipseckey::engine
