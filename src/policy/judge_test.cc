// Whether an SA is what a rule demands: policy.md section 3.5, and where we compare more than Solaris.
#include "policy/judge.h"

#include <gmock/gmock.h>

#include "pfkey/test_samples.h"
#include "policy/testing.h"

namespace ipseckey::policy {
namespace {

using pfkey::SaType;
using testing::auth;
using enum Objection;

constexpr auto kOut = Direction::out, kIn = Direction::in;

SaFacts esp() {
  SaFacts sa;
  sa.type = SaType::esp;
  sa.encrypt = testing::cipher("aes"), sa.encrypt_bits = 128, sa.auth = auth("sha256"), sa.auth_bits = 256;
  sa.src = *parse_address("10.0.0.1"), sa.dst = *parse_address("10.0.0.2");
  return sa;
}
SaFacts ah() {
  SaFacts sa = esp();
  sa.type = SaType::ah;
  sa.encrypt = 0, sa.encrypt_bits.reset();
  return sa;
}

Rule rule(Protection p) {
  Rule r = testing::rule(Action::ipsec, std::move(p), "10.0.0.2/32");
  r.selector.local = testing::prefix("10.0.0.0/24");
  return r;
}
Protection aes(std::optional<std::uint16_t> least, std::optional<std::uint16_t> most) {
  Protection p;
  p.cipher = Choice{testing::cipher("aes"), least, most};
  return p;
}

// The objections of the only alternative.
std::vector<Objection> objections(const Rule& r, const SaFacts& sa, Direction direction = kOut) {
  const auto verdicts = judge(r, direction, sa);
  EXPECT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(satisfies(verdicts), verdicts[0].objections.empty());
  return verdicts[0].objections;
}
using Objections = std::vector<Objection>;

// Solaris ignores the upper length, and both of what comes in.
TEST(PolicyJudge, ComparesBothLengthsBothWays) {
  SaFacts sa = esp();
  for (const auto& [least, most, expected] :
       std::initializer_list<std::tuple<std::optional<std::uint16_t>, std::optional<std::uint16_t>, Objections>>{
           {{}, {}, {}},
           {128, 128, {}},
           {128, 256, {}},
           {192, {}, {cipher_short}},
           {{}, 120, {cipher_long}},
       }) {
    EXPECT_EQ(objections(rule(aes(least, most)), sa), expected);
    SaFacts back = sa;
    std::swap(*back.src, back.dst);
    EXPECT_EQ(objections(rule(aes(least, most)), back, kIn), expected);
  }
  sa.encrypt_bits.reset();  // A key that was left out of the reply.
  EXPECT_EQ(objections(rule(aes({}, {})), sa), Objections{});
  EXPECT_EQ(objections(rule(aes(128, 256)), sa), (Objections{cipher_short, cipher_long}));
}

TEST(PolicyJudge, ComparesAlgorithms) {
  Protection p = aes({}, {});
  p.integrity = testing::choice(auth("sha1"));
  EXPECT_EQ(objections(rule(p), esp()), Objections{integrity});
  p.integrity = Choice{auth("sha256"), 257, {}};
  EXPECT_EQ(objections(rule(p), esp()), Objections{integrity_short});
  p.integrity = Choice{auth("sha256"), {}, 255};
  EXPECT_EQ(objections(rule(p), esp()), Objections{integrity_long});
  p.cipher = testing::choice(testing::cipher("3des")), p.integrity.reset();
  EXPECT_EQ(objections(rule(p), esp()), Objections{Objection::cipher});
  p.cipher = Choice{};
  EXPECT_EQ(objections(rule(p), esp()), Objections{});
  EXPECT_EQ(objections(rule(p), ah()), Objections{protocol});

  Protection only_integrity;  // With the null cipher.
  only_integrity.integrity = testing::choice(auth("sha256"));
  EXPECT_EQ(objections(rule(only_integrity), esp()), Objections{Objection::cipher});
  SaFacts null = esp();
  null.encrypt = pfkey::kEalgNull, null.encrypt_bits.reset();
  EXPECT_EQ(objections(rule(only_integrity), null), Objections{});

  Protection any;  // Integrity of any algorithm: a combined cipher has its own, another one without is refused.
  any.cipher = Choice{}, any.integrity = Choice{};
  SaFacts gcm = esp();
  gcm.encrypt = testing::cipher("aes-gcm"), gcm.auth = 0, gcm.auth_bits.reset();
  EXPECT_EQ(objections(rule(any), gcm), Objections{});
  SaFacts bare = gcm;
  bare.encrypt = testing::cipher("aes");
  EXPECT_EQ(objections(rule(any), bare), Objections{integrity});
}

TEST(PolicyJudge, ComparesAh) {
  Protection p;
  p.ah = Choice{auth("sha256"), 256, 256};
  EXPECT_EQ(objections(rule(p), ah()), Objections{});
  EXPECT_EQ(objections(rule(p), esp()), Objections{protocol});
  SaFacts other = ah();
  other.auth = auth("md5"), other.auth_bits = 128;
  EXPECT_EQ(objections(rule(p), other), Objections{ah_algorithm});
  other = ah();
  other.auth_bits = 128;
  EXPECT_EQ(objections(rule(p), other), Objections{ah_short});
  other.auth_bits = 512;
  EXPECT_EQ(objections(rule(p), other), Objections{ah_long});
  p.cipher = testing::choice(testing::cipher("aes"));  // Both: each SA is compared with its own part.
  EXPECT_EQ(objections(rule(p), ah()), Objections{});
  EXPECT_EQ(objections(rule(p), esp()), Objections{});
}

TEST(PolicyJudge, ComparesAddresses) {
  const Rule r = rule(aes({}, {}));
  SaFacts sa = esp();
  sa.dst = *parse_address("10.0.0.3");
  EXPECT_EQ(objections(r, sa), Objections{addresses});
  sa = esp();
  sa.src = *parse_address("10.0.1.1");
  EXPECT_EQ(objections(r, sa), Objections{addresses});
  sa.src = unspecified(Family::v4);
  EXPECT_EQ(objections(r, sa), Objections{});
  sa.src.reset();
  EXPECT_EQ(objections(r, sa), Objections{});
  EXPECT_EQ(objections(r, esp(), kIn), Objections{addresses});
  sa = esp();
  sa.tunnel = true;
  EXPECT_EQ(objections(r, sa), Objections{mode});
}

TEST(PolicyJudge, ComparesTunnels) {
  Rule r = rule(aes({}, {}));
  r.alternatives[0].protection.ends = TunnelEnds{*parse_address("192.0.2.1"), *parse_address("192.0.2.2")};
  SaFacts sa = esp();
  EXPECT_EQ(objections(r, sa), (Objections{mode, ends}));
  sa.tunnel = true, sa.src = *parse_address("192.0.2.1"), sa.dst = *parse_address("192.0.2.2");
  EXPECT_EQ(objections(r, sa), Objections{});
  EXPECT_EQ(objections(r, sa, kIn), Objections{ends});
  sa.inner_dst = testing::prefix("10.0.0.0/8");  // Wider than the rule's: compared on the shorter of both.
  EXPECT_EQ(objections(r, sa), Objections{});
  sa.inner_src = testing::prefix("10.0.1.0/24");
  EXPECT_EQ(objections(r, sa), Objections{inner_addresses});

  Rule named = rule(aes({}, {}));
  named.tunnel = Tunnel{"t0"};
  sa.inner_src.reset();
  EXPECT_EQ(objections(named, sa), Objections{});
  named.tunnel->whole_packets = false;
  EXPECT_EQ(objections(named, sa), Objections{mode});
}

// ESP has the tunnel, AH goes around it between the same hosts.
TEST(PolicyJudge, AhAroundEspHasNoTunnelOfItsOwn) {
  Protection p = aes({}, {});
  p.ah = Choice{}, p.ends = TunnelEnds{*parse_address("192.0.2.1"), *parse_address("192.0.2.2")};
  const Rule both = rule(p);
  SaFacts sa = ah();
  sa.src = *parse_address("192.0.2.1"), sa.dst = *parse_address("192.0.2.2");
  EXPECT_EQ(objections(both, sa), Objections{});
  sa.tunnel = true;
  EXPECT_EQ(objections(both, sa), Objections{mode});
  p.cipher.reset();
  EXPECT_EQ(objections(rule(p), sa), Objections{});
  sa.tunnel = false;
  EXPECT_EQ(objections(rule(p), sa), Objections{mode});
}

TEST(PolicyJudge, ComparesWhatLinuxHasBesides) {
  Rule r = rule(aes({}, {}));
  SaFacts sa = esp();
  sa.reqid = 7, sa.if_id = 3, sa.mark = pfkey::Mark{0x10, 0xff}, sa.spi = 0x1001;
  EXPECT_EQ(objections(r, sa), (Objections{reqid, mark, if_id}));
  r.alternatives[0].protection.spi = 0x1002;
  EXPECT_EQ(objections(r, sa), (Objections{reqid, spi, mark, if_id}));
  r.alternatives[0].protection.spi = 0x1001;
  r.alternatives[0].protection.reqid = 7, r.if_id = 3, r.mark = pfkey::Mark{0x110, 0xfff};
  EXPECT_EQ(objections(r, sa), Objections{});
}

TEST(PolicyJudge, TakesAnyAlternative) {
  Rule r = rule(aes(256, {}));
  r.alternatives.push_back({Action::ipsec, aes(128, 128)});
  r.alternatives.push_back({Action::pass, {}});
  const auto verdicts = judge(r, kOut, esp());
  EXPECT_EQ(verdicts, (std::vector<Verdict>{{0, {cipher_short}}, {1, {}}}));
  EXPECT_TRUE(satisfies(verdicts));
  EXPECT_TRUE(judge(testing::drop_rule(), kOut, esp()).empty());
  EXPECT_FALSE(satisfies({}));
}

TEST(PolicyJudge, ReadsAnSaFromAReply) {
  pfkey::Message m;
  m.satype = SaType::esp;
  m.sa = pfkey::Sa{.spi = 1, .auth = auth("sha256"), .encrypt = testing::cipher("aes"), .flags = pfkey::kFlagTunnel};
  m.src = pfkey::Endpoint{.address = *parse_address("10.0.0.1")};
  m.dst = pfkey::Endpoint{.address = *parse_address("10.0.0.2")};
  m.inner_src = pfkey::Endpoint{.prefix = 8, .address = *parse_address("172.16.3.4")};
  m.encrypt_key = pfkey::samples::key(128, 0, "000102030405060708090a0b0c0d0e0f");
  m.reqid = pfkey::Number{9}, m.if_id = pfkey::Number{4}, m.mark = pfkey::Mark{1, 3};
  const SaFacts sa = facts(m);
  EXPECT_EQ(sa.type, SaType::esp);
  EXPECT_EQ(sa.auth, auth("sha256"));
  EXPECT_EQ(sa.encrypt, testing::cipher("aes"));
  EXPECT_EQ(sa.auth_bits, std::nullopt);
  EXPECT_EQ(sa.encrypt_bits, 128);
  EXPECT_EQ(sa.src, parse_address("10.0.0.1"));
  EXPECT_EQ(sa.dst, *parse_address("10.0.0.2"));
  EXPECT_TRUE(sa.tunnel);
  EXPECT_EQ(sa.inner_src, testing::prefix("172.0.0.0/8"));
  EXPECT_EQ(sa.inner_dst, std::nullopt);
  EXPECT_EQ(sa.reqid, 9u);
  EXPECT_EQ(sa.if_id, 4u);
  EXPECT_EQ(sa.mark, (pfkey::Mark{1, 3}));
}

TEST(PolicyJudge, HasWordsForEachObjection) {
  for (auto o = static_cast<int>(protocol); o <= static_cast<int>(Objection::if_id); ++o)
    EXPECT_NE(words(static_cast<Objection>(o)), "") << o;
}

}  // namespace
}  // namespace ipseckey::policy
