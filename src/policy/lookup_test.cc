// The look-up by hash finds the rule that match() finds, whatever the rules and packets are, and its cost does not grow
// with their number.
#include "policy/lookup.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>

#include "policy/forwarded.h"
#include "policy/testing.h"

namespace ipseckey::policy {
namespace {

using testing::drop_rule;
using testing::esp_rule;
using testing::pass_rule;
using testing::prefix;

class Chance {
 public:
  explicit Chance(unsigned seed) : source_(seed) {}
  unsigned below(unsigned n) { return static_cast<unsigned>(source_() % n); }
  bool one_in(unsigned n) { return below(n) == 0; }
  template <class T, std::size_t N>
  const T& of(const T (&list)[N]) {
    return list[below(N)];
  }

 private:
  std::mt19937 source_;
};

constexpr const char* kPrefixes[] = {"10.0.0.0/8",     "10.0.0.1/32",     "10.0.1.0/24",    "0.0.0.0/0",
                                     "2001:db8::/32",  "2001:db8::1/128", "10.0.0.0/31",    "::/0",
                                     "192.168.0.0/16", "10.0.0.2/32",     "2001:db8:1::/48"};
constexpr const char* kAddresses[][2] = {{"10.0.0.1", "10.0.0.2"},       {"10.0.0.1", "10.0.1.7"},
                                         {"192.168.3.4", "10.9.9.9"},    {"2001:db8::1", "2001:db8:1::9"},
                                         {"2001:db9::1", "2001:db8::1"}, {"172.16.0.1", "10.0.0.1"}};
constexpr std::uint8_t kProtocols[] = {1, 6, 17, 58, 132, 50, 47};
constexpr std::uint16_t kPorts[] = {22, 53, 500};
constexpr const char* kTunnels[] = {"t0", "t1"};

Rule random_rule(Chance& chance) {
  Rule r = chance.one_in(3) ? pass_rule() : chance.one_in(2) ? drop_rule() : esp_rule();
  Selector& s = r.selector;
  if (!chance.one_in(3)) s.local = prefix(chance.of(kPrefixes));
  if (!chance.one_in(3)) s.remote = prefix(chance.of(kPrefixes));
  if (s.local && s.remote && s.local->address.family != s.remote->address.family) s.remote.reset();
  if (chance.one_in(2)) s.protocol = chance.of(kProtocols);
  if (s.protocol && (*s.protocol == 1 || *s.protocol == 58)) {
    if (chance.one_in(2)) s.icmp_type = NumberRange{3, static_cast<std::uint8_t>(3 + chance.below(4))};
    if (s.icmp_type && chance.one_in(2)) s.icmp_code = NumberRange{0, 1};
  } else {
    if (chance.one_in(4)) s.local_port = chance.of(kPorts);
    if (chance.one_in(4)) s.remote_port = chance.of(kPorts);
  }
  r.out = chance.below(3) != 0;
  r.in = !r.out || chance.one_in(2);
  if (chance.one_in(4)) r.tunnel = Tunnel{chance.of(kTunnels)};
  if (chance.one_in(8)) r.mark = pfkey::Mark{chance.below(2), 1};
  if (chance.one_in(16)) r.if_id = 7;
  if (chance.one_in(6) && r.alternatives[0].action == Action::ipsec)
    r.alternatives[0].protection.ends = TunnelEnds{*parse_address("192.0.2.1"), *parse_address("192.0.2.2")};
  return r;
}

Flow random_flow(Chance& chance) {
  Flow f;
  const auto& ends = chance.of(kAddresses);
  const bool swap = chance.one_in(2);
  f.local = *parse_address(ends[swap ? 1 : 0]), f.remote = *parse_address(ends[swap ? 0 : 1]);
  f.protocol = chance.of(kProtocols);
  const bool fragment = chance.one_in(5);
  if (has_ports(f.protocol) && !fragment) f.local_port = chance.of(kPorts), f.remote_port = chance.of(kPorts);
  if ((f.protocol == 1 || f.protocol == 58) && !fragment)
    f.icmp_type = static_cast<std::uint8_t>(chance.below(8)), f.icmp_code = static_cast<std::uint8_t>(chance.below(3));
  if (chance.one_in(3)) f.tunnel = chance.of(kTunnels);
  f.mark = chance.below(2);
  if (chance.one_in(8)) f.if_id = 7;
  return f;
}

std::vector<std::size_t> all_of(const Rules& rules) { return order(rules, Order::file); }

TEST(PolicyLookup, FindsTheRuleThatMatchFinds) {
  Chance chance(1);
  std::size_t found = 0, none = 0;
  for (int round = 0; round < 300; ++round) {
    Rules rules;
    for (unsigned i = chance.below(40); i > 0; --i) rules.push_back(random_rule(chance));
    const Lookup lookup(rules);
    for (int i = 0; i < 60; ++i) {
      const Flow flow = random_flow(chance);
      const auto head = flow.tunnel.empty() ? std::optional(Lookup::kHost) : lookup.tunnel(flow.tunnel);
      for (const Direction d : {Direction::out, Direction::in}) {
        const auto expected = match(rules, all_of(rules), flow, d);
        const auto got = head ? lookup.find(probe(flow), d, *head) : std::nullopt;
        ASSERT_EQ(got, expected) << "round " << round << ", packet " << i;
        ++(expected ? found : none);
      }
    }
  }
  EXPECT_GT(found, 5000u);
  EXPECT_GT(none, 2000u);
}

// Of the host's rules, only those in tunnel mode are about packets that it passes on, and exceptions from them.
TEST(PolicyLookup, PassedOnPacketsMeetTunnelModeAndItsExceptions) {
  Chance chance(2);
  std::size_t found = 0;
  for (int round = 0; round < 200; ++round) {
    Rules rules;
    for (unsigned i = chance.below(60); i > 0; --i) rules.push_back(random_rule(chance));
    const Lookup lookup(rules);
    const auto forwarded = about_forwarded(rules);
    std::vector<std::size_t> about;
    for (std::size_t i = 0; i < rules.size(); ++i)
      if (forwarded[i].out) about.push_back(i);
    for (int i = 0; i < 40; ++i) {
      Flow flow = random_flow(chance);
      flow.tunnel.clear();
      const auto expected = match(rules, about, flow, Direction::out);
      ASSERT_EQ(lookup.find(probe(flow), Direction::out, Lookup::kForwarded), expected);
      found += expected.has_value();
    }
  }
  EXPECT_GT(found, 200u);
}

TEST(PolicyLookup, PassedOnPacketsMeetExceptionsFromTunnelMode) {
  Rule tunnel = esp_rule("10.2.0.0/16");
  tunnel.alternatives[0].protection.ends = TunnelEnds{*parse_address("192.0.2.1"), *parse_address("192.0.2.2")};
  const Lookup lookup(Rules{drop_rule("10.2.9.0/24"), pass_rule("10.3.0.0/16"), tunnel});
  const auto find = [&](std::string_view remote) {
    Flow flow;
    flow.local = *parse_address("10.1.0.1"), flow.remote = *parse_address(remote);
    return lookup.find(probe(flow), Direction::out, Lookup::kForwarded);
  };
  EXPECT_EQ(find("10.2.9.1"), 0u);
  EXPECT_EQ(find("10.2.8.1"), 2u);
  EXPECT_EQ(find("10.3.0.1"), std::nullopt);
}

// All whole packets that a fragment may be a part of, as far as rules of random_rule() can tell them apart.
std::vector<Flow> wholes(const Flow& fragment) {
  std::vector<Flow> list;
  for (unsigned a = 0; a < 8; ++a)
    for (unsigned b = 0; b < 4; ++b) {
      constexpr std::uint16_t kOneOf[] = {22, 53, 500, 9};
      Flow whole = fragment;
      if (has_ports(whole.protocol)) whole.local_port = kOneOf[a % 4], whole.remote_port = kOneOf[b];
      if (whole.protocol == 1 || whole.protocol == 58)
        whole.icmp_type = static_cast<std::uint8_t>(a), whole.icmp_code = static_cast<std::uint8_t>(b);
      list.push_back(whole);
    }
  return list;
}

// The first rule that is about some of the whole packets, and not about all of them. The first fragment, which has
// ports, is treated as the others of its datagram are.
TEST(PolicyLookup, FindsTheFirstRuleThatMayBeAboutAFragment) {
  Chance chance(3);
  std::size_t found = 0, firsts = 0;
  for (int round = 0; round < 200; ++round) {
    Rules rules;
    for (unsigned i = chance.below(30); i > 0; --i) rules.push_back(random_rule(chance));
    const Lookup lookup(rules);
    for (int i = 0; i < 30; ++i) {
      Flow first = random_flow(chance);
      first.tunnel.clear();
      const auto all = wholes(first);
      Flow later = first;
      later.local_port.reset(), later.remote_port.reset(), later.icmp_type.reset(), later.icmp_code.reset();
      for (const Direction d : {Direction::out, Direction::in}) {
        std::optional<std::size_t> expected;
        for (std::size_t at = 0; at < rules.size() && !expected; ++at) {
          if (d == Direction::in && rules[at].alternatives[0].action == Action::pass) continue;
          const auto about = std::ranges::count_if(all, [&](const Flow& f) { return matches(rules[at], f, d); });
          if (about > 0 && about < std::ssize(all)) expected = at;
        }
        ASSERT_EQ(lookup.find_possible(probe(later), d), expected) << "round " << round << ", packet " << i;
        ASSERT_EQ(lookup.find_possible(probe(first), d), expected) << "round " << round << ", packet " << i;
        found += expected.has_value();
        firsts += expected && (first.local_port || first.icmp_type);
      }
    }
  }
  EXPECT_GT(found, 500u);
  EXPECT_GT(firsts, 300u);
}

TEST(PolicyLookup, KnowsTunnelsByNameAndByEnds) {
  const TunnelEnds ends{*parse_address("192.0.2.1"), *parse_address("192.0.2.2")};
  Rules rules = {esp_rule(), esp_rule(), esp_rule("10.0.0.0/8")};
  rules[1].tunnel = Tunnel{"t0"};
  rules[2].tunnel = Tunnel{"t1"}, rules[2].alternatives[0].protection.ends = ends;
  const Lookup lookup(rules);
  ASSERT_TRUE(lookup.tunnel("t0") && lookup.tunnel("t1"));
  EXPECT_NE(lookup.tunnel("t0"), lookup.tunnel("t1"));
  EXPECT_FALSE(lookup.tunnel("t2"));
  EXPECT_EQ(lookup.tunnel_between(ends.local, ends.remote), lookup.tunnel("t1"));
  EXPECT_EQ(lookup.tunnel_between(ends.local, unspecified(Family::v4)), lookup.tunnel("t1"));
  EXPECT_FALSE(lookup.tunnel_between(ends.remote, ends.local));
  EXPECT_TRUE(lookup.discards_the_rest(*lookup.tunnel("t0")));
  EXPECT_FALSE(lookup.discards_the_rest(Lookup::kHost));
  EXPECT_FALSE(lookup.discards_the_rest(Lookup::kForwarded));
}

TEST(PolicyLookup, CostsTheSameWithAHundredThousandRules) {
  const auto rules_for = [](std::size_t count) {
    Rules rules;
    for (std::size_t i = 0; i < count; ++i)
      rules.push_back(esp_rule(fmt::format("10.{}.{}.{}/32", i >> 16 & 255, i >> 8 & 255, i & 255)));
    rules.push_back(pass_rule("10.0.0.0/8"));
    return rules;
  };
  const Lookup few(rules_for(10)), many(rules_for(100'000));
  Flow flow;
  flow.local = *parse_address("10.0.0.1"), flow.remote = *parse_address("10.0.0.7"), flow.protocol = 6;
  EXPECT_EQ(many.find(probe(flow), Direction::out), 7u);
  EXPECT_EQ(many.effort(probe(flow), Direction::out), few.effort(probe(flow), Direction::out));
  flow.remote = *parse_address("10.0.255.255");
  EXPECT_EQ(many.find(probe(flow), Direction::out), 65535u);
  flow.remote = *parse_address("10.255.0.1");
  EXPECT_EQ(many.find(probe(flow), Direction::out), 100'000u);
  EXPECT_LE(many.effort(probe(flow), Direction::out), 4u);
}

}  // namespace
}  // namespace ipseckey::policy
