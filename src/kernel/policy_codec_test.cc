// Policies on the wire and in the record: what goes in comes out, and what is cut is refused.
#include "kernel/detail/policy_codec.h"

#include <gmock/gmock.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>

#include "kernel/detail/rule_record.h"
#include "policy/testing.h"

namespace ipseckey::kernel {
namespace {

using policy::XfrmDirection;
using policy::XfrmPolicy;

XfrmPolicy whole_policy() {
  XfrmPolicy p;
  p.name.direction = XfrmDirection::fwd;
  p.name.selector.source = policy::testing::prefix("10.1.0.0/16");
  p.name.selector.destination = policy::testing::prefix("10.2.0.2/32");
  p.name.selector.protocol = 6;
  p.name.selector.source_port = {0x1234, 0xffff}, p.name.selector.destination_port = {0x50, 0xfff0};
  p.name.selector.device = 7, p.name.selector.user = policy::kGuardUser;
  p.name.mark = 0x10, p.name.mark_mask = 0xff, p.name.if_id = 9;
  p.priority = 0x123456;
  policy::XfrmTemplate esp;
  esp.protocol = policy::kProtoEsp, esp.mode = policy::kTunnelMode;
  esp.source = *parse_address("2001:db8::1"), esp.destination = *parse_address("2001:db8::2");
  esp.reqid = 42, esp.spi = 0x1000, esp.auth = 1u << 5, esp.encrypt = 1u << 12;
  policy::XfrmTemplate ah;
  ah.protocol = policy::kProtoAh, ah.optional = true;
  p.templates = {esp, ah};
  return p;
}

Bytes payload(const NetlinkBatch& batch) { return batch.bytes().subspan(sizeof(nlmsghdr)); }

TEST(PolicyCodec, APolicyIsReadAsItWasWritten) {
  for (const bool block : {false, true}) {
    XfrmPolicy p = whole_policy();
    p.block = block;
    if (block) p.templates.clear(), p.name.mark = p.name.mark_mask = p.name.if_id = 0;
    NetlinkBatch batch;
    xfrm::put_policy(XFRM_MSG_NEWPOLICY, p, batch);
    const auto listed = xfrm::policy_of(payload(batch));
    ASSERT_TRUE(listed);
    EXPECT_EQ(listed->policy, p);
    EXPECT_FALSE(listed->of_socket || listed->sub || listed->expires || listed->offloaded || listed->labelled ||
                 listed->decodes_icmp);
  }
}

// Offsets and byte order are those of linux/xfrm.h on 64 bits.
TEST(PolicyCodec, FieldsAreWhereTheKernelHasThem) {
  NetlinkBatch batch;
  xfrm::put_policy(XFRM_MSG_UPDPOLICY, whole_policy(), batch);
  const Bytes bytes = payload(batch);
  const auto at = [&](std::size_t i) { return std::to_integer<unsigned>(bytes[i]); };
  EXPECT_EQ(at(0), 10u);                     // Destination.
  EXPECT_EQ(at(16 + 1), 1u);                 // Source.
  EXPECT_EQ(at(32) << 8 | at(33), 0x50u);    // Destination port, network order.
  EXPECT_EQ(at(34) << 8 | at(35), 0xfff0u);  // Its mask.
  EXPECT_EQ(at(36) << 8 | at(37), 0x1234u);  // Source port.
  EXPECT_EQ(at(42), 32u);                    // Prefix of the destination.
  EXPECT_EQ(at(43), 16u);                    // Of the source.
  EXPECT_EQ(at(44), 6u);
  EXPECT_EQ(at(56), 0xffu);                                            // No limit.
  EXPECT_EQ(at(160), 2u);                                              // Forwarded.
  EXPECT_EQ(at(161), 0u);                                              // Allowed.
  EXPECT_EQ(at(168 + 4 + 16) << 24 | at(168 + 4 + 18) << 8, 0x1000u);  // SPI of the first template, network order.
}

TEST(PolicyCodec, ACutPolicyIsRefused) {
  NetlinkBatch batch;
  xfrm::put_policy(XFRM_MSG_NEWPOLICY, whole_policy(), batch);
  const Bytes bytes = payload(batch);
  for (std::size_t size = 0; size < sizeof(xfrm_userpolicy_info); ++size)
    EXPECT_FALSE(xfrm::policy_of(bytes.first(size))) << size;
  for (std::size_t size = sizeof(xfrm_userpolicy_info); size < bytes.size(); ++size)
    EXPECT_NE(xfrm::policy_of(bytes.first(size))->policy, whole_policy()) << size;
}

TEST(PolicyCodec, SocketsHaveDirectionsOfTheirOwn) {
  NetlinkBatch batch;
  xfrm::put_policy(XFRM_MSG_NEWPOLICY, whole_policy(), batch);
  std::vector<std::byte> bytes(payload(batch).begin(), payload(batch).end());
  bytes[160] = std::byte{XFRM_POLICY_MAX + XFRM_POLICY_OUT};
  const auto listed = xfrm::policy_of(bytes);
  EXPECT_TRUE(listed->of_socket);
  EXPECT_EQ(listed->policy.name.direction, XfrmDirection::out);
}

// The kernel finds none by the index alone if it has one of these.
TEST(PolicyCodec, TheCommandThatDeletesNamesMarkAndInterface) {
  xfrm::ListedPolicy p;
  p.index = 9;
  EXPECT_EQ(xfrm::command_to_delete(p), "ip xfrm policy delete index 9 dir out");
  p.policy.name.mark = 7, p.policy.name.mark_mask = 0xf;
  EXPECT_EQ(xfrm::command_to_delete(p), "ip xfrm policy delete index 9 dir out mark 0x7 mask 0xf");
  p.policy.name.if_id = 10, p.sub = true;
  EXPECT_EQ(xfrm::command_to_delete(p), "ip xfrm policy delete index 9 dir out ptype sub mark 0x7 mask 0xf if_id 0xa");
}

TEST(PolicyCodec, ARemovalNamesThePolicy) {
  NetlinkBatch batch;
  xfrm::put_policy_removal(whole_policy().name, 19, batch);
  const Bytes bytes = payload(batch);
  ASSERT_GE(bytes.size(), 64u);
  EXPECT_EQ(std::to_integer<unsigned>(bytes[56]), 19u);
  EXPECT_EQ(std::to_integer<unsigned>(bytes[60]), 2u);
}

// ---- the record

policy::Rule whole_rule() {
  policy::Rule rule = policy::testing::both_rule("2001:db8::/32");
  rule.selector.local = policy::testing::prefix("2001:db8::1/128");
  rule.selector.protocol = 58, rule.selector.icmp_type = policy::NumberRange{1, 4};
  rule.selector.local_port = 80;
  rule.tunnel = policy::Tunnel{"tun0", true};
  rule.alternatives.push_back({policy::Action::pass, {}});
  policy::Protection& p = rule.alternatives[0].protection;
  p.unique = true, p.may_be_clear = true, p.reqid = 7, p.spi = 0x1001;
  p.ends = policy::TunnelEnds{*parse_address("192.0.2.1"), *parse_address("192.0.2.2")};
  p.cipher->min_bits = 128, p.cipher->max_bits = 256;
  rule.mark = pfkey::Mark{1, 2}, rule.if_id = 3;
  return rule;
}

TEST(RuleRecord, ARuleAndANameAreReadAsTheyWereWritten) {
  EXPECT_EQ(rule_of(record_of(whole_rule())), whole_rule());
  EXPECT_EQ(rule_of(record_of(policy::testing::drop_rule())), policy::testing::drop_rule());
  EXPECT_EQ(name_of(record_of(whole_policy().name)), whole_policy().name);
}

TEST(RuleRecord, ACutOrLongerRecordIsRefused) {
  const std::string rule = record_of(whole_rule()), name = record_of(whole_policy().name);
  for (std::size_t size = 0; size < rule.size(); ++size) EXPECT_FALSE(rule_of(rule.substr(0, size))) << size;
  for (std::size_t size = 0; size < name.size(); ++size) EXPECT_FALSE(name_of(name.substr(0, size))) << size;
  EXPECT_FALSE(rule_of(rule + "x"));
  EXPECT_FALSE(name_of(name + "x"));
  std::string other = rule;
  other[0] = 9;  // Of another version.
  EXPECT_FALSE(rule_of(other));
}

// Version 1 has no SPI, of which version 2 ends each alternative with whether there is one.
TEST(RuleRecord, ARecordOfTheVersionBeforeIsRead) {
  std::string record = record_of(policy::testing::esp_rule("10.0.0.0/8"));
  constexpr std::size_t kBehind = 2;  // Whether there is a mark, and an if_id.
  record.erase(record.size() - kBehind - 1, 1);
  EXPECT_FALSE(rule_of(record));
  record[0] = 1;
  EXPECT_EQ(rule_of(record), policy::testing::esp_rule("10.0.0.0/8"));
  EXPECT_EQ(name_of(record_of(whole_policy().name).replace(0, 1, "\1")), whole_policy().name);
}

}  // namespace
}  // namespace ipseckey::kernel
