#include "policy/detail/neighbours.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace ipseckey::policy {
namespace {

constexpr std::array kAddresses = {&Selector::local, &Selector::remote};

constexpr std::size_t index_of(Family family) { return family == Family::v4 ? 0 : 1; }

// The last prefix, in the order of entries, that is within this one.
Prefix last_within(const Prefix& p) {
  Prefix last{p.address, static_cast<std::uint8_t>(p.address.bits())};
  for (unsigned bit = p.length; bit < p.address.bits(); ++bit)
    last.address.octets[bit / 8] |= static_cast<std::byte>(0x80 >> bit % 8);
  return last;
}

}  // namespace

Neighbours::Neighbours(std::span<const Rule> rules) : rules_(rules) {
  for (std::size_t i = 0; i < rules.size(); ++i)
    for (std::size_t s = 0; s < sides_.size(); ++s) {
      Side& side = sides_[s];
      const std::optional<Prefix>& prefix = rules[i].selector.*kAddresses[s];
      if (!prefix) {
        side.open.push_back(i);
        continue;
      }
      side.entries.push_back({{masked(prefix->address, prefix->length), prefix->length}, i});
      side.lengths[index_of(prefix->address.family)][prefix->length] = true;
    }
  for (Side& side : sides_) std::ranges::stable_sort(side.entries, {}, &Entry::prefix);
}

Neighbours::Found Neighbours::look_up(const Side& side, const std::optional<Prefix>& prefix, Which which) {
  Found found;
  found.count = side.open.size();
  if (!prefix) {
    found.all = which == Which::overlapping;
    if (found.all) found.count += side.entries.size();
    return found;
  }
  const auto add = [&](const Prefix& first, const Prefix& last) {
    const auto from = std::ranges::lower_bound(side.entries, first, {}, &Entry::prefix);
    const auto to = std::ranges::upper_bound(from, side.entries.end(), last, {}, &Entry::prefix);
    if (from == to) return;
    found.entries.emplace_back(from, to);
    found.count += static_cast<std::size_t>(to - from);
  };
  const auto& lengths = side.lengths[index_of(prefix->address.family)];
  for (std::uint8_t length = 0; length < prefix->length; ++length) {
    if (!lengths[length]) continue;
    const Prefix around{masked(prefix->address, length), length};
    add(around, around);
  }
  const Prefix own{masked(prefix->address, prefix->length), prefix->length};
  add(own, which == Which::around ? own : last_within(own));
  return found;
}

std::vector<std::size_t> Neighbours::find(std::size_t rule, Which which) const {
  const Selector& s = rules_[rule].selector;
  const std::array found = {look_up(sides_[0], s.local, which), look_up(sides_[1], s.remote, which)};
  const std::size_t better = found[1].count < found[0].count ? 1 : 0;
  std::vector<std::size_t> numbers;
  if (found[better].all) {
    numbers.resize(rules_.size());
    std::iota(numbers.begin(), numbers.end(), std::size_t{0});
    return numbers;
  }
  numbers = sides_[better].open;
  for (const auto& entries : found[better].entries)
    for (const Entry& e : entries) numbers.push_back(e.rule);
  return numbers;
}

}  // namespace ipseckey::policy
