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

constexpr std::size_t kDiscovery = 0, kLoopback = 1;
Guard discovery() { return guards()[kDiscovery]; }
Guard loopback() { return guards()[kLoopback]; }

std::vector<Unguarded> by_file(const Rules& rules) { return unguarded(rules, order(rules, Order::file), guards()); }

TEST(PolicyGuards, AreNeighbourDiscoveryAndTheLoopbackAddress) {
  ASSERT_EQ(guards().size(), 2u);
  EXPECT_EQ(discovery().rule.selector.protocol, 58);
  EXPECT_EQ(discovery().rule.selector.icmp_type, (NumberRange{133, 137}));
  EXPECT_EQ(loopback().rule.selector.local, testing::prefix("::1/128"));
  EXPECT_EQ(loopback().rule.selector.remote, testing::prefix("::1/128"));
  for (const Guard& g : guards()) EXPECT_TRUE(g.rule.out && g.rule.in && g.rule.alternatives[0].action == Action::pass);
  ASSERT_EQ(guards_beside_loopback().size(), 1u);
  EXPECT_EQ(guards_beside_loopback()[0].rule, discovery().rule);
}

// The kernel keeps ::1 reachable by itself, and IPv4 addresses.
TEST(PolicyGuards, OfAKernelPassBetweenTheHostsOwnIpv6Addresses) {
  const auto address = [](std::string_view text) { return *parse_address(text); };
  const std::vector<Address> own = {address("192.0.2.1"), address("2001:db8::1"), address("fd00::1"),
                                    address("fe80::1")};
  std::vector<std::string> pairs;
  const auto all = kernel_guards(own);
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all[0].rule, discovery().rule);
  for (const Guard& g : std::span(all).subspan(1)) {
    EXPECT_EQ(g.packets, "what the host sends to its own IPv6 addresses");
    EXPECT_EQ(g.rule.selector.local->length + g.rule.selector.remote->length, 256);
    EXPECT_TRUE(g.rule.out && g.rule.in && g.rule.alternatives[0].action == Action::pass);
    pairs.push_back(to_string(g.rule.selector.local->address) + " " + to_string(g.rule.selector.remote->address));
  }
  EXPECT_THAT(pairs, ElementsAre("2001:db8::1 2001:db8::1", "2001:db8::1 fd00::1", "fd00::1 2001:db8::1",
                                 "fd00::1 fd00::1", "fe80::1 fe80::1"));
  // Rules about all of IPv6, or about the network of an address, need them, in front.
  Rules rules = {all[0].rule, esp_rule("2001:db8::/64")};
  EXPECT_THAT(unguarded(rules, order(rules, Order::file), all), ElementsAre(Unguarded{1, 1}, Unguarded{1, 3}));
  rules = {esp_rule("0.0.0.0/0")};
  EXPECT_THAT(unguarded(rules, order(rules, Order::file), all), IsEmpty());
  rules.clear();
  for (const Guard& g : all) rules.push_back(g.rule);
  rules.push_back(esp_rule());
  EXPECT_THAT(unguarded(rules, order(rules, Order::file), all), IsEmpty());
}

TEST(PolicyGuards, AreMissedByRulesAboutAllOfIpv6) {
  EXPECT_THAT(by_file({esp_rule()}), ElementsAre(Unguarded{0, kDiscovery}, Unguarded{0, kLoopback}));
  EXPECT_THAT(by_file({drop_rule("::/0"), esp_rule()}), ElementsAre(Unguarded{0, kDiscovery}, Unguarded{0, kLoopback}));
  EXPECT_THAT(by_file({esp_rule("0.0.0.0/0"), esp_rule("10.0.0.0/8")}), IsEmpty());
  EXPECT_THAT(by_file({pass_rule()}), IsEmpty());
  EXPECT_THAT(by_file({esp_rule("2001:db8::/32")}), ElementsAre(Unguarded{0, kDiscovery}));
  Rule tcp = esp_rule(), echo = esp_rule();
  tcp.selector.protocol = 6;
  echo.selector.protocol = 58, echo.selector.icmp_type = NumberRange{128, 129};
  EXPECT_THAT(by_file({tcp, echo}), ElementsAre(Unguarded{0, kLoopback}));
  Rule tunnel = esp_rule(), interface = esp_rule();
  tunnel.tunnel = Tunnel{"t0", true}, interface.if_id = 7;
  EXPECT_THAT(by_file({tunnel, interface}), IsEmpty());
}

TEST(PolicyGuards, AreGivenByRulesThatPassBefore) {
  Rules rules = {discovery().rule, loopback().rule, esp_rule()};
  EXPECT_THAT(by_file(rules), IsEmpty());
  rules = {esp_rule(), discovery().rule, loopback().rule};
  EXPECT_THAT(by_file(rules), ElementsAre(Unguarded{0, kDiscovery}, Unguarded{0, kLoopback}));
  EXPECT_THAT(unguarded(rules, order(rules, Order::classes), guards()), IsEmpty());
  Rule all_icmp = pass_rule();
  all_icmp.selector.protocol = 58;
  EXPECT_THAT(by_file({all_icmp, esp_rule("2001:db8::/32")}), IsEmpty());
  // Each must pass whole, and both ways.
  Rule half = discovery().rule, one_way = discovery().rule;
  half.selector.icmp_type = NumberRange{133, 136}, one_way.in = false;
  EXPECT_THAT(by_file({half, loopback().rule, esp_rule()}), ElementsAre(Unguarded{2, kDiscovery}));
  EXPECT_THAT(by_file({one_way, loopback().rule, esp_rule()}), ElementsAre(Unguarded{2, kDiscovery}));
  Rule out = esp_rule();
  out.in = false;
  EXPECT_THAT(by_file({one_way, loopback().rule, out}), IsEmpty());
}

}  // namespace
}  // namespace ipseckey::policy
