// The order of the steps. A policy is weak if a packet can be clear by it, else strong (XfrmPolicy::strong()).
// 1. Weak ones that go, or move behind others, do so first: then nothing weak is ahead of its final place.
// 2. Strong ones come, or move before others: then every packet that is protected in the end meets its policy, or one
//    that protected it before.
// 3. Strong ones go or move behind others.
// 4. Weak ones come, or move before others.
// Thus a packet whose first policy is strong before and after meets a strong one all the time. Guards block what a
// protection that goes was about, behind all rules: should the program end in the middle, or the kernel refuse a
// request, packets stop instead of leaving in clear. Guards that such a change left behind stay until the end of the
// next one, and if that one is undone, for good.
// Where nothing is protected before, or nothing is added that protects, the weak ones come earlier, so that clear
// packets are not stopped for a moment.
#include "policy/xfrm_steps.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <ranges>
#include <set>

#include "policy/xfrm_priorities.h"

namespace ipseckey::policy {
namespace {

using Kind = XfrmStep::Kind;

struct Phases {
  XfrmPhase weak_back, strong_forward, strong_back, weak_forward;
};

Phases phases_of(std::span<const XfrmPolicy> have, std::span<const XfrmPolicy> want) {
  std::map<XfrmPolicyName, const XfrmPolicy*> held;
  for (const XfrmPolicy& h : have) held.emplace(h.name, &h);
  Phases p;
  for (const XfrmPolicy& w : want) {
    const auto found = held.find(w.name);
    if (found == held.end()) {
      (w.strong() ? p.strong_forward : p.weak_forward).push_back({Kind::add, w});
      continue;
    }
    const XfrmPolicy& h = *found->second;
    held.erase(found);
    if (h == w) continue;
    const bool back = w.priority > h.priority;
    XfrmPhase* const phase = !w.strong()            ? (back && !h.strong() ? &p.weak_back : &p.weak_forward)
                             : (back && h.strong()) ? &p.strong_back
                                                    : &p.strong_forward;
    phase->push_back({Kind::update, w});
  }
  for (const auto& [name, h] : held) (h->strong() ? p.strong_back : p.weak_back).push_back({Kind::remove, *h});
  return p;
}

void append(XfrmPhase& to, XfrmPhase&& more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// What is tried first comes first, so that a packet meets its own policy before a wider one.
void sort_forward(XfrmPhase& phase) {
  std::ranges::stable_sort(phase, {}, [](const XfrmStep& s) { return s.policy.priority; });
}
void sort_back(XfrmPhase& phase) {
  std::ranges::stable_sort(phase, std::greater(), [](const XfrmStep& s) { return s.policy.priority; });
}

bool is_guard(const XfrmPolicy& p) { return p.name.selector.user == kGuardUser; }

std::vector<XfrmPolicy> only(std::span<const XfrmPolicy> list, bool guards) {
  std::vector<XfrmPolicy> some;
  std::ranges::copy_if(list, std::back_inserter(some), [&](const XfrmPolicy& p) { return is_guard(p) == guards; });
  return some;
}

std::vector<XfrmPolicy> guards_for(const XfrmPhase& going) {
  std::vector<XfrmPolicy> list;
  for (const XfrmStep& step : going) {
    if (step.kind != Kind::remove || step.policy.block) continue;
    XfrmPolicy& guard = list.emplace_back();
    guard.name = step.policy.name;
    guard.name.selector.user = kGuardUser;
    guard.block = true, guard.priority = kGuardPriority;
  }
  return list;
}

// Of the first list what the second does not have.
XfrmPhase lacking(Kind kind, std::span<const XfrmPolicy> list, std::span<const XfrmPolicy> other) {
  std::set<XfrmPolicyName> names;
  for (const XfrmPolicy& p : other) names.insert(p.name);
  XfrmPhase phase;
  for (const XfrmPolicy& p : list)
    if (names.insert(p.name).second) phase.push_back({kind, p});
  return phase;
}

}  // namespace

std::vector<XfrmPhase> xfrm_steps(std::span<const XfrmPolicy> have, std::span<const XfrmPolicy> want) {
  Phases p = phases_of(only(have, false), only(want, false));
  const bool strong_before = std::ranges::any_of(have, &XfrmPolicy::strong);
  const bool strong_after = std::ranges::any_of(want, &XfrmPolicy::strong);
  const std::vector<XfrmPolicy> old_guards = only(have, true), left_guards = only(want, true);
  std::vector<XfrmPolicy> guards = left_guards;
  if (strong_after && !(p.strong_forward.empty() && p.weak_forward.empty()))
    std::ranges::copy(guards_for(p.strong_back), std::back_inserter(guards));
  XfrmPhase guard = lacking(Kind::add, guards, old_guards);
  std::ranges::copy(old_guards, std::back_inserter(guards));
  XfrmPhase unguard = lacking(Kind::remove, guards, left_guards);
  std::vector<XfrmPhase> list;
  if (!strong_before) append(p.strong_forward, std::exchange(p.weak_forward, {}));
  if (!strong_after) append(p.strong_back, std::exchange(p.weak_back, {}));
  XfrmPhase early;
  if (p.strong_forward.empty()) early = std::exchange(p.weak_forward, {});
  for (XfrmPhase* phase : {&p.weak_back, &p.strong_back}) sort_back(*phase);
  for (XfrmPhase* phase : {&p.strong_forward, &p.weak_forward, &early}) sort_forward(*phase);
  for (XfrmPhase* phase : {&guard, &p.weak_back, &p.strong_forward, &early, &p.strong_back, &p.weak_forward, &unguard})
    if (!phase->empty()) list.push_back(std::move(*phase));
  return list;
}

XfrmPhase respaced(std::span<const XfrmPolicy> have) {
  std::map<std::uint32_t, std::uint32_t> numbers;
  for (const XfrmPolicy& h : have)
    if (h.priority > kFirstPriority && h.priority < kGuardPriority) numbers[h.priority] = 0;
  const std::vector<std::uint32_t> fresh = spread(numbers.size());
  for (std::size_t i = 0; auto& [old, now] : numbers) now = fresh[i++];
  XfrmPhase forward, back;
  for (const XfrmPolicy& h : have) {
    const auto number = numbers.find(h.priority);
    if (number == numbers.end() || number->second == h.priority) continue;
    XfrmStep step{Kind::update, h};
    step.policy.priority = number->second;
    (number->second > h.priority ? back : forward).push_back(std::move(step));
  }
  // Of those that move back the last goes first, and of the others the first, so that none passes another.
  sort_back(back);
  sort_forward(forward);
  append(back, std::move(forward));
  return back;
}

}  // namespace ipseckey::policy
