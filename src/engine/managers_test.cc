// What key managers need: GETSPI, REGISTER, ACQUIRE.
#include <gtest/gtest.h>

#include <cerrno>

#include "engine/testing.h"

namespace ipseckey::engine {
namespace {

using namespace engine::testing;

// ---- GETSPI

std::uint32_t reserve(Engine& engine, std::uint32_t min, std::uint32_t max) {
  const auto sent = ask(engine, getspi(min, max));
  return sent[0].message.error == 0 ? sent[0].message.sa->spi : 0;
}

// covers RFC2367-3.1.1-1
TEST(Engine, GetspiReservesALarvalSa) {
  Options options;
  options.random = [] { return 0x1234u; };
  Engine engine(options);
  Message wanted = getspi(0x1000, 0x2000);
  wanted.spi_range.reset();
  wanted.sa = pfkey::Sa{.spi = 0x1234};
  const auto sent = ask(engine, getspi(0x1000, 0x2000));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0], (Sent{Audience::everyone, std::move(wanted)}));
  EXPECT_EQ(dump(engine)[0].sa, (pfkey::Sa{.spi = 0x1234}));
}

// covers RFC2367-3.1.1-1
TEST(Engine, GetspiReturnsTheNextFreeSpiUntilTheRangeIsFull) {
  Options options;
  options.random = [] { return 11u; };
  Engine engine(options);
  ask(engine, add_esp(12));
  EXPECT_EQ(reserve(engine, 10, 13), 11u);
  EXPECT_EQ(reserve(engine, 10, 13), 13u);
  EXPECT_EQ(reserve(engine, 10, 13), 10u);
  EXPECT_EQ(outcome(engine, getspi(10, 13)), (Outcome{EEXIST, pfkey::Diagnostic::none}));
  EXPECT_EQ(reserve(engine, 0, 0xffffffff), 14u);
  EXPECT_EQ(reserve(engine, 0, 1), 1u);
  EXPECT_EQ(reserve(engine, 0, 1), 0u);
}

TEST(Engine, AnUpdateGivesALarvalSaTheSourceThatItLacks) {
  Engine engine;
  Message m = getspi(5, 5);
  m.src = endpoint("0.0.0.0");
  ask(engine, std::move(m));
  Message complete = add_esp(5);
  complete.type = Type::update;
  ASSERT_EQ(outcome(engine, std::move(complete)), kDone);
  EXPECT_EQ(dump(engine)[0].src, endpoint("192.0.2.1"));
}

TEST(Engine, ALarvalSaSurvivesARefusedUpdate) {
  Engine engine;
  ask(engine, getspi(5, 5));
  Message complete = add_esp(5);
  complete.type = Type::update;
  complete.encrypt_key.reset();
  EXPECT_EQ(outcome(engine, std::move(complete)), (Outcome{EINVAL, pfkey::Diagnostic::missing_ekey}));
  EXPECT_EQ(dump(engine)[0].sa->state, pfkey::State::larval);
  EXPECT_EQ(outcome(engine, request(Type::x_updatepair, SaType::esp, 5)),
            (Outcome{ESRCH, pfkey::Diagnostic::pair_sa_notfound}));
}

// ---- key managers

// covers RFC2367-3.1.7-1
TEST(Engine, RegisterListsUsableAlgorithmsByNumber) {
  Options options;
  options.usable = [](const pfkey::Algorithm& a) { return a.number == 3 || a.number == 5 || a.number == 20; };
  Engine engine(options);
  Message wanted = request(Type::reg, SaType::esp);
  wanted.supported_auth = pfkey::Supported{{{3, 0, 160, 160, 0, 0}, {5, 0, 256, 256, 0, 0}}};
  wanted.supported_encrypt = pfkey::Supported{{{3, 8, 192, 192, 0, 0}, {20, 8, 128, 256, 64, 32}}};
  EXPECT_EQ(ask(engine, request(Type::reg, SaType::esp))[0], (Sent{Audience::registered, std::move(wanted)}));
  EXPECT_EQ(ask(engine, request(Type::reg, SaType::ah))[0].message.supported_encrypt, std::nullopt);
  EXPECT_EQ(outcome(engine, add_esp(1)), (Outcome{EINVAL, pfkey::Diagnostic::bad_ealg}));
}

// RFC 4303 section 1: without integrity there is no protection against replays, and an UPDATE cannot add it.
TEST(Engine, AnUpdateGivesNoWindowToAnSaWithoutIntegrity) {
  Engine engine;
  Message m = add_esp(1);
  m.sa->auth = 0, m.auth_key.reset();
  ASSERT_EQ(outcome(engine, std::move(m)), kDone);
  Message window = request(Type::update, SaType::esp, 1);
  window.sa->replay = 64;
  EXPECT_EQ(outcome(engine, std::move(window)), (Outcome{EINVAL, pfkey::Diagnostic::invalid_replay}));
  EXPECT_EQ(dump(engine)[0].sa->replay, 0);
  EXPECT_EQ(outcome(engine, request(Type::update, SaType::esp, 1)), kDone);
}

