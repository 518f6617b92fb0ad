// Policies of other programs as rules, and what a rule cannot say about them.
#include "policy/xfrm_read.h"

#include <gmock/gmock.h>

#include "policy/testing.h"
#include "policy/xfrm_plan.h"

namespace ipseckey::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::prefix;

XfrmPolicy policy(XfrmDirection direction = XfrmDirection::out) {
  XfrmPolicy p;
  p.name.direction = direction;
  p.name.selector.source = prefix("10.0.0.1/32"), p.name.selector.destination = prefix("10.2.0.0/16");
  return p;
}

XfrmTemplate demand(std::uint8_t protocol) {
  XfrmTemplate t;
  t.protocol = protocol;
  return t;
}

// What is planned is read as it was written: a rule in one direction about one family.
TEST(XfrmRead, APolicyOfARuleIsReadAsThatRule) {
  Rule drop = testing::drop_rule("10.2.0.0/16");
  drop.selector.local = prefix("10.0.0.1/32"), drop.selector.protocol = 6, drop.selector.remote_port = 80;
  Rule ah = testing::ah_rule("2001:db8::/32");
  ah.mark = pfkey::Mark{1, 0xff}, ah.if_id = 9, ah.alternatives[0].protection.reqid = 7;
  Rule both = testing::both_rule("10.2.0.0/16");
  both.alternatives[0].protection.ends = TunnelEnds{*parse_address("192.0.2.1"), *parse_address("192.0.2.2")};
  Rule ping = testing::pass_rule("10.2.0.0/16");
  ping.selector.protocol = 1, ping.selector.icmp_type = NumberRange{8, 11}, ping.selector.icmp_code = NumberRange{0, 0};
  Rule use = testing::esp_rule("10.2.0.0/16");
  use.alternatives[0].protection.may_be_clear = true;
  Rule pinned = testing::esp_rule("10.2.0.0/16");
  pinned.alternatives[0].protection.spi = 0x1001;
  for (Rule rule : {drop, ah, both, ping, use, pinned}) {
    for (const bool out : {true, false}) {
      if (out && rule == use && rule.alternatives[0].protection.ends) continue;
      rule.out = out, rule.in = !out;
      const XfrmPlan plan = xfrm_plan(std::span(&rule, 1), {});
      ASSERT_FALSE(plan.policies.empty());
      const ReadRule read = read_xfrm(plan.policies[0].policy);
      EXPECT_EQ(read.rule, rule) << to_string(plan.policies[0].policy);
      EXPECT_THAT(read.remarks, IsEmpty());
    }
  }
}

TEST(XfrmRead, AFamilyIsKeptWhereThereAreNoAddresses) {
  XfrmPolicy p = policy();
  p.name.selector.source = p.name.selector.destination = prefix("::/0");
  EXPECT_EQ(read_xfrm(p).rule.selector.remote, prefix("::/0"));
  EXPECT_EQ(read_xfrm(p).rule.selector.local, std::nullopt);
}

TEST(XfrmRead, EveryAlgorithmOfASetIsAnAlternative) {
  XfrmPolicy p = policy();
  p.templates = {demand(kProtoAh)};
  p.templates[0].auth = 1u << 3 | 1u << 5;
  const Rule rule = read_xfrm(p).rule;
  ASSERT_EQ(rule.alternatives.size(), 2u);
  EXPECT_EQ(rule.alternatives[0].protection.ah->number, 3);
  EXPECT_EQ(rule.alternatives[1].protection.ah->number, 5);
}

TEST(XfrmRead, WhatIsInThePlaceOfPortsIsNotCalledPorts) {
  XfrmPolicyName name = policy(XfrmDirection::out).name;
  name.selector.source = name.selector.destination = Prefix{};
  name.selector.source_port = {0, 0xffff}, name.selector.destination_port = {7, 0xffff};
  const auto with = [&](std::uint8_t protocol) {
    name.selector.protocol = protocol;
    return to_string(name);
  };
  EXPECT_EQ(with(47), "out 0.0.0.0/0 -> 0.0.0.0/0 protocol 47 key 0x7");
  EXPECT_EQ(with(135), "out 0.0.0.0/0 -> 0.0.0.0/0 protocol 135 type 0");
  EXPECT_EQ(with(17), "out 0.0.0.0/0 -> 0.0.0.0/0 udp from port 0 to port 7");
}

