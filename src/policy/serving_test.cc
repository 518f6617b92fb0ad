// Which SA serves a rule: policy.md sections 3.5 (ipsecd), 5.4 and 5.5 (the kernel).
#include "policy/serving.h"

#include <gmock/gmock.h>

#include "pfkey/test_samples.h"
#include "policy/testing.h"

namespace ipseckey::policy {
namespace {

using pfkey::SaType;
using testing::auth;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using enum Fate;

constexpr auto kOut = Direction::out, kIn = Direction::in;
constexpr auto kExact = Chooser::exact, kKernel = Chooser::kernel;

// ESP of AES-128 and SHA-256 from 10.0.0.1 to 10.0.0.2, or back.
HeldSa esp(std::uint64_t added, Direction d = kOut) {
  HeldSa sa;
  sa.facts.encrypt = testing::cipher("aes"), sa.facts.encrypt_bits = 128;
  sa.facts.auth = auth("sha256"), sa.facts.auth_bits = 256;
  sa.facts.src = *parse_address("10.0.0.1"), sa.facts.dst = *parse_address("10.0.0.2");
  if (d == kIn) std::swap(*sa.facts.src, sa.facts.dst);
  sa.added = added;
  return sa;
}
HeldSa weak(std::uint64_t added, Direction d = kOut) {
  HeldSa sa = esp(added, d);
  sa.facts.encrypt = testing::cipher("3des"), sa.facts.encrypt_bits = 192;
  return sa;
}
HeldSa ah(std::uint64_t added, Direction d = kOut) {
  HeldSa sa = esp(added, d);
  sa.facts.type = SaType::ah, sa.facts.auth = auth("sha1");
  sa.facts.encrypt = 0, sa.facts.encrypt_bits.reset();
  return sa;
}

Flow packet(std::string_view remote = "10.0.0.2", std::uint16_t port = 443) {
  return {.local = *parse_address("10.0.0.1"),
          .remote = *parse_address(remote),
          .protocol = 6,
          .local_port = 40000,
          .remote_port = port,
          .icmp_type = {},
          .icmp_code = {},
          .tunnel = {}};
}

// The fates of the SAs of the only need, in the order in which they are tried.
std::vector<std::pair<std::size_t, Fate>> fates(const Serving& serving) {
  std::vector<std::pair<std::size_t, Fate>> all;
  EXPECT_EQ(serving.needs.size(), 1u);
  for (const Candidate& c : serving.needs.at(0).candidates) all.emplace_back(c.sa, c.fate);
  return all;
}
auto is(std::size_t sa, Fate fate) { return std::pair(sa, fate); }

TEST(PolicyServing, TakesTheNewest) {
  const std::vector<HeldSa> sas = {esp(5), esp(9), esp(7)};
  for (const Chooser chooser : {kExact, kKernel}) {
    const Serving s = serve(testing::esp_rule("10.0.0.2/32"), kOut, sas, chooser);
    EXPECT_EQ(s.service, Service::served);
    EXPECT_EQ(s.used, 0u);
    EXPECT_THAT(fates(s), ElementsAre(is(1, serves), is(2, older), is(0, older)));
  }
}

// On the kernel the newest wins, whatever its cipher is; ipsecd looks on.
TEST(PolicyServing, KnowsThatTheKernelDoesNotCompareAlgorithms) {
  const std::vector<HeldSa> sas = {esp(5), weak(9)};
  const Rule rule = testing::esp_rule("10.0.0.2/32");
  Serving s = serve(rule, kOut, sas, kKernel);
  EXPECT_EQ(s.service, Service::broken);
  EXPECT_THAT(fates(s), ElementsAre(is(1, breaks), is(0, older)));
  EXPECT_THAT(s.needs[0].candidates[0].objections, ElementsAre(Objection::cipher));
  s = serve(rule, kOut, sas, kExact);
  EXPECT_EQ(s.service, Service::served);
  EXPECT_THAT(fates(s), ElementsAre(is(1, other), is(0, serves)));

  const std::vector<HeldSa> back = {esp(5, kIn), weak(9, kIn)};
  s = serve(rule, kIn, back, kKernel);
  EXPECT_EQ(s.service, Service::broken);  // Both are accepted.
  EXPECT_THAT(fates(s), ElementsAre(is(1, breaks), is(0, serves)));
  EXPECT_EQ(serve(rule, kIn, back, kExact).service, Service::served);
}

// Of what comes in the kernel compares the integrity algorithm.
TEST(PolicyServing, KnowsThatTheKernelComparesIntegrityInwards) {
  HeldSa sa = esp(5, kIn);
  sa.facts.auth = auth("sha1"), sa.facts.auth_bits = 160;
  const Rule rule = testing::esp_rule("10.0.0.2/32");
  Serving s = serve(rule, kIn, std::vector{sa}, kKernel);
  EXPECT_EQ(s.service, Service::missing);
  EXPECT_THAT(fates(s), ElementsAre(is(0, other)));
  std::swap(*sa.facts.src, sa.facts.dst);
  EXPECT_EQ(serve(rule, kOut, std::vector{sa}, kKernel).service, Service::broken);
}

TEST(PolicyServing, KnowsWhatAReqidMeansToTheKernel) {
  HeldSa sa = esp(5), back = esp(5, kIn);
  sa.facts.reqid = back.facts.reqid = 7;
  Rule rule = testing::esp_rule("10.0.0.2/32");
  EXPECT_EQ(serve(rule, kOut, std::vector{sa}, kKernel).service, Service::missing);  // 0 means 0.
  const Serving in = serve(rule, kIn, std::vector{back}, kKernel);                   // 0 means any.
  EXPECT_EQ(in.service, Service::broken);
  EXPECT_THAT(in.needs[0].candidates[0].objections, ElementsAre(Objection::reqid));
  rule.alternatives[0].protection.reqid = 7;
  EXPECT_EQ(serve(rule, kOut, std::vector{sa}, kKernel).service, Service::served);
  EXPECT_EQ(serve(rule, kIn, std::vector{back}, kKernel).service, Service::served);
  rule.alternatives[0].protection.reqid = 8;
  EXPECT_EQ(serve(rule, kIn, std::vector{back}, kKernel).service, Service::missing);
}

TEST(PolicyServing, TakesOnlyTheSaWhoseSpiTheRuleNames) {
  HeldSa older = esp(5), newer = esp(6);
  older.facts.spi = 0x1001, newer.facts.spi = 0x1002;
  Rule rule = testing::esp_rule("10.0.0.2/32");
  for (const Chooser chooser : {kExact, kKernel}) {
    rule.alternatives[0].protection.spi = 0x1001;
    const Serving s = serve(rule, kOut, std::vector{older, newer}, chooser);
    EXPECT_EQ(s.service, Service::served);
    EXPECT_EQ(s.needs[0].first(Fate::serves)->sa, 0u);
    EXPECT_THAT(s.needs[0].first(Fate::other)->objections, ElementsAre(Objection::spi));
    rule.alternatives[0].protection.spi = 0x1003;
    EXPECT_EQ(serve(rule, kOut, std::vector{older, newer}, chooser).service, Service::missing);
  }
}

TEST(PolicyServing, NeedsOneOfEachForAhWithEsp) {
  const Rule rule = testing::both_rule("10.0.0.2/32");
  Serving s = serve(rule, kOut, std::vector{esp(5)}, kExact);
  EXPECT_EQ(s.service, Service::missing);
  ASSERT_THAT(s.needs, SizeIs(2));
  EXPECT_EQ(s.needs[0].type, SaType::esp);
  EXPECT_EQ(s.needs[0].candidates[0].fate, serves);
  EXPECT_EQ(s.needs[1].type, SaType::ah);
  EXPECT_THAT(s.needs[1].candidates, IsEmpty());
  s = serve(rule, kOut, std::vector{esp(5), ah(6)}, kKernel);
  EXPECT_EQ(s.service, Service::served);
  EXPECT_EQ(s.needs[1].first(serves)->sa, 1u);
}

TEST(PolicyServing, TakesAnAlternativeThatHasItsSas) {
  Rule rule = testing::both_rule("10.0.0.2/32");
  rule.alternatives.push_back(testing::esp_rule().alternatives[0]);
  Serving s = serve(rule, kOut, std::vector{esp(5)}, kExact);
  EXPECT_EQ(s.service, Service::served);
  EXPECT_EQ(s.used, 1u);
  // What one alternative objects to can be what the other demands.
  Protection p;
  p.cipher = testing::choice(testing::cipher("3des")), p.integrity = testing::choice(auth("sha256"));
  rule = testing::esp_rule("10.0.0.2/32");
  rule.alternatives.push_back({Action::ipsec, p});
  s = serve(rule, kOut, std::vector{esp(5), weak(9)}, kKernel);
  EXPECT_EQ(s.service, Service::served);
  EXPECT_EQ(s.used, 1u);
  EXPECT_THAT(s.needs[0].candidates, ElementsAre(Candidate{1, other, {Objection::cipher}}, Candidate{0, older, {}}));
}

TEST(PolicyServing, HasOneForEachPeerOfANetwork) {
  HeldSa third = weak(6);
  third.facts.dst = *parse_address("10.0.0.3");
  const std::vector<HeldSa> sas = {esp(5), third};
  const Serving s = serve(testing::esp_rule("10.0.0.0/24"), kOut, sas, kKernel);
  EXPECT_EQ(s.service, Service::broken);
  EXPECT_THAT(fates(s), ElementsAre(is(1, breaks), is(0, serves)));
  const Flow flow = packet();
  const Serving one = serve(testing::esp_rule("10.0.0.0/24"), kOut, sas, kKernel, &flow);
  EXPECT_EQ(one.service, Service::served);
  EXPECT_THAT(fates(one), ElementsAre(is(1, other_packets), is(0, serves)));
}

TEST(PolicyServing, LeavesOutWhatIsNotForThePacket) {
  HeldSa port = esp(9), inbound = esp(8), larval = esp(7), dying = esp(6);
  port.dst_selector.proto = 6, port.dst_selector.port = 80;
  inbound.direction = kIn, larval.usable = false, dying.dying = true;
  const std::vector<HeldSa> sas = {dying, larval, inbound, port};
  const Rule rule = testing::esp_rule("10.0.0.2/32");
  const Flow flow = packet(), web = packet("10.0.0.2", 80);
  EXPECT_THAT(fates(serve(rule, kOut, sas, kExact, &flow)),
              ElementsAre(is(3, other_packets), is(2, wrong_way), is(1, not_usable), is(0, serves)));
  EXPECT_THAT(fates(serve(rule, kOut, sas, kExact, &web)),
              ElementsAre(is(3, serves), is(2, wrong_way), is(1, not_usable), is(0, older)));
  Flow ping = packet();
  ping.protocol = 1, ping.icmp_type = 8, ping.icmp_code = 0, ping.local_port.reset(), ping.remote_port.reset();
  HeldSa echo = esp(5);
  echo.src_selector = {1, 0, *parse_address("10.0.0.1"), 8},
  echo.dst_selector = {1, 0, *parse_address("10.0.0.2"), 256};
  EXPECT_EQ(serve(rule, kOut, std::vector{echo}, kExact, &ping).service, Service::served);
  ping.icmp_code = 1;
  EXPECT_EQ(serve(rule, kOut, std::vector{echo}, kExact, &ping).service, Service::missing);
}

TEST(PolicyServing, UsesADyingOneIfThereIsNoOther) {
  HeldSa dying = esp(9);
  dying.dying = true;
  EXPECT_THAT(fates(serve(testing::esp_rule(), kOut, std::vector{dying, esp(5)}, kKernel)),
              ElementsAre(is(1, serves), is(0, older)));
  EXPECT_THAT(fates(serve(testing::esp_rule(), kOut, std::vector{dying}, kKernel)), ElementsAre(is(0, serves)));
}

TEST(PolicyServing, OfATunnel) {
  Rule rule = testing::esp_rule("10.2.0.0/16");
  rule.selector.local = testing::prefix("10.1.0.0/16");
  rule.alternatives[0].protection.ends = TunnelEnds{*parse_address("10.0.0.1"), *parse_address("10.0.0.2")};
  HeldSa sa = esp(5);
  sa.facts.tunnel = true;
  sa.facts.inner_src = testing::prefix("10.1.0.0/16"), sa.facts.inner_dst = testing::prefix("10.2.0.0/24");
  Flow flow = packet("10.2.0.9");
  flow.local = *parse_address("10.1.0.9");
  EXPECT_EQ(serve(rule, kOut, std::vector{sa}, kKernel, &flow).service, Service::served);
  flow.remote = *parse_address("10.2.1.9");
  EXPECT_EQ(serve(rule, kOut, std::vector{sa}, kKernel, &flow).service, Service::missing);
  EXPECT_EQ(serve(rule, kOut, std::vector{sa}, kKernel).service, Service::served);
  EXPECT_EQ(serve(rule, kIn, std::vector{sa}, kKernel).service, Service::missing);
}

// The quick way finds the same.
TEST(PolicyServing, FindsSasByTheirPeer) {
  HeldSa any_source = esp(9, kIn), other = esp(8);
  any_source.facts.src = *parse_address("0.0.0.0"), other.facts.dst = *parse_address("10.0.0.3");
  const std::vector<HeldSa> sas = {esp(5), esp(6, kIn), any_source, other};
  const SasByPeer by_peer(sas);
  Rule host = testing::esp_rule("10.0.0.2/32");
  EXPECT_THAT(by_peer.of(host, kOut), ElementsAre(0));
  EXPECT_THAT(by_peer.of(host, kIn), ElementsAre(1, 2));
  EXPECT_THAT(by_peer.of(testing::esp_rule("10.0.0.0/24"), kOut), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(fates(serve(host, kOut, sas, kExact, nullptr, &by_peer)), ElementsAre(is(0, serves)));
  EXPECT_THAT(fates(serve(host, kIn, sas, kExact, nullptr, &by_peer)), ElementsAre(is(2, serves), is(1, serves)));
  host.alternatives[0].protection.ends = TunnelEnds{*parse_address("10.0.0.1"), *parse_address("10.0.0.3")};
  EXPECT_THAT(by_peer.of(host, kOut), ElementsAre(3));
}

TEST(PolicyServing, IsNotNeededWithoutProtection) {
  EXPECT_EQ(serve(testing::pass_rule(), kOut, std::vector{esp(5)}, kExact).service, Service::not_needed);
  EXPECT_EQ(serve(testing::drop_rule(), kIn, {}, kExact).service, Service::not_needed);
  Rule out = testing::esp_rule();
  out.in = false;
  EXPECT_EQ(serve(out, kIn, {}, kExact).service, Service::not_needed);
  EXPECT_EQ(serve(out, kOut, {}, kExact).service, Service::missing);
}

TEST(PolicyServing, TakesTheFactsFromAReply) {
  const pfkey::Message m = pfkey::samples::tunnel_sa();
  const HeldSa sa = held_sa(m);
  EXPECT_EQ(sa.facts.spi, m.sa->spi);
  EXPECT_TRUE(sa.usable && !sa.dying);
  EXPECT_EQ(sa.added, m.current->addtime);
  EXPECT_EQ(sa.direction, Direction::out);
  EXPECT_EQ(sa.dst_selector, *m.inner_dst);
}

}  // namespace
}  // namespace ipseckey::policy
