// 1. check_foreign() refuses a plan that needs the name of a policy of another program.
// 2. match_rules() finds for each rule an earlier one that says the same, whose number it keeps.
// 3. number() gives each rule its priority, which completes the policies. Without room between
//    two rules all of ours are spread first, in their order.
// 4. ahead_of() finds policies of other programs that come before ours and let packets pass that ours protect or drop.
// 5. xfrm_steps() orders the requests; count() says what changes for the rules.
#include "kernel/detail/policy_change.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <ranges>
#include <set>
#include <string>
#include <utility>

#include "kernel/detail/rule_record.h"
#include "policy/xfrm_priorities.h"

namespace ipseckey::kernel {
namespace {

using policy::kNoRule;
using policy::PlannedPolicy;
using policy::XfrmPhase;
using policy::XfrmPlan;
using policy::XfrmPolicy;
using policy::XfrmStep;

std::string rule_at(const policy::Rule& rule, std::size_t number) {
  return rule.line != 0 ? fmt::format("the rule in line {}", rule.line) : fmt::format("rule {}", number + 1);
}

Result<void> check_foreign(std::span<const policy::Rule> rules, const XfrmPlan& plan, const PresentPolicies& present) {
  for (const PlannedPolicy& p : plan.policies) {
    const auto found = present.policies.find(p.policy.name);
    if (p.rule == kNoRule || found == present.policies.end() || present.owner(found->second)) continue;
    const xfrm::ListedPolicy& other = found->second;
    return fail(Errc::exists,
                fmt::format("{} needs a policy that another program has in the kernel: {}, mark {:#x}/{:#x}, if_id {}, "
                            "index {}, priority {}; end that program, or remove it with `{}`",
                            rule_at(rules[p.rule], p.rule), to_string(other.policy), other.policy.name.mark,
                            other.policy.name.mark_mask, other.policy.name.if_id, other.index, other.policy.priority,
                            command_to_delete(other)));
  }
  return {};
}

// For each rule the position of the rule of before that says the same; nullopt: it is new.
std::vector<std::optional<std::size_t>> match_rules(std::span<const policy::Rule> rules, const Owned& owned) {
  std::multimap<std::string, std::size_t> before;
  for (std::size_t i = 0; i < owned.rules.size(); ++i) before.emplace(record_of(owned.rules[i].rule), i);
  std::vector<std::optional<std::size_t>> matches;
  for (const policy::Rule& rule : rules) {
    const auto found = before.find(record_of(rule));
    matches.push_back(found == before.end() ? std::nullopt : std::optional(found->second));
    if (found != before.end()) before.erase(found);
  }
  return matches;
}

// ---- priorities

std::map<std::uint32_t, std::uint32_t> numbers_of(std::span<const XfrmPolicy> have, const Owned& owned) {
  std::map<std::uint32_t, std::uint32_t> numbers;  // By the rule's; 0: its policies disagree.
  for (const XfrmPolicy& h : have) {
    const auto [at, fresh] = numbers.try_emplace(owned.policies.at(h.name).rule, h.priority);
    if (!fresh && at->second != h.priority) at->second = 0;
  }
  return numbers;
}

struct Wanted {
  std::vector<XfrmPolicy> policies;  // In the order of the plan.
  XfrmPhase spread;                  // To be done before all else.
};

// The policies that keep ::1 reachable have the number 0 in the record; `loopback_before` as in XfrmPlan.
std::vector<std::optional<std::uint32_t>> old_numbers(std::span<const OwnedRule> rules, std::size_t loopback_before,
                                                      std::span<const XfrmPolicy> have, const Owned& owned) {
  const auto numbers = numbers_of(have, owned);
  std::vector<std::optional<std::uint32_t>> old;
  const auto add = [&](std::uint32_t index) {
    const auto found = numbers.find(index);
    old.push_back(found == numbers.end() ? std::nullopt : std::optional(found->second));
  };
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (i != 0 && i == loopback_before) add(0);
    add(rules[i].index);
  }
  return old;
}

Wanted number(const XfrmPlan& plan, std::span<const OwnedRule> rules, std::vector<XfrmPolicy>& have,
              const Owned& owned) {
  Wanted wanted;
  policy::Numbering numbering = policy::priorities(old_numbers(rules, plan.loopback_before, have, owned));
  if (numbering.from_scratch && !have.empty()) {
    std::vector<XfrmPolicy> moved = have;
    std::map<policy::XfrmPolicyName, std::uint32_t> now;
    XfrmPhase spread = policy::respaced(have);
    for (const XfrmStep& step : spread) now[step.policy.name] = step.policy.priority;
    for (XfrmPolicy& h : moved)
      if (const auto found = now.find(h.name); found != now.end()) h.priority = found->second;
    policy::Numbering again = policy::priorities(old_numbers(rules, plan.loopback_before, moved, owned));
    if (!again.from_scratch) numbering = std::move(again), have = std::move(moved), wanted.spread = std::move(spread);
  }
  const std::size_t slot = plan.loopback_before;
  const std::uint32_t loopback = slot == 0 ? policy::kLoopbackPriority : numbering.numbers[slot];
  for (const PlannedPolicy& p : plan.policies) {
    wanted.policies.push_back(p.policy);
    wanted.policies.back().priority =
        p.rule == kNoRule ? loopback : numbering.numbers[p.rule + (slot != 0 && p.rule >= slot ? 1 : 0)];
  }
  return wanted;
}

// ---- other programs' policies in front of ours

bool meet(const policy::Prefix& a, const policy::Prefix& b) { return a.contains(b) || b.contains(a); }
bool meet(const policy::MaskedPort& a, const policy::MaskedPort& b) {
  return ((a.value ^ b.value) & a.mask & b.mask) == 0;
}

// Whether a packet can meet both.
bool meet(const policy::XfrmPolicyName& a, const policy::XfrmPolicyName& b) {
  const policy::XfrmSelector &x = a.selector, &y = b.selector;
  return a.direction == b.direction && a.if_id == b.if_id && x.family() == y.family() &&
         ((a.mark ^ b.mark) & a.mark_mask & b.mark_mask) == 0 && meet(x.source, y.source) &&
         meet(x.destination, y.destination) && (x.protocol == 0 || y.protocol == 0 || x.protocol == y.protocol) &&
         meet(x.source_port, y.source_port) && meet(x.destination_port, y.destination_port);
}

bool covers(const policy::MaskedPort& a, const policy::MaskedPort& b) {
  return (a.mask & ~b.mask) == 0 && ((a.value ^ b.value) & a.mask) == 0;
}

// Whether every packet that meets the second could meet the first.
bool covers(const policy::XfrmPolicyName& a, const policy::XfrmPolicyName& b) {
  const policy::XfrmSelector &x = a.selector, &y = b.selector;
  return a.direction == b.direction && a.if_id == b.if_id && x.family() == y.family() &&
         (a.mark_mask & ~b.mark_mask) == 0 && ((a.mark ^ b.mark) & a.mark_mask) == 0 && x.source.contains(y.source) &&
         x.destination.contains(y.destination) && (x.protocol == 0 || x.protocol == y.protocol) &&
         (x.device == 0 || x.device == y.device) && covers(x.source_port, y.source_port) &&
         covers(x.destination_port, y.destination_port);
}

// Where ours take all packets of another program's policy.
struct Taken {
  std::uint64_t first = UINT64_MAX;  // The priority of the first of ours that does.
  std::uint64_t weak = UINT64_MAX;   // Of the first by which they are clear, too.
};
Taken taken(const policy::XfrmPolicyName& name, std::span<const XfrmPolicy> wanted) {
  Taken t;
  for (const XfrmPolicy& w : wanted) {
    if (!covers(w.name, name)) continue;
    t.first = std::min<std::uint64_t>(t.first, w.priority);
    if (!w.strong()) t.weak = std::min<std::uint64_t>(t.weak, w.priority);
  }
  return t;
}

std::vector<Ahead> ahead_of(const XfrmPlan& plan, std::span<const XfrmPolicy> wanted, const PresentPolicies& present) {
  std::vector<Ahead> list;
  std::set<std::pair<std::size_t, std::uint32_t>> named;
  for (const auto& [name, listed] : present.policies) {
    if (listed.policy.strong() || present.owner(listed)) continue;
    const Taken by_ours = taken(name, wanted);
    if (by_ours.first < listed.policy.priority) continue;  // No packet reaches it.
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      // Of two equal priorities the older policy is used.
      if (!wanted[i].strong() || wanted[i].priority < listed.policy.priority || !meet(name, wanted[i].name)) continue;
      if (by_ours.weak < wanted[i].priority) continue;  // An earlier rule lets these packets pass anyway.
      const std::size_t rule = plan.policies[i].rule;
      if (named.emplace(rule, listed.index).second) list.push_back({rule, listed});
    }
  }
  std::ranges::stable_sort(list, {}, &Ahead::rule);
  return list;
}