// Success means that packets can be carried; otherwise the refusal names what is missing and how to get it.
TEST(Engine, AMissingAlgorithmIsRefusedWithARemedy) {
  Options options;
  options.usable = [](const pfkey::Algorithm& a) { return a.name() != "blowfish-cbc" && a.name() != "hmac-md5"; };
  options.cure = [](const pfkey::Algorithm& a) -> std::string_view {
    return a.kind == pfkey::AlgorithmKind::auth ? "no MD5" : "install it";
  };
  Engine engine(options);
  const auto refused = [&](std::uint8_t cipher, std::uint8_t mac) {
    Message m = add_esp(1);
    m.sa->encrypt = cipher, m.sa->auth = mac;
    m.encrypt_key = key(16), m.auth_key = key(16);
    auto sent = ask(engine, std::move(m));
    const Message& reply = sent.at(0).message;
    return std::tuple(reply.error, reply.diagnostic, reply.remark ? reply.remark->text : "");
  };
  constexpr auto kCipher = static_cast<std::uint16_t>(pfkey::Diagnostic::bad_ealg);
  constexpr auto kMac = static_cast<std::uint16_t>(pfkey::Diagnostic::bad_aalg);
  EXPECT_EQ(refused(7, 9), std::tuple(EINVAL, kCipher, "install it"));
  EXPECT_EQ(refused(12, 2), std::tuple(EINVAL, kMac, "no MD5"));
  EXPECT_EQ(refused(200, 9), std::tuple(EINVAL, kCipher, "")) << "an unknown algorithm has no remedy";
  EXPECT_EQ(refused(20, 9), std::tuple(EINVAL, kMac, "")) << "a combined cipher takes none";
  EXPECT_EQ(refused(12, 9), std::tuple(0, 0, ""));
}

TEST(Engine, AcquireProposesInBothForms) {
  Options options;
  options.usable = [](const pfkey::Algorithm& a) { return a.number == 20 || a.number == 12 || a.number == 5; };
  Engine engine(options);
  std::vector<Sent> sent;
  const Wanted wanted{SaType::esp, endpoint("192.0.2.1"), endpoint("192.0.2.2"), {}, {}};
  const auto seq = engine.acquire(wanted, at(0), [&](Audience to, Message&& m) { sent.push_back({to, std::move(m)}); });
  ASSERT_EQ(seq, 0xfffffffe);
  constexpr pfkey::Lifetime soft{.addtime = 24000}, hard{.addtime = 28800};
  Message extended;
  extended.type = Type::acquire, extended.seq = *seq;
  extended.src = wanted.src, extended.dst = wanted.dst;
  Message plain = extended.clone();
  plain.satype = SaType::esp;
  extended.extended_proposal =
      pfkey::ExtendedProposal{64,
                              {{0, soft, hard, {{SaType::esp, 2, 20, 32, 128, 256}}},
                               {0, soft, hard, {{SaType::esp, 1, 5, 0, 256, 256}, {SaType::esp, 2, 12, 0, 128, 256}}}}};
  plain.proposal =
      pfkey::Proposal{64, {{0, 20, 0, 0, 0, 128, 256, 32, soft, hard}, {5, 12, 0, 256, 256, 128, 256, 0, soft, hard}}};
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0], (Sent{Audience::extended_registered, extended.clone()}));
  EXPECT_EQ(sent[1], (Sent{Audience::registered, std::move(plain)}));

  Message asked = request(Type::x_inverse_acquire, SaType::unspec, 1);
  asked.sa.reset();
  extended.seq = asked.seq, extended.pid = asked.pid;
  EXPECT_EQ(ask(engine, std::move(asked))[0], (Sent{Audience::sender, std::move(extended)}));
}

TEST(Engine, AnAcquireIsOpenUntilItIsAnsweredFlushedOrLate) {
  Engine engine;
  const auto discard = [](Audience, Message&&) {};
  const Wanted wanted{SaType::esp, endpoint("192.0.2.1"), endpoint("192.0.2.2"), {}, {}};
  std::uint32_t seq = engine.acquire(wanted, at(0), discard).value();
  EXPECT_EQ(engine.acquire(wanted, at(0), discard), std::nullopt);
  EXPECT_EQ(engine.deadline(), at(15).steady);

  Message answer = add_esp(1);
  answer.seq = seq;
  answer.dst = endpoint("192.0.2.3");
  ask(engine, answer.clone());  // For another destination.
  EXPECT_EQ(engine.acquire(wanted, at(0), discard), std::nullopt);
  answer.dst = endpoint("192.0.2.2");
  ask(engine, std::move(answer));
  EXPECT_EQ(engine.acquire(wanted, at(0), discard), --seq);

  ask(engine, request(Type::flush, SaType::ah));
  EXPECT_EQ(engine.acquire(wanted, at(0), discard), std::nullopt);
  ask(engine, request(Type::flush, SaType::esp));
  EXPECT_EQ(engine.acquire(wanted, at(1), discard), --seq);

  expire(engine, at(15));
  EXPECT_EQ(engine.acquire(wanted, at(15), discard), std::nullopt);
  expire(engine, at(16));
  EXPECT_EQ(engine.deadline(), std::nullopt);
  EXPECT_EQ(engine.acquire(wanted, at(16), discard), --seq);
}

}  // namespace
}  // namespace ipseckey::engine
