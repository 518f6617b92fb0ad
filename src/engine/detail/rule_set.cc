#include "engine/detail/rule_set.h"

#include <algorithm>
#include <utility>

namespace ipseckey::engine {

using policy::Direction;
using policy::Rule;

Scope everything() {
  pfpolicy::Message all;
  all.tunnel = pfpolicy::Text{};
  return Scope(all);
}

std::vector<RuleSet::Key> RuleSet::keys_of(const Rule& rule) {
  const pfkey::Mark mark = rule.mark.value_or(pfkey::Mark{0, 0});
  std::vector<Key> keys;
  for (const Direction d : {Direction::out, Direction::in})
    if (rule.has(d)) keys.emplace_back(rule.selector, rule.tunnel, mark.value, mark.mask, rule.if_id.value_or(0), d);
  return keys;
}

HeldPtr RuleSet::at(std::uint64_t index) const {
  const auto found = rules_.find(index);
  return found == rules_.end() ? nullptr : found->second;
}

HeldPtr RuleSet::about(const Rule& rule) const {
  for (const Key& key : keys_of(rule))
    if (const auto found = patterns_.find(key); found != patterns_.end()) return at(found->second);
  return nullptr;
}

void RuleSet::put(const HeldPtr& held) {
  rules_[held->index] = held;
  for (Key& key : keys_of(held->rule)) patterns_.emplace(std::move(key), held->index);
}

void RuleSet::put(const std::vector<HeldPtr>& list) {
  for (const HeldPtr& held : list) put(held);
}

void RuleSet::take(const HeldRule& held) {
  for (const Key& key : keys_of(held.rule)) patterns_.erase(key);
  rules_.erase(held.index);
}

void RuleSet::take(const std::vector<HeldPtr>& list) {
  for (const HeldPtr& held : list) take(*held);
}

std::vector<HeldPtr> RuleSet::of(const Scope& scope) const {
  std::vector<HeldPtr> list;
  for (const auto& [index, held] : rules_)
    if (scope.has(held->rule)) list.push_back(held);
  return list;
}

bool RuleSet::names_ends(std::string_view tunnel) const {
  return std::ranges::any_of(rules_, [&](const auto& entry) {
    const Rule& rule = entry.second->rule;
    return rule.tunnel && rule.tunnel->name == tunnel &&
           std::ranges::any_of(rule.alternatives,
                               [](const policy::Alternative& a) { return a.protection.ends.has_value(); });
  });
}

void sort(std::vector<HeldPtr>& list) {
  std::ranges::sort(list, [](const HeldPtr& a, const HeldPtr& b) {
    return a->priority != b->priority ? a->priority > b->priority : a->serial < b->serial;
  });
}

}  // namespace ipseckey::engine
