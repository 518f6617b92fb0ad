// The order of rules, and what is odd about one: policy.md sections 2.5 and 3.1, with rules made by hand.
#include "policy/order.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <random>

#include "policy/testing.h"

namespace ipseckey::policy {
namespace {

using testing::ah_rule;
using testing::both_rule;
using testing::drop_rule;
using ::testing::ElementsAre;
using testing::esp_rule;
using ::testing::IsEmpty;
using testing::pass_rule;

TEST(PolicyOrder, HasTheBoostsOfSolaris) {
  EXPECT_EQ(boost(pass_rule()), 0x800000u);
  EXPECT_EQ(boost(both_rule()), 0x600000u);
  EXPECT_EQ(boost(esp_rule()), 0x400000u);
  EXPECT_EQ(boost(ah_rule()), 0x200000u);
  EXPECT_EQ(boost(drop_rule()), 0u);
  Rule or_pass = esp_rule();
  or_pass.alternatives.push_back({Action::pass, {}});
  EXPECT_EQ(boost(or_pass), 0xc00000u);
  Rule either = esp_rule();
  either.alternatives.push_back(ah_rule().alternatives[0]);
  EXPECT_EQ(boost(either), 0x600000u);
  Rule integrity_only = ah_rule();
  std::swap(integrity_only.alternatives[0].protection.ah, integrity_only.alternatives[0].protection.integrity);
  EXPECT_EQ(boost(integrity_only), 0x400000u);
}

TEST(PolicyOrder, PutsClassesFirstAndKeepsTheFilesOrderWithinThem) {
  const Rules rules = {drop_rule(), ah_rule(), esp_rule(), ah_rule(), pass_rule(), both_rule(), pass_rule()};
  EXPECT_THAT(order(rules, Order::classes), ElementsAre(4, 6, 5, 2, 1, 3, 0));
  EXPECT_THAT(order(rules, Order::file), ElementsAre(0, 1, 2, 3, 4, 5, 6));
  EXPECT_THAT(order({}, Order::classes), IsEmpty());
}

TEST(PolicyOrder, FindsRulesAboutTheSamePackets) {
  Rule port = drop_rule();
  port.selector.remote_port = 23;
  Rule same = esp_rule();
  same.selector.remote_port = 23;
  same.out = false;
  Rule outward = same;
  outward.out = true, outward.in = false;
  Rule marked = same;
  marked.mark = pfkey::Mark{1, 1};
  Rule tunnelled = same;
  tunnelled.tunnel = Tunnel{"t0"};
  Rule numbered = same;
  numbered.if_id = 5;
  EXPECT_THAT(duplicates(Rules{port, same, outward, marked, tunnelled, numbered, marked}),
              ElementsAre(RulePair{0, 1}, RulePair{0, 2}, RulePair{3, 6}));
  EXPECT_THAT(duplicates(Rules{same, outward}), IsEmpty());
}

TEST(PolicyOrder, FindsRulesThatAreNeverUsed) {
  Rule net = drop_rule("10.0.0.0/8"), host = esp_rule("10.1.2.3/32"), other = esp_rule("11.0.0.0/8");
  Rule in_only = esp_rule("10.0.0.0/16");
  in_only.out = false;
  const Rules rules = {net, host, other, in_only};
  const auto by_file = order(rules, Order::file), by_class = order(rules, Order::classes);
  EXPECT_THAT(shadowed(rules, by_file),
              ElementsAre(Shadow{1, 0, Direction::out}, Shadow{1, 0, Direction::in}, Shadow{3, 0, Direction::in}));
  EXPECT_THAT(shadowed(rules, by_class), IsEmpty());  // A drop comes last, so everything is used before.

  Rule any_mark = drop_rule(), one_mark = drop_rule();
  one_mark.mark = pfkey::Mark{0x10, 0xff};
  EXPECT_THAT(shadowed(Rules{one_mark, any_mark}, std::vector<std::size_t>{0, 1}), IsEmpty());
  EXPECT_THAT(shadowed(Rules{any_mark, one_mark}, std::vector<std::size_t>{0, 1}),
              ElementsAre(Shadow{1, 0, Direction::out}, Shadow{1, 0, Direction::in}));
}

TEST(PolicyOrder, FindsWhereTheTwoOrdersDisagree) {
  Rule block = drop_rule("10.0.0.0/8");
  Rule inside = esp_rule("10.1.0.0/16"), outside = esp_rule("192.168.0.0/16"), all = pass_rule();
  EXPECT_THAT(disagreements(Rules{block, inside, outside, all}),
              ElementsAre(RulePair{0, 1}, RulePair{0, 3}, RulePair{1, 3}, RulePair{2, 3}));
  EXPECT_THAT(disagreements(Rules{all, inside, block}), IsEmpty());
  Rule in_only = inside, out_only = block;
  in_only.out = false, out_only.in = false;
  EXPECT_THAT(disagreements(Rules{out_only, in_only}), IsEmpty());  // No packet goes both ways.
}

// Rules of which many meet, with few shapes; or with prefixes of every length.
enum class Lengths : std::uint8_t { few, all };
Rules many_rules(std::size_t count, Lengths lengths = Lengths::few, unsigned seed = 18) {
  std::mt19937 random(seed);
  const auto up_to = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  Rules rules;
  for (std::size_t i = 0; i < count; ++i) {
    Rule r = std::array{pass_rule, drop_rule, ah_rule, esp_rule}[up_to(4)]("");
    const auto side = [&]() -> std::optional<Prefix> {
      const std::string v4 = "10." + std::to_string(up_to(3)) + "." + std::to_string(up_to(3)) + ".1";
      const unsigned kind = up_to(6);
      if (kind < 2) return std::nullopt;
      const Address address = *parse_address(kind == 5 ? "2001:db8::" + std::to_string(up_to(3)) : v4);
      const unsigned few = kind == 5 ? 127 : kind == 2 ? 16 : kind == 3 ? 24 : 32;
      const unsigned length = lengths == Lengths::few ? few : up_to(address.bits() + 1);
      return Prefix{masked(address, length), static_cast<std::uint8_t>(length)};
    };
    r.selector.local = side();
    r.selector.remote = side();
    if (r.selector.local && r.selector.remote && r.selector.local->address.family != r.selector.remote->address.family)
      r.selector.local.reset();
    if (up_to(3) == 0) r.selector.local_port = static_cast<std::uint16_t>(up_to(3));
    if (up_to(4) == 0) {
      r.selector.protocol = std::array<std::uint8_t, 3>{1, 6, 17}[up_to(3)];
      if (*r.selector.protocol == 1) r.selector.local_port.reset(), r.selector.icmp_type = NumberRange{3, 9};
    }
    if (up_to(5) == 0) r.tunnel = Tunnel{"t0", true};
    const unsigned way = up_to(3);
    r.out = way != 0, r.in = way != 1;
    rules.push_back(std::move(r));
  }
  return rules;
}

struct Many {
  std::size_t count;
  Lengths lengths;
  unsigned seed;
};

// The quick ways find what comparing each rule with each finds.
TEST(PolicyOrder, FindsTheSameAmongMany) {
  std::vector<Many> all = {{40, Lengths::few, 18}, {3000, Lengths::few, 18}, {800, Lengths::all, 18}};
  for (unsigned seed = 0; seed < 30; ++seed) all.push_back({40, Lengths::all, seed});
  for (const auto& [count, lengths, seed] : all) {
    const Rules rules = many_rules(count, lengths, seed);
    const auto tried = order(rules, Order::classes);
    std::vector<Shadow> shadows;
    for (std::size_t later = 0; later < count; ++later)
      for (const Direction d : {Direction::out, Direction::in}) {
        const auto hides = [&](std::size_t n) {
          const Rule &a = rules[tried[n]], &b = rules[tried[later]];
          return a.has(d) && b.has(d) && a.tunnel == b.tunnel && covers(a.selector, b.selector);
        };
        for (std::size_t n = 0; n < later; ++n)
          if (hides(n)) {
            shadows.push_back({tried[later], tried[n], d});
            break;
          }
      }
    std::ranges::sort(shadows);
    EXPECT_EQ(shadowed(rules, tried), shadows);
    std::vector<RulePair> pairs;
    for (std::size_t second = 0; second < count; ++second)
      for (std::size_t first = 0; first < second; ++first) {
        const Rule &a = rules[first], &b = rules[second];
        if (boost(b) > boost(a) && ((a.out && b.out) || (a.in && b.in)) && a.tunnel == b.tunnel &&
            overlap(a.selector, b.selector))
          pairs.push_back({first, second});
      }
    EXPECT_EQ(disagreements(rules), pairs);
    ASSERT_GT(pairs.size(), 7u);
    EXPECT_EQ(disagreements(rules, 7), std::vector(pairs.begin(), pairs.begin() + 7));
  }
}

// The work grows with the number of rules that meet, not with its square: 10,000 of all lengths in about a second.
TEST(PolicyOrder, IsQuickWithManyLengths) {
  std::mt19937 random(7);
  Rules rules;
  for (std::size_t i = 0; i < 10'000; ++i) {
    Rule r = std::array{pass_rule, drop_rule, ah_rule, esp_rule}[random() % 4]("");
    for (auto* side : {&r.selector.local, &r.selector.remote}) {
      Address address;
      for (std::size_t octet = 0; octet < 4; ++octet) address.octets[octet] = static_cast<std::byte>(random());
      const auto length = static_cast<std::uint8_t>(8 + random() % 25);
      *side = Prefix{masked(address, length), length};
    }
    if (random() % 2) r.selector.local_port = static_cast<std::uint16_t>(random());
    rules.push_back(std::move(r));
  }
  const std::clock_t began = std::clock();
  const auto tried = order(rules, Order::classes);
  EXPECT_LT(shadowed(rules, tried).size() + disagreements(rules).size(), 10'000u);
  EXPECT_LT(std::clock() - began, 3 * CLOCKS_PER_SEC);
}

TEST(PolicySelector, CoversAndOverlaps) {
  const auto prefix = [](std::string_view text) { return testing::prefix(text); };
  Selector all, v4, v6, tcp, icmp, port, echo;
  v4.remote = prefix("10.0.0.0/8"), v6.local = prefix("2001:db8::/33");
  tcp.protocol = 6, icmp.protocol = 1, port.local_port = 22;
  echo.protocol = 1, echo.icmp_type = NumberRange{8, 8};
  for (const Selector* one : {&all, &v4, &v6, &tcp, &icmp, &port, &echo}) {
    EXPECT_TRUE(covers(all, *one) && covers(*one, *one) && overlap(all, *one) && overlap(*one, all));
    EXPECT_EQ(covers(*one, all), one == &all);
  }
  EXPECT_FALSE(overlap(v4, v6));
  EXPECT_FALSE(overlap(port, icmp) || overlap(icmp, port) || overlap(port, echo));
  EXPECT_TRUE(overlap(port, tcp) && !covers(port, tcp) && !covers(tcp, port));
  EXPECT_TRUE(covers(icmp, echo) && !covers(echo, icmp));
  Selector high = echo, low = echo;
  high.icmp_type = NumberRange{5, 20}, low.icmp_type = NumberRange{0, 4};
  EXPECT_TRUE(covers(high, echo) && overlap(high, echo) && !overlap(low, high) && !overlap(low, echo));
  EXPECT_TRUE(prefix("2001:db8::/33").contains(*parse_address("2001:db8:7fff::1")));
  EXPECT_FALSE(prefix("2001:db8::/33").contains(*parse_address("2001:db8:8000::1")));
  EXPECT_FALSE(prefix("0.0.0.0/0").contains(*parse_address("::")));
}

}  // namespace
}  // namespace ipseckey::policy
