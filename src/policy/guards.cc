#include "policy/guards.h"

#include <algorithm>

#include "pfkey/icmp.h"

namespace ipseckey::policy {
namespace {

Rule passing(const Selector& selector) {
  Rule rule;
  rule.selector = selector;
  rule.out = rule.in = true;
  rule.alternatives = {{Action::pass, {}}};
  return rule;
}

// RFC 4861: router and neighbour solicitations and advertisements, and redirects.
Rule neighbour_discovery() {
  Selector s;
  s.protocol = pfkey::kProtoIcmpV6;
  s.icmp_type = NumberRange{133, 137};
  return passing(s);
}

Rule between(const Address& local, const Address& remote) {
  Selector s;
  s.local = Prefix{local, 128}, s.remote = Prefix{remote, 128};
  return passing(s);
}

Rule loopback() {
  Address one{.family = Family::v6};
  one.octets[15] = std::byte{1};
  return between(one, one);
}

// The packets of both, if there are any: of each part the narrower one.
Selector narrower(const Selector& a, const Selector& b) {
  Selector s = a;
  const auto prefix = [](const std::optional<Prefix>& x, const std::optional<Prefix>& y) {
    return !x || (y && x->contains(*y)) ? y : x;
  };
  s.local = prefix(a.local, b.local), s.remote = prefix(a.remote, b.remote);
  if (!s.protocol) s.protocol = b.protocol;
  if (!s.icmp_type) s.icmp_type = b.icmp_type;
  return s;
}

// Whether the rule is about IPv6 packets of the host itself.
bool concerns_host(const Rule& rule) {
  for (const auto* const prefix : {&rule.selector.local, &rule.selector.remote})
    if (*prefix && (*prefix)->address.family == Family::v4) return false;
  return !rule.tunnel && rule.if_id.value_or(0) == 0;
}

bool passes(const Rule& rule) { return rule.alternatives[0].action == Action::pass; }

}  // namespace

std::vector<Guard> guards_beside_loopback() { return {{neighbour_discovery(), "IPv6 neighbour discovery"}}; }

std::vector<Guard> guards() {
  std::vector<Guard> all = guards_beside_loopback();
  all.push_back({loopback(), "what the host sends to its own address ::1"});
  return all;
}

std::vector<Guard> kernel_guards(std::span<const Address> own) {
  std::vector<Guard> all = guards_beside_loopback();
  for (const Address& local : own)
    for (const Address& remote : own) {
      if (local.family != Family::v6 || remote.family != Family::v6) continue;
      if (local != remote && (is_link_local(local) || is_link_local(remote))) continue;
      all.push_back({between(local, remote), "what the host sends to its own IPv6 addresses"});
    }
  return all;
}

std::vector<Unguarded> unguarded(std::span<const Rule> rules, std::span<const std::size_t> tried,
                                 std::span<const Guard> guards) {
  std::vector<Unguarded> found;
  for (std::size_t i = 0; i < guards.size(); ++i) {
    const Guard& guard = guards[i];
    std::vector<std::size_t> letting;  // Rules that let some of the packets pass, so far.
    for (const std::size_t number : tried) {
      const Rule& rule = rules[number];
      if (!concerns_host(rule) || rule.mark || !overlap(rule.selector, guard.rule.selector)) continue;
      if (passes(rule)) {
        letting.push_back(number);
        continue;
      }
      const Selector packets = narrower(rule.selector, guard.rule.selector);
      const bool passed = std::ranges::any_of(letting, [&](std::size_t before) {
        return (rules[before].out || !rule.out) && (rules[before].in || !rule.in) &&
               covers(rules[before].selector, packets);
      });
      if (passed) continue;
      found.push_back({number, i});
      break;
    }
  }
  return found;
}

}  // namespace ipseckey::policy