TEST(XfrmRead, RemarksSayWhatARuleCannot) {
  const auto remarks = [](auto change, XfrmDirection direction = XfrmDirection::out) {
    XfrmPolicy p = policy(direction);
    change(p);
    return read_xfrm(p).remarks;
  };
  using P = XfrmPolicy;
  EXPECT_THAT(remarks([](P&) {}, XfrmDirection::fwd),
              ElementsAre("it is about packets that this host passes on, not about those that it gets itself"));
  EXPECT_THAT(remarks([](P& p) { p.name.selector.device = 3; }),
              ElementsAre("it is about the interface with the number 3 only"));
  EXPECT_THAT(remarks([](P& p) { p.name.selector.user = 5; }),
              ElementsAre("it names the user 5, which the kernel ignores"));
  EXPECT_THAT(remarks([](P& p) { p.name.selector.protocol = 6, p.name.selector.source_port = {0x50, 0xfff0}; }),
              ElementsAre("it is about several local ports only: 0x50 under the mask 0xfff0"));
  EXPECT_THAT(remarks([](P& p) { p.name.selector.source_port = {8, 0xffff}; }),
              ElementsAre("its ports are also compared with ICMP types and codes"));
  EXPECT_THAT(remarks([](P& p) { p.name.selector.protocol = 1, p.name.selector.source_port = {8, 0xfffa}; }),
              ElementsAre("it is about some ICMP types only: 0x8 under the mask 0xfffa"));
  EXPECT_THAT(remarks([](P& p) {
                p.name.selector.protocol = 47, p.name.selector.source_port = {1, 0xffff};
                p.name.selector.destination_port = {2, 0xffff};
              }),
              ElementsAre("it is about the GRE key 0x10002 only"));
  EXPECT_THAT(remarks([](P& p) { p.name.selector.protocol = 135, p.name.selector.source_port = {5, 0xffff}; }),
              ElementsAre("it is about type 5 of the mobility header only"));
  EXPECT_THAT(remarks([](P& p) { p.templates = {demand(kProtoEsp), demand(108)}; }),
              ElementsAre("it also demands protocol 108 (compression)", "it demands 2 SAs for each packet"));
  EXPECT_THAT(remarks([](P& p) { p.templates = {demand(kProtoAh), demand(kProtoEsp)}; }),
              ElementsAre("it demands AH inside ESP"));
  EXPECT_THAT(remarks([](P& p) { p.templates = {demand(kProtoEsp)}, p.templates[0].mode = 4; }),
              ElementsAre("it demands an SA in mode beet, which is neither tunnel nor transport"));
  EXPECT_THAT(remarks([](P& p) { p.templates = {demand(kProtoEsp), demand(kProtoAh)}, p.templates[0].spi = 0x100; }),
              ElementsAre("it demands the SA with the SPI 0x100"));
  EXPECT_THAT(remarks([](P& p) {
                p.templates = {demand(kProtoEsp), demand(kProtoAh)};
                p.templates[0].optional = true;
              }),
              ElementsAre("some of its SAs may be missing"));
  EXPECT_THAT(remarks([](P& p) {
                p.templates = {demand(kProtoEsp), demand(kProtoAh)};
                p.templates[0].reqid = 1, p.templates[1].reqid = 2;
              }),
              ElementsAre("its SAs have different reqids"));
  EXPECT_THAT(
      remarks([](P& p) { p.templates.assign(6, demand(kProtoEsp)); }),
      ElementsAre("it demands more than five SAs, with which every packet fails", "it demands 6 SAs for each packet"));
}

}  // namespace
}  // namespace ipseckey::policy
