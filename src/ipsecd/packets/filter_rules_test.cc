/// What netfilter queues for rules of a policy, as text.
#include "ipsecd/packets/filter_rules.h"

#include <gmock/gmock.h>

#include <string>

#include "policy/testing.h"

namespace ipseckey::ipsecd {
namespace {

using namespace policy::testing;
using policy::NumberRange;
using policy::Rule;

const FilterOptions kOptions{.mark = 0x69, .device = "", .udp_ports = {4500}};

std::string text_of(std::vector<Rule> rules, const FilterOptions& options = kOptions) {
  std::string out;
  for (const FilterRule& rule : filter_rules(rules, options)) out += filter_text(rule) + "\n";
  return out;
}

// Only lines of that chain, without its name.
std::string chain(std::string_view name, std::vector<Rule> rules, const FilterOptions& options = kOptions) {
  const std::string all = text_of(std::move(rules), options);
  std::string out;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = all.find('\n', at) + 1;
    const std::string line = all.substr(at, end - at), front = std::string(name) + " ";
    if (line.starts_with(front)) out += line.substr(front.size());
    at = end;
  }
  return out;
}

constexpr std::string_view kSentHere = "oif lo accept\nmeta mark & 0xffffffff == 0x69 accept\n";
constexpr std::string_view kArriving =
    "iif lo accept\nmeta l4proto 50 queue in\nmeta l4proto 51 queue in\n"
    "meta l4proto 17 th dport 4500 @th,64,32 != 0 queue in\n";
constexpr std::string_view kArrivingV6 =
    "iif lo accept\n"
    "meta l4proto 50 frag frag-off & 0xfff9 != 0 accept\nmeta l4proto 50 queue in\n"
    "meta l4proto 51 frag frag-off & 0xfff9 != 0 accept\nmeta l4proto 51 queue in\n"
    "meta l4proto 17 th dport 4500 @th,64,32 != 0 queue in\n";

TEST(FilterRules, WithoutRulesNothingIsQueued) { EXPECT_EQ(text_of({}), ""); }

TEST(FilterRules, OneHostIsProtected) {
  const std::vector<Rule> rules = {esp_rule("192.0.2.7/32")};
  EXPECT_EQ(chain("ip output", rules), std::string(kSentHere) + "daddr 192.0.2.7/32 queue out\n");
  EXPECT_EQ(chain("ip input", rules), std::string(kArriving) + "saddr 192.0.2.7/32 queue in\n");
  EXPECT_EQ(chain("ip6 output", rules), "");
  EXPECT_EQ(chain("ip6 input", rules), kArrivingV6);
  EXPECT_EQ(chain("ip forward_in", rules) + chain("ip forward_out", rules), "");
}

// Also rules in transport mode; what the host forwards under another's address meets none of them.
TEST(FilterRules, BehindSourceNatTheHostsAddressesAreAskedAgain) {
  FilterOptions options = kOptions;
  options.local_source = options.long_tcp = true;
  const std::string front =
      std::string(kSentHere) + "meta l4proto 50 accept\nmeta l4proto 51 accept\n" + "fib saddr type != local accept\n";
  EXPECT_EQ(chain("ip translated", {esp_rule("192.0.2.7/32")}, options), front + "daddr 192.0.2.7/32 queue out\n");
  EXPECT_EQ(chain("ip translated", {pass_rule("192.0.2.7/32")}, options), "");
}

// `level use`: it leaves protected if there is an SA, which only ipsecd knows; in clear it is accepted.
TEST(FilterRules, WhatMayBeClearIsQueuedAsItLeaves) {
  Rule use = esp_rule("192.0.2.7/32");
  use.alternatives[0].protection.may_be_clear = true;
  EXPECT_EQ(chain("ip output", {use}), std::string(kSentHere) + "daddr 192.0.2.7/32 queue out\n");
  EXPECT_EQ(chain("ip input", {use}), kArriving);
}

TEST(FilterRules, ARuleOfOneDirectionIsInItsChainOnly) {
  Rule out = esp_rule("192.0.2.7/32");
  out.in = false;
  EXPECT_EQ(chain("ip output", {out}), std::string(kSentHere) + "daddr 192.0.2.7/32 queue out\n");
  EXPECT_EQ(chain("ip input", {out}), kArriving);
}

TEST(FilterRules, WithoutAddressesBothFamiliesAreConcerned) {
  EXPECT_EQ(chain("ip output", {esp_rule()}), std::string(kSentHere) + "queue out\n");
  EXPECT_EQ(chain("ip6 output", {esp_rule()}), std::string(kSentHere) + "queue out\n");
}

TEST(FilterRules, WhatPassesIsNotQueuedIfItComesFirst) {
  Rule web = pass_rule();
  web.selector.local_port = 80, web.selector.protocol = 6;
  EXPECT_EQ(chain("ip output", {web, esp_rule()}),
            std::string(kSentHere) + "meta l4proto 6 th sport 80 accept\nqueue out\n");
  EXPECT_EQ(chain("ip input", {web, esp_rule()}),
            std::string(kArriving) + "meta l4proto 6 th dport 80 accept\nqueue in\n");
  EXPECT_EQ(chain("ip output", {esp_rule("192.0.2.7/32"), web}),
            std::string(kSentHere) + "daddr 192.0.2.7/32 queue out\n");
}

TEST(FilterRules, IpsecOrPassIsQueuedOnlyWhenItLeaves) {
  Rule either = esp_rule("192.0.2.7/32");
  either.alternatives.push_back(pass_rule().alternatives[0]);
  EXPECT_EQ(chain("ip output", {either}), std::string(kSentHere) + "daddr 192.0.2.7/32 queue out\n");
  EXPECT_EQ(chain("ip input", {either}), kArriving);
}

TEST(FilterRules, DropsAreCountedByIpsecd) {
  EXPECT_EQ(chain("ip input", {drop_rule("192.0.2.0/24")}), std::string(kArriving) + "saddr 192.0.2.0/24 queue in\n");
}

// Their later fragments have no ports, and may be theirs; what passes is not known to be theirs.
TEST(FilterRules, PortsWithoutAProtocolAreThoseOfThree) {
  Rule ports = esp_rule();
  ports.selector.remote_port = 53;
  ports.selector.local = prefix("10.0.0.0/8");
  EXPECT_EQ(chain("ip output", {ports}), std::string(kSentHere) +
                                             "saddr 10.0.0.0/8 meta l4proto 6 th dport 53 queue out\n"
                                             "saddr 10.0.0.0/8 meta l4proto 6 frag-off & 0x1fff != 0 queue out\n"
                                             "saddr 10.0.0.0/8 meta l4proto 17 th dport 53 queue out\n"
                                             "saddr 10.0.0.0/8 meta l4proto 17 frag-off & 0x1fff != 0 queue out\n"
                                             "saddr 10.0.0.0/8 meta l4proto 132 th dport 53 queue out\n"
                                             "saddr 10.0.0.0/8 meta l4proto 132 frag-off & 0x1fff != 0 queue out\n");
}

TEST(FilterRules, TypesOfIcmp) {
  Rule echo = esp_rule("2001:db8::/32");
  echo.selector.protocol = 58, echo.selector.icmp_type = NumberRange{128, 129},
  echo.selector.icmp_code = NumberRange{0, 0};
  EXPECT_EQ(chain("ip6 output", {echo}),
            std::string(kSentHere) +
                "daddr 2001:db8::/32 meta l4proto 58 icmp type 128-129 icmp code 0 queue out\n"
                "daddr 2001:db8::/32 meta l4proto 58 frag frag-off & 0xfff8 != 0 queue out\n");
}

TEST(FilterRules, MarksAndDevices) {
  Rule marked = esp_rule("192.0.2.7/32");
  marked.mark = pfkey::Mark{.value = 5, .mask = 0xff};
  FilterOptions options = kOptions;
  options.device = "ipsec0", options.udp_ports = {4500, 4501};
  EXPECT_EQ(chain("ip output", {marked}, options),
            "oif lo accept\noifname ipsec0 accept\nmeta mark & 0xffffffff == 0x69 accept\n"
            "meta mark & 0xff == 0x5 daddr 192.0.2.7/32 queue out\n");
  EXPECT_EQ(chain("ip input", {marked}, options),
            "iif lo accept\niifname ipsec0 accept\n"
            "daddr 224.0.0.0/4 meta l4proto 50 queue in\ndaddr 255.255.255.255/32 meta l4proto 50 queue in\n"
            "saddr 169.254.0.0/16 meta l4proto 50 queue in\nmeta l4proto 50 accept\n"
            "daddr 224.0.0.0/4 meta l4proto 51 queue in\ndaddr 255.255.255.255/32 meta l4proto 51 queue in\n"
            "saddr 169.254.0.0/16 meta l4proto 51 queue in\nmeta l4proto 51 accept\n"
            "meta l4proto 17 th dport 4500 @th,64,32 != 0 accept\nmeta l4proto 17 th dport 4501 @th,64,32 != 0 accept\n"
            "meta mark & 0xff == 0x5 saddr 192.0.2.7/32 queue in\n");
}

TEST(FilterRules, FragmentsOfIpv6AreQueuedIfTheyAreWholeByThen) {
  FilterOptions options = kOptions;
  options.whole_v6 = true;
  EXPECT_EQ(chain("ip6 input", {esp_rule("2001:db8::/32")}, options),
            std::string(kArriving) + "saddr 2001:db8::/32 queue in\n");
}

// With a queue of its own, because it is not cut there yet.
TEST(FilterRules, TcpOfTheHostIsApart) {
  FilterOptions options = kOptions;
  options.long_tcp = true;
  EXPECT_EQ(chain("ip output", {esp_rule("192.0.2.7/32")}, options),
            std::string(kSentHere) + "daddr 192.0.2.7/32 meta l4proto 6 queue long\ndaddr 192.0.2.7/32 queue out\n");
  Rule web = esp_rule("192.0.2.7/32"), icmp = esp_rule("192.0.2.7/32");
  web.selector.protocol = 6, web.selector.remote_port = 80;
  icmp.selector.protocol = 1;
  EXPECT_EQ(chain("ip output", {web, icmp}, options),
            std::string(kSentHere) +
                "daddr 192.0.2.7/32 meta l4proto 6 th dport 80 queue long\n"
                "daddr 192.0.2.7/32 meta l4proto 6 frag-off & 0x1fff != 0 queue out\n"
                "daddr 192.0.2.7/32 meta l4proto 1 queue out\n");
}

TEST(FilterRules, ForwardedPacketsAreThoseOfTunnels) {
  Rule tunnel = esp_rule("10.2.0.0/16");
  tunnel.selector.local = prefix("10.1.0.0/16");
  tunnel.alternatives[0].protection.ends = policy::TunnelEnds{*parse_address("192.0.2.1"), *parse_address("192.0.2.2")};
  FilterOptions options = kOptions;
  options.device = "ipsec0";
  EXPECT_EQ(chain("ip forward_out", {tunnel, esp_rule()}, options),
            "oifname ipsec0 accept\nsaddr 10.1.0.0/16 daddr 10.2.0.0/16 queue out\n");
  EXPECT_EQ(chain("ip forward_in", {tunnel, esp_rule()}, options),
            "iifname ipsec0 accept\nsaddr 10.2.0.0/16 daddr 10.1.0.0/16 queue in\n");
}

TEST(FilterRules, ForwardedPacketsMeetExceptionsFromTunnels) {
  Rule tunnel = esp_rule("10.2.0.0/16");
  tunnel.alternatives[0].protection.ends = policy::TunnelEnds{*parse_address("192.0.2.1"), *parse_address("192.0.2.2")};
  const std::vector<Rule> rules = {pass_rule("10.2.8.0/24"), drop_rule("10.2.9.0/24"), pass_rule("10.3.0.0/16"),
                                   tunnel};
  EXPECT_EQ(chain("ip forward_out", rules),
            "daddr 10.2.8.0/24 accept\ndaddr 10.2.9.0/24 queue out\ndaddr 10.2.0.0/16 queue out\n");
  EXPECT_EQ(chain("ip forward_in", rules),
            "saddr 10.2.8.0/24 accept\nsaddr 10.2.9.0/24 queue in\nsaddr 10.2.0.0/16 queue in\n");
}

TEST(FilterRules, RulesOfADeviceAreNotAboutAHook) {
  Rule of_device = esp_rule("192.0.2.7/32");
  of_device.tunnel = policy::Tunnel{.name = "ipsec0"};
  EXPECT_EQ(chain("ip output", {of_device}), "");
}

TEST(FilterRules, TooManyRulesQueueEverything) {
  std::vector<Rule> rules;
  for (unsigned i = 0; i <= kMostFilterRules; ++i)
    rules.push_back(esp_rule(std::to_string(i / 256) + "." + std::to_string(i % 256) + ".0.1/32"));
  EXPECT_EQ(chain("ip output", rules), std::string(kSentHere) + "queue out\n");
  EXPECT_EQ(chain("ip6 output", rules), "");
  rules.pop_back();
  EXPECT_EQ(filter_rules(rules, kOptions).size(), 2 * kMostFilterRules + 2 + 4 + 6);
}

}  // namespace
}  // namespace ipseckey::ipsecd
