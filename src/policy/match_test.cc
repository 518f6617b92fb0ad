// Which rule a packet meets, what is done with it, and why: policy.md sections 2.2, 3.2, 3.3 and 3.4.
#include "policy/match.h"

#include <gmock/gmock.h>

#include "policy/testing.h"

namespace ipseckey::policy {
namespace {

using testing::ah_rule;
using testing::drop_rule;
using ::testing::ElementsAre;
using testing::esp_rule;
using ::testing::IsEmpty;
using testing::pass_rule;

constexpr auto kOut = Direction::out, kIn = Direction::in;

Flow packet(std::uint8_t protocol = 6) {
  Flow f;
  f.local = *parse_address("10.0.0.1"), f.remote = *parse_address("10.0.0.2");
  f.protocol = protocol;
  if (has_ports(protocol)) f.local_port = 40000, f.remote_port = 23;
  return f;
}

// covers RFC4301-4.4.1-6 RFC4552-6-2
TEST(PolicyMatch, ComparesEachMember) {
  const Flow flow = packet();
  const auto fits = [&](auto change, const Flow& of, Direction direction = kOut) {
    Rule r = drop_rule();
    change(r);
    return matches(r, of, direction);
  };
  EXPECT_TRUE(fits([](Rule&) {}, flow));
  EXPECT_FALSE(fits([](Rule& r) { r.out = false; }, flow));
  EXPECT_TRUE(fits([](Rule& r) { r.out = false; }, flow, kIn));
  EXPECT_TRUE(fits([](Rule& r) { r.selector.local = testing::prefix("10.0.0.0/24"); }, flow));
  EXPECT_FALSE(fits([](Rule& r) { r.selector.local = testing::prefix("10.0.0.2/32"); }, flow));
  EXPECT_TRUE(fits([](Rule& r) { r.selector.remote = testing::prefix("10.0.0.2/32"); }, flow));
  EXPECT_FALSE(fits([](Rule& r) { r.selector.remote = testing::prefix("::/0"); }, flow));
  EXPECT_TRUE(fits([](Rule& r) { r.selector.protocol = 6; }, flow));
  EXPECT_FALSE(fits([](Rule& r) { r.selector.protocol = 17; }, flow));
  EXPECT_FALSE(fits([](Rule& r) { r.if_id = 1; }, flow));
  Flow other = flow;
  other.mark = 0x1f, other.if_id = 1;
  EXPECT_FALSE(fits([](Rule&) {}, other));  // A rule without if_id is not about packets of an XFRM interface.
  EXPECT_TRUE(fits([](Rule& r) { r.if_id = 1, r.mark = pfkey::Mark{0x10, 0xf0}; }, other));
  EXPECT_FALSE(fits([](Rule& r) { r.if_id = 1, r.mark = pfkey::Mark{0x20, 0xf0}; }, other));
  Flow inside = flow;
  inside.tunnel = "t0";
  EXPECT_FALSE(fits([](Rule&) {}, inside));
  EXPECT_TRUE(fits([](Rule& r) { r.tunnel = Tunnel{"t0"}; }, inside));
  EXPECT_FALSE(fits([](Rule& r) { r.tunnel = Tunnel{"t0"}; }, flow));
}

TEST(PolicyMatch, ComparesPortsOfTcpUdpAndSctpOnly) {
  Rule r = drop_rule();
  r.selector.remote_port = 23;
  for (const int protocol : {6, 17, 132}) EXPECT_TRUE(matches(r, packet(static_cast<std::uint8_t>(protocol)), kOut));
  for (const int protocol : {1, 50, 33}) EXPECT_FALSE(matches(r, packet(static_cast<std::uint8_t>(protocol)), kOut));
  Flow fragment = packet();
  fragment.local_port.reset(), fragment.remote_port.reset();
  EXPECT_FALSE(matches(r, fragment, kOut));
  r.selector.local_port = 1;
  EXPECT_FALSE(matches(r, packet(), kOut));
}

// covers RFC4301-4.4.1.1-7
TEST(PolicyMatch, ComparesIcmpNumbers) {
  Rule r = drop_rule();
  r.selector.protocol = 1, r.selector.icmp_type = NumberRange{3, 5}, r.selector.icmp_code = NumberRange{0, 1};
  Flow f = packet(1);
  EXPECT_FALSE(matches(r, f, kOut));  // A fragment without them.
  f.icmp_type = 5, f.icmp_code = 1;
  EXPECT_TRUE(matches(r, f, kOut));
  f.icmp_code = 2;
  EXPECT_FALSE(matches(r, f, kOut));
  f.icmp_code = 0, f.icmp_type = 6;
  EXPECT_FALSE(matches(r, f, kOut));
}

TEST(PolicyMatch, TakesTheFirstOfTheOrder) {
  const Rules rules = {drop_rule("10.0.0.2/32"), esp_rule("10.0.0.0/8"), pass_rule("11.0.0.0/8")};
  EXPECT_EQ(match(rules, order(rules, Order::classes), packet(), kOut), 1u);
  EXPECT_EQ(match(rules, order(rules, Order::file), packet(), kOut), 0u);
  Flow far = packet();
  far.remote = *parse_address("192.0.2.1");
  EXPECT_EQ(match(rules, order(rules, Order::file), far, kOut), std::nullopt);
}

TEST(PolicyOutcome, IsThatOfSolaris) {
  struct Case {
    Rule rule;
    Outcome out, in;
  };
  Rule or_pass = esp_rule(), use = esp_rule();
  or_pass.alternatives.push_back({Action::pass, {}});
  use.alternatives[0].protection.may_be_clear = true;
  const Case cases[] = {
      {pass_rule(), Outcome::clear, Outcome::clear},
      {drop_rule(), Outcome::discard, Outcome::discard},
      {esp_rule(), Outcome::protect, Outcome::protect},
      {or_pass, Outcome::protect, Outcome::protect_or_clear},  // It never sends in clear.
      {use, Outcome::protect_or_clear, Outcome::protect_or_clear},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(outcome(c.rule, kOut), c.out);
    EXPECT_EQ(outcome(c.rule, kIn), c.in);
  }
}

TEST(PolicyExplanation, SaysWhichRuleAndWhy) {
  Rules rules = {drop_rule("10.0.0.2/32"), ah_rule("10.0.0.0/8"), esp_rule("10.0.0.0/16"), esp_rule(),
                 pass_rule("::/0")};
  for (std::size_t i = 0; i < rules.size(); ++i) rules[i].line = static_cast<std::uint32_t>(10 * (i + 1));
  const auto why = [&](Order by, const Flow& flow) { return explain(rules, by, flow, kOut); };

  const Explanation classes = why(Order::classes, packet());
  EXPECT_THAT(classes.matching, ElementsAre(2, 3, 1, 0));
  EXPECT_EQ(classes.reason, Reason::earlier);
  EXPECT_EQ(classes.outcome, Outcome::protect);
  EXPECT_EQ(sentence(classes, rules),
            "protected, by the rule in line 30: it is earlier in the file than that in line 40");

  const Explanation file = why(Order::file, packet());
  EXPECT_THAT(file.matching, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(sentence(file, rules), "dropped, by the rule in line 10: it is earlier in the file than that in line 20");

  Flow six = packet();
  six.local = *parse_address("::1"), six.remote = *parse_address("2001:db8::1");
  EXPECT_EQ(sentence(why(Order::classes, six), rules),
            "clear, by the rule in line 50: its kind comes before that of the rule in line 40");
  rules.pop_back();
  EXPECT_EQ(sentence(why(Order::classes, six), rules), "protected, by the rule in line 40: no other is about it");
  rules.pop_back();
  const Explanation none = why(Order::classes, six);
  EXPECT_THAT(none.matching, IsEmpty());
  EXPECT_EQ(sentence(none, rules), "clear: no rule is about it");
}

// Section 3.2: a tunnel without rules is as if there were no policy; with one, what none is about is dropped.
TEST(PolicyExplanation, OfATunnel) {
  Rule inside = esp_rule("10.9.0.0/16"), its_own = esp_rule();
  inside.tunnel = Tunnel{"t0"}, its_own.tunnel = Tunnel{"t1", false};
  const Rules rules = {inside, its_own};
  const auto said = [&](std::string_view tunnel, Direction direction) {
    Flow f = packet();
    f.tunnel = tunnel;
    return sentence(explain(rules, Order::classes, f, direction), rules);
  };
  EXPECT_EQ(said("t0", kOut), "dropped: its tunnel has rules, and none is about it");
  EXPECT_EQ(said("t0", kIn), "dropped: its tunnel has rules, and none is about it");
  EXPECT_EQ(said("t1", kOut), "protected, by the rule in line 0: no other is about it");
  EXPECT_EQ(said("t2", kOut), "clear: no rule is about it");
  EXPECT_EQ(said("", kOut), "clear: no rule is about it");
}

}  // namespace
}  // namespace ipseckey::policy