// ---- what changes

// Whether the kernel has the policies of each rule, whatever their priorities are.
std::vector<bool> intact(const XfrmPlan& plan, std::size_t rules, const std::vector<XfrmPolicy>& have) {
  std::map<policy::XfrmPolicyName, const XfrmPolicy*> held;
  for (const XfrmPolicy& h : have) held.emplace(h.name, &h);
  std::vector<bool> whole(rules, true);
  for (const PlannedPolicy& p : plan.policies) {
    if (p.rule == kNoRule) continue;
    const auto found = held.find(p.policy.name);
    if (found == held.end() || found->second->block != p.policy.block || found->second->templates != p.policy.templates)
      whole[p.rule] = false;
  }
  return whole;
}

backend::HeldRule held(const OwnedRule& rule) {
  backend::HeldRule h;
  h.index = rule.index, h.rule = rule.rule;
  return h;
}

struct Counted {
  std::span<const policy::Rule> rules;
  const std::vector<std::optional<std::size_t>>& matches;
  const std::vector<bool>& whole;
};

backend::RuleChanges count(const Counted& c, const PolicyChange& change, const Owned& before) {
  backend::RuleChanges changes;
  std::set<std::size_t> kept;
  for (std::size_t i = 0; i < c.rules.size(); ++i) {
    if (c.matches[i]) kept.insert(*c.matches[i]);
    if (c.matches[i] && c.whole[i]) {
      ++changes.kept;
    } else {
      changes.added.push_back(held(change.after.rules[i]));
    }
  }
  for (std::size_t i = 0; i < before.rules.size(); ++i)
    if (!kept.contains(i)) changes.removed.push_back(held(before.rules[i]));
  return changes;
}

