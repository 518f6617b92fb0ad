// Rules as messages: everything survives, and nothing that a message says is ignored.
#include "pfpolicy/convert.h"

#include <gmock/gmock.h>

#include <random>
#include <set>

#include "pfpolicy/attributes.h"
#include "policy/testing.h"

namespace ipseckey::pfpolicy {
namespace {

using policy::Action;
using policy::Alternative;
using policy::Choice;
using policy::Rule;
using policy::testing::prefix;

Rule sample() {
  Rule r = policy::testing::both_rule();
  r.selector.local = prefix("10.0.0.0/8"), r.selector.remote = prefix("10.1.0.0/16");
  r.selector.protocol = 6, r.selector.remote_port = 443;
  r.alternatives[0].protection.cipher = Choice{policy::testing::cipher("aes"), 128, 256};
  r.alternatives[0].protection.reqid = 7;
  r.alternatives[0].protection.may_be_clear = true;
  r.alternatives.push_back({Action::ipsec, policy::testing::esp_rule().alternatives[0].protection});
  r.alternatives.back().protection.unique = true;
  r.alternatives.back().protection.spi = 0x1001;
  r.alternatives.push_back({Action::pass, {}});
  r.mark = pfkey::Mark{1, 3};
  r.if_id = 4;
  r.line = 17;
  return r;
}

TEST(PfPolicyConvert, RulesSurvive) {
  Rule tunnel = policy::testing::esp_rule("fd00::/8");
  tunnel.tunnel = policy::Tunnel{"ip.tun0"};
  tunnel.in = false;
  Rule ends = policy::testing::ah_rule();
  ends.alternatives[0].protection.ends =
      policy::TunnelEnds{*parse_address("2001:db8::1"), *parse_address("2001:db8::2")};
  Rule ends4 = ends;
  ends4.alternatives[0].protection.ends = policy::TunnelEnds{*parse_address("192.0.2.1"), *parse_address("192.0.2.2")};
  Rule transport = policy::testing::esp_rule();
  transport.tunnel = policy::Tunnel{"ip.tun0", false};
  Rule any = policy::testing::esp_rule();
  any.alternatives[0].protection.cipher = Choice{};
  any.alternatives[0].protection.integrity.reset();
  Rule integrity = policy::testing::esp_rule();
  integrity.alternatives[0].protection.cipher.reset();
  Rule icmp = policy::testing::drop_rule();
  icmp.selector.protocol = 58, icmp.selector.icmp_type = policy::NumberRange{133, 137};
  Rule code = icmp;
  code.selector.icmp_code = policy::NumberRange{0, 0};
  Rule every_type = icmp;
  every_type.selector.icmp_type = policy::NumberRange{0, 255};
  for (const Rule& rule : {sample(), tunnel, ends, ends4, transport, any, integrity, icmp, code, every_type,
                           policy::testing::pass_rule("10.0.0.0/8")}) {
    const Message m = from_rule(rule, 99);
    EXPECT_EQ(m.rule->priority, 99u);
    const auto back = to_rule(m);
    ASSERT_TRUE(back) << sentence(back.error().diagnostic) << back.error().remark;
    EXPECT_EQ(*back, rule);
    EXPECT_EQ(back->line, rule.line);
  }
}

TEST(PfPolicyConvert, ProtocolAndPortsOf0AreAbsent) {
  Message m = from_rule(policy::testing::drop_rule("10.0.0.0/8"), 1);
  const Rule any = *to_rule(m);
  m.protocol = Protocol{0}, m.local_port = Port{0}, m.remote_port = Port{0};
  EXPECT_EQ(to_rule(m).value(), any);
  m.protocol = Protocol{6};
  EXPECT_EQ(to_rule(m)->selector.protocol, 6);
  EXPECT_FALSE(to_rule(m)->selector.local_port || to_rule(m)->selector.remote_port);
  m.protocol = Protocol{50};  // It has no ports, and none are named.
  EXPECT_TRUE(to_rule(m));
  m.local_port = Port{1};
  EXPECT_EQ(to_rule(m).error().diagnostic, Diagnostic::inconsistent_flags);
}

// The attributes of one alternative, with those of Solaris (policy.md section 4.3).
TEST(PfPolicyConvert, NamesActionsAsSolarisDoes) {
  Rule r = policy::testing::both_rule();
  r.alternatives[0].protection.cipher->min_bits = 128;
  r.alternatives.push_back({Action::pass, {}});
  EXPECT_EQ(from_rule(r, 1).action->attributes, (std::vector<Attribute>{{0x100, 3},
                                                                        {0x101, 1 | 2 | 0x40},
                                                                        {0x102, policy::testing::auth("sha1")},
                                                                        {0x103, policy::testing::cipher("aes")},
                                                                        {0x104, policy::testing::auth("sha256")},
                                                                        {0x105, 128},
                                                                        {3, 0},
                                                                        {0x100, 2},
                                                                        {1, 0}}));
}

struct Refused {
  const char* name;
  void (*spoil)(Message&);
  Diagnostic diagnostic;
};

TEST(PfPolicyConvert, RefusesMessagesThatAreNotRules) {
  using enum Diagnostic;
  for (const Refused& r : std::initializer_list<Refused>{
           {"no RULE", [](Message& m) { m.rule.reset(); }, no_rule},
           {"no ACTION", [](Message& m) { m.action.reset(); }, no_action},
           {"no direction", [](Message& m) { m.rule->flags = 0; }, bad_flags},
           {"unknown flag", [](Message& m) { m.rule->flags |= 8; }, bad_flags},
           {"mixed families", [](Message& m) { m.remote = prefix("fd00::/8"); }, mixed_families},
           {"ports of OSPF", [](Message& m) { m.protocol = Protocol{89}; }, inconsistent_flags},
           {"types of TCP", [](Message& m) { m.type_code = TypeCode{1, 1, 255, 255}; }, malformed_type_code},
           {"tunnel without a name", [](Message& m) { m.rule->flags |= kFlagTunnel; }, inconsistent_flags},
           {"all tunnels", [](Message& m) { m.tunnel = Text{}; }, not_global},
           {"transport with a pattern", [](Message& m) { m.tunnel = Text{"t0"}; }, no_tunnel_selectors},
           {"no alternative", [](Message& m) { m.action->attributes = {{kEnd, 0}}; }, bad_type},
           {"no end", [](Message& m) { m.action->attributes = {{kType, kPass}}; }, malformed_action},
           {"behind the end", [](Message& m) { m.action->attributes = {{kType, kPass}, {kEnd, 0}, {kType, kPass}}; },
            malformed_action},
           {"unknown type", [](Message& m) { m.action->attributes = {{kType, 4}, {kEnd, 0}}; }, bad_type},
           {"unknown attribute", [](Message& m) { m.action->attributes = {{kType, kPass}, {77, 0}, {kEnd, 0}}; },
            malformed_action},
           {"a type twice", [](Message& m) { m.action->attributes = {{kType, kPass}, {kType, kDrop}, {kEnd, 0}}; },
            malformed_action},
           {"flags of pass", [](Message& m) { m.action->attributes = {{kType, kPass}, {kFlags, 1}, {kEnd, 0}}; },
            inconsistent_flags},
           {"nothing protects", [](Message& m) { m.action->attributes = {{kType, kIpsec}, {kFlags, 0}, {kEnd, 0}}; },
            bad_flags},
           {"no flags", [](Message& m) { m.action->attributes = {{kType, kIpsec}, {kEnd, 0}}; }, bad_flags},
           {"compression", [](Message& m) { m.action->attributes = {{kType, kIpsec}, {kFlags, 9}, {kEnd, 0}}; },
            bad_flags},
           {"algorithm without flag",
            [](Message& m) { m.action->attributes = {{kType, kIpsec}, {kFlags, 1}, {0x103, 12}, {kEnd, 0}}; },
            inconsistent_flags},
           {"unknown AH",
            [](Message& m) { m.action->attributes = {{kType, kIpsec}, {kFlags, 1}, {0x102, 99}, {kEnd, 0}}; },
            unsupported_ah},
           {"unknown cipher",
            [](Message& m) { m.action->attributes = {{kType, kIpsec}, {kFlags, 2}, {0x103, 99}, {kEnd, 0}}; },
            unsupported_cipher},
           {"number beyond 8 bits",
            [](Message& m) { m.action->attributes = {{kType, kIpsec}, {kFlags, 2}, {0x103, 0x10c}, {kEnd, 0}}; },
            malformed_action},
           {"lengths reversed",
            [](Message& m) {
              m.action->attributes = {{kType, kIpsec}, {kFlags, 2}, {0x105, 256}, {0x106, 128}, {kEnd, 0}};
            },
            cipher_key_size},
           {"tunnel mode of a host's rule",
            [](Message& m) { m.action->attributes = {{kType, kIpsec}, {kFlags, 2 | 4}, {kEnd, 0}}; },
            inconsistent_flags},
           {"half of the ends",
            [](Message& m) {
              m.action->attributes = {{kType, kIpsec}, {kFlags, 2 | 4}, {0x8003, 4}, {0x8010, 1}, {kEnd, 0}};
            },
            malformed_action},
           {"unique in tunnel mode",
            [](Message& m) {
              m.action->attributes = {{kType, kIpsec}, {kFlags, 2 | 4 | 0x10}, {0x8003, 4}, {0x8010, 1}, {0x8014, 2},
                                      {kEnd, 0}};
            },
            inconsistent_flags},
       }) {
    Rule rule = policy::testing::esp_rule("10.0.0.0/8");
    rule.selector.local = prefix("10.0.0.0/8");
    rule.selector.protocol = 6, rule.selector.local_port = 22;
    Message m = from_rule(rule, 1);
    r.spoil(m);
    const auto got = to_rule(m);
    ASSERT_FALSE(got) << r.name;
    EXPECT_EQ(sentence(got.error().diagnostic), sentence(r.diagnostic)) << r.name << ": " << got.error().remark;
  }
}

TEST(PfPolicyConvert, AttributesHaveOneRowForEachTag) {
  std::set<std::uint32_t> tags = {kNop, kEnd, kEmpty, kNext, kType, kFlags};
  for (const AttributeRow& row : attributes()) EXPECT_TRUE(tags.insert(row.tag).second) << row.name;
}

}  // namespace
}  // namespace ipseckey::pfpolicy
