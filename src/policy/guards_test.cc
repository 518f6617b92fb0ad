// Which rules keep a host from finding its neighbours: policy.md section 5.6.
#include "policy/guards.h"

#include <gmock/gmock.h>

#include "policy/order.h"
#include "policy/testing.h"

namespace ipseckey::policy {
namespace {

using testing::drop_rule;
using ::testing::ElementsAre;
using testing::esp_rule;
using ::testing::IsEmpty;
using testing::pass_rule;

const Guard& discovery() { return guards()[0]; }
const Guard& loopback() { return guards()[1]; }

std::vector<Unguarded> by_file(const Rules& rules) { return unguarded(rules, order(rules, Order::file)); }

TEST(PolicyGuards, AreNeighbourDiscoveryAndTheLoopbackAddress) {
  ASSERT_EQ(guards().size(), 2u);
  EXPECT_EQ(discovery().rule.selector.protocol, 58);
  EXPECT_EQ(discovery().rule.selector.icmp_type, (NumberRange{133, 137}));
  EXPECT_EQ(loopback().rule.selector.local, testing::prefix("::1/128"));
  EXPECT_EQ(loopback().rule.selector.remote, testing::prefix("::1/128"));
  for (const Guard& g : guards()) EXPECT_TRUE(g.rule.out && g.rule.in && g.rule.alternatives[0].action == Action::pass);
}

TEST(PolicyGuards, AreMissedByRulesAboutAllOfIpv6) {
  EXPECT_THAT(by_file({esp_rule()}), ElementsAre(Unguarded{0, &discovery()}, Unguarded{0, &loopback()}));
  EXPECT_THAT(by_file({drop_rule("::/0"), esp_rule()}),
              ElementsAre(Unguarded{0, &discovery()}, Unguarded{0, &loopback()}));
  EXPECT_THAT(by_file({esp_rule("0.0.0.0/0"), esp_rule("10.0.0.0/8")}), IsEmpty());
  EXPECT_THAT(by_file({pass_rule()}), IsEmpty());
  EXPECT_THAT(by_file({esp_rule("2001:db8::/32")}), ElementsAre(Unguarded{0, &discovery()}));
  Rule tcp = esp_rule(), echo = esp_rule();
  tcp.selector.protocol = 6;
  echo.selector.protocol = 58, echo.selector.icmp_type = NumberRange{128, 129};
  EXPECT_THAT(by_file({tcp, echo}), ElementsAre(Unguarded{0, &loopback()}));
  Rule tunnel = esp_rule(), interface = esp_rule();
  tunnel.tunnel = Tunnel{"t0", true}, interface.if_id = 7;
  EXPECT_THAT(by_file({tunnel, interface}), IsEmpty());
}

TEST(PolicyGuards, AreGivenByRulesThatPassBefore) {
  Rules rules = {discovery().rule, loopback().rule, esp_rule()};
  EXPECT_THAT(by_file(rules), IsEmpty());
  rules = {esp_rule(), discovery().rule, loopback().rule};
  EXPECT_THAT(by_file(rules), ElementsAre(Unguarded{0, &discovery()}, Unguarded{0, &loopback()}));
  EXPECT_THAT(unguarded(rules, order(rules, Order::classes)), IsEmpty());
  Rule all_icmp = pass_rule();
  all_icmp.selector.protocol = 58;
  EXPECT_THAT(by_file({all_icmp, esp_rule("2001:db8::/32")}), IsEmpty());
  // Each must pass whole, and both ways.
  Rule half = discovery().rule, one_way = discovery().rule;
  half.selector.icmp_type = NumberRange{133, 136}, one_way.in = false;
  EXPECT_THAT(by_file({half, loopback().rule, esp_rule()}), ElementsAre(Unguarded{2, &discovery()}));
  EXPECT_THAT(by_file({one_way, loopback().rule, esp_rule()}), ElementsAre(Unguarded{2, &discovery()}));
  Rule out = esp_rule();
  out.in = false;
  EXPECT_THAT(by_file({one_way, loopback().rule, out}), IsEmpty());
}

}  // namespace
}  // namespace ipseckey::policy