std::vector<OwnedRule> rules_after(std::span<const policy::Rule> rules,
                                   const std::vector<std::optional<std::size_t>>& matches, const Owned& before) {
  std::uint32_t next = 1;
  for (const OwnedRule& r : before.rules) next = std::max(next, r.index + 1);
  std::vector<OwnedRule> after;
  after.reserve(rules.size());
  for (std::size_t i = 0; i < rules.size(); ++i)
    after.push_back({matches[i] ? before.rules[*matches[i]].index : next++, rules[i]});
  return after;
}

void add_policies(const XfrmPlan& plan, std::span<const XfrmPolicy> wanted, backend::RuleChanges& changes,
                  std::span<const OwnedRule> rules, const PresentPolicies& present) {
  std::map<std::uint32_t, backend::HeldRule*> added, removed;
  for (backend::HeldRule& h : changes.added) added[h.index] = &h;
  for (backend::HeldRule& h : changes.removed) removed[h.index] = &h;
  for (std::size_t i = 0; i < plan.policies.size(); ++i) {
    if (plan.policies[i].rule == kNoRule) continue;
    const auto found = added.find(rules[plan.policies[i].rule].index);
    if (found != added.end()) found->second->policies.push_back(shown(wanted[i], 0, 0));
  }
  for (const auto& [name, owner] : present.owned.policies) {
    const auto found = removed.find(owner.rule);
    const auto listed = present.policies.find(name);
    if (found != removed.end() && listed != present.policies.end() && present.owner(listed->second))
      found->second->policies.push_back(shown(listed->second.policy, listed->second.index, listed->second.last_used));
  }
}

