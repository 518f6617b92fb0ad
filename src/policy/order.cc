// 1. boost() is the class of a rule; order() sorts by it, and keeps the file's order within a class.
// 2. duplicates() keeps what it saw of each direction in a map.
// 3. shadowed() and disagreements() compare each rule with those before it that can have a packet in common with it
//    (detail/shapes.h finds them; if there are too many shapes, detail/neighbours.h); only rules of one place (tunnel,
//    mark, XFRM interface) can.
#include "policy/order.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>

#include "policy/detail/neighbours.h"
#include "policy/detail/shapes.h"

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
  std::vector<std::size_t> place(rules.size());  // In the order in which they are tried.
  for (std::size_t i = 0; i < tried.size(); ++i) place[tried[i]] = i;
  Shapes shapes(rules);
  const std::optional<Neighbours> neighbours = shapes.few() ? std::nullopt : std::optional<Neighbours>(rules);
  std::vector<Shadow> shadows;
  for (const std::size_t later : tried)
    for (const Direction d : kDirections) {
      if (!rules[later].has(d)) continue;
      std::size_t first = place[later];
      const auto look_at = [&](std::size_t before) {
        if (place[before] < first && rules[before].has(d) && covers(rules[before], rules[later])) first = place[before];
      };
      if (neighbours) {
        for (const std::size_t before : neighbours->find(later, Neighbours::Which::around)) look_at(before);
      } else {
        for (const auto& [shape, members] : shapes.groups())
          if (within(shape, shapes.of(later)))
            for (const std::size_t before : shapes.find(shape, common(shape, shape), later)) look_at(before);
      }
      if (first < place[later]) shadows.push_back({later, tried[first], d});
    }
  std::ranges::sort(shadows);
  return shadows;
}

std::vector<RulePair> disagreements(std::span<const Rule> rules, std::size_t most) {
  Shapes shapes(rules);
  const std::optional<Neighbours> neighbours = shapes.few() ? std::nullopt : std::optional<Neighbours>(rules);
  std::vector<RulePair> pairs;
  for (std::size_t second = 1; second < rules.size() && pairs.size() < most; ++second) {
    const auto begin = static_cast<std::ptrdiff_t>(pairs.size());
    const Shape& own = shapes.of(second);
    const auto look_at = [&](std::size_t first) {
      if (pairs.size() < most && overlap(rules[first], rules[second])) pairs.push_back({first, second});
    };
    if (neighbours) {
      auto candidates = neighbours->find(second, Neighbours::Which::overlapping);
      std::erase_if(candidates, [&](std::size_t n) { return n >= second || shapes.of(n).boost >= own.boost; });
      std::ranges::sort(candidates);
      for (const std::size_t first : candidates) look_at(first);
    } else {
      for (const auto& [shape, members] : shapes.groups()) {
        if (shape.boost >= own.boost) continue;
        for (const std::size_t first : shapes.find(shape, common(shape, own), second)) {
          if (first > second) break;
          look_at(first);
        }
      }
    }
    std::sort(pairs.begin() + begin, pairs.end());
  }
  return pairs;
}

}  // namespace ipseckey::policy
