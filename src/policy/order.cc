// 1. boost() is the class of a rule; order() sorts by it, and keeps the file's order within a class.
// 2. duplicates() keeps what it saw of each direction in a map.
// 3. shadowed() and disagreements() compare each rule with those before it. Only rules of one place (tunnel, mark,
//    XFRM interface) can have a packet in common.
#include "policy/order.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

namespace ipseckey::policy {
namespace {

constexpr std::array kDirections = {Direction::out, Direction::in};

using MarkKey = std::pair<std::uint32_t, std::uint32_t>;  // Value, mask; all zero: any mark.

MarkKey mark_of(const Rule& rule) { return rule.mark ? MarkKey{rule.mark->value, rule.mark->mask} : MarkKey{0, 0}; }

bool one_tunnel(const Rule& a, const Rule& b) { return a.tunnel == b.tunnel; }
bool one_interface(const Rule& a, const Rule& b) { return a.if_id.value_or(0) == b.if_id.value_or(0); }

// Every mark of the second is one of the first.
bool mark_covers(const Rule& a, const Rule& b) {
  const auto [value, mask] = mark_of(a);
  const auto [other, other_mask] = mark_of(b);
  return (mask & ~other_mask) == 0 && (other & mask) == value;
}
bool marks_meet(const Rule& a, const Rule& b) {
  const auto [value, mask] = mark_of(a);
  const auto [other, other_mask] = mark_of(b);
  return ((value ^ other) & mask & other_mask) == 0;
}

bool covers(const Rule& a, const Rule& b) {
  return one_tunnel(a, b) && one_interface(a, b) && mark_covers(a, b) && covers(a.selector, b.selector);
}
bool overlap(const Rule& a, const Rule& b) {
  const bool one_direction = (a.out && b.out) || (a.in && b.in);
  return one_direction && one_tunnel(a, b) && one_interface(a, b) && marks_meet(a, b) &&
         overlap(a.selector, b.selector);
}

}  // namespace

std::uint32_t boost(const Rule& rule) {
  constexpr std::uint32_t kPass = 0x800000, kEsp = 0x400000, kAh = 0x200000;
  std::uint32_t sum = 0;
  for (const Alternative& a : rule.alternatives) {
    if (a.action == Action::pass) sum |= kPass;
    if (a.action != Action::ipsec) continue;
    if (a.protection.esp()) sum |= kEsp;
    if (a.protection.ah) sum |= kAh;
  }
  return sum;
}

std::vector<std::size_t> order(std::span<const Rule> rules, Order by) {
  std::vector<std::size_t> numbers(rules.size());
  std::iota(numbers.begin(), numbers.end(), std::size_t{0});
  if (by == Order::file) return numbers;
  std::vector<std::uint32_t> boosts;
  boosts.reserve(rules.size());
  for (const Rule& rule : rules) boosts.push_back(boost(rule));
  std::ranges::stable_sort(numbers, [&](std::size_t a, std::size_t b) { return boosts[a] > boosts[b]; });
  return numbers;
}

std::vector<RulePair> duplicates(std::span<const Rule> rules) {
  using Key = std::tuple<Selector, std::optional<Tunnel>, MarkKey, std::uint32_t, Direction>;
  std::map<Key, std::size_t> seen;
  std::set<RulePair> pairs;
  for (std::size_t i = 0; i < rules.size(); ++i)
    for (const Direction d : kDirections) {
      if (!rules[i].has(d)) continue;
      const Rule& rule = rules[i];
      const auto [at, fresh] =
          seen.try_emplace({rule.selector, rule.tunnel, mark_of(rule), rule.if_id.value_or(0), d}, i);
      if (!fresh) pairs.insert({at->second, i});
    }
  return {pairs.begin(), pairs.end()};
}

std::vector<Shadow> shadowed(std::span<const Rule> rules, std::span<const std::size_t> tried) {
  std::vector<Shadow> shadows;
  for (std::size_t later = 1; later < tried.size(); ++later)
    for (const Direction d : kDirections) {
      if (!rules[tried[later]].has(d)) continue;
      for (const std::size_t before : tried.first(later)) {
        if (!rules[before].has(d) || !covers(rules[before], rules[tried[later]])) continue;
        shadows.push_back({tried[later], before, d});
        break;
      }
    }
  std::ranges::sort(shadows);
  return shadows;
}

std::vector<RulePair> disagreements(std::span<const Rule> rules) {
  std::vector<std::uint32_t> boosts;
  boosts.reserve(rules.size());
  for (const Rule& rule : rules) boosts.push_back(boost(rule));
  std::vector<RulePair> pairs;
  for (std::size_t second = 1; second < rules.size(); ++second)
    for (std::size_t first = 0; first < second; ++first)
      if (boosts[second] > boosts[first] && overlap(rules[first], rules[second])) pairs.push_back({first, second});
  return pairs;
}

}  // namespace ipseckey::policy