bool differ(const Owned& a, const Owned& b) {
  const auto same = [](const OwnedRule& x, const OwnedRule& y) {
    return x.index == y.index && x.rule.line == y.rule.line && x.rule == y.rule;
  };
  return a.policies != b.policies || !std::ranges::equal(a.rules, b.rules, same);
}

void append_guards(const PresentPolicies& present, std::vector<XfrmPolicy>& to) {
  for (const auto& [name, listed] : present.policies)
    if (is_guard(name)) to.push_back(listed.policy);
}

}  // namespace

bool is_guard(const policy::XfrmPolicyName& name) { return name.selector.user == policy::kGuardUser; }

const OwnedPolicy* PresentPolicies::owner(const xfrm::ListedPolicy& listed) const {
  if (listed.of_socket || listed.sub) return nullptr;
  const auto found = owned.policies.find(listed.policy.name);
  if (found == owned.policies.end()) return nullptr;
  return found->second.index == 0 || found->second.index == listed.index ? &found->second : nullptr;
}

backend::KernelPolicy shown(const XfrmPolicy& policy, std::uint32_t index, std::uint64_t last_used) {
  return {std::string(words(policy.name.direction)), index, policy.priority, to_string(policy), last_used, policy.name};
}

Result<PolicyChange> policy_change(std::span<const policy::Rule> rules, const XfrmPlan& plan,
                                   const PresentPolicies& present) {
  if (auto foreign = check_foreign(rules, plan, present); !foreign) return std::unexpected(foreign.error());
  PolicyChange change;
  for (const auto& [name, listed] : present.policies)
    if (present.owner(listed)) change.have.push_back(listed.policy);
  const auto matches = match_rules(rules, present.owned);
  change.after.rules = rules_after(rules, matches, present.owned);
  std::vector<XfrmPolicy> have = change.have;
  Wanted wanted = number(plan, change.after.rules, have, present.owned);
  change.ahead = ahead_of(plan, wanted.policies, present);
  for (std::size_t i = 0; i < wanted.policies.size(); ++i) {
    const auto listed = present.policies.find(wanted.policies[i].name);
    const bool there = listed != present.policies.end() && present.owner(listed->second);
    const std::size_t rule = plan.policies[i].rule;
    // Somebody else keeps ::1 reachable, or does not, in a way of his own.
    if (rule == kNoRule && listed != present.policies.end() && !there) continue;
    change.after.policies[wanted.policies[i].name] = {rule == kNoRule ? 0 : change.after.rules[rule].index,
                                                      there ? listed->second.index : 0};
  }
  std::vector<XfrmPolicy> want;
  std::ranges::copy_if(wanted.policies, std::back_inserter(want),
                       [&](const XfrmPolicy& p) { return change.after.policies.contains(p.name); });
  if (!wanted.spread.empty()) change.phases.push_back(std::move(wanted.spread));
  const std::vector<bool> whole = intact(plan, rules.size(), have);
  append_guards(present, have);
  append_guards(present, change.have);
  std::ranges::move(policy::xfrm_steps(have, want), std::back_inserter(change.phases));
  change.changes = count({rules, matches, whole}, change, present.owned);
  add_policies(plan, wanted.policies, change.changes, change.after.rules, present);
  change.record_differs = differ(change.after, present.owned);
  return change;
}

}  // namespace ipseckey::kernel
