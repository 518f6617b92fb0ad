// Priorities, and the order of changes: after every request, what is protected before and after is not clear.
#include "policy/xfrm_steps.h"

#include <gmock/gmock.h>

#include <map>
#include <random>
#include <set>

#include "policy/testing.h"
#include "policy/xfrm_priorities.h"

namespace ipseckey::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Old = std::vector<std::optional<std::uint32_t>>;
using Kind = XfrmStep::Kind;

constexpr std::uint32_t kAt = kFirstPriority;

TEST(Priorities, RulesThatAreNewAreAStepApart) {
  const Numbering n = priorities(Old(3));
  EXPECT_THAT(n.numbers, ElementsAre(kAt + 0x400, kAt + 0x800, kAt + 0xc00));
  EXPECT_FALSE(n.from_scratch);
}

TEST(Priorities, ARuleBetweenOthersChangesNone) {
  EXPECT_THAT(priorities(Old{kAt + 0x400, {}, kAt + 0x800}).numbers,
              ElementsAre(kAt + 0x400, kAt + 0x600, kAt + 0x800));
  EXPECT_THAT(priorities(Old{{}, kAt + 0x400}).numbers, ElementsAre(kAt + 0x200, kAt + 0x400));
  EXPECT_THAT(priorities(Old{kAt + 0x400, {}}).numbers, ElementsAre(kAt + 0x400, kAt + 0x800));
}

TEST(Priorities, OfRulesThatChangePlacesMostStay) {
  EXPECT_THAT(priorities(Old{kAt + 0x1000, kAt + 0x400, kAt + 0x800}).numbers,
              ElementsAre(kAt + 0x200, kAt + 0x400, kAt + 0x800));
}

TEST(Priorities, WithoutRoomAllAreNumberedFromScratch) {
  const Numbering n = priorities(Old{kAt + 1, {}, kAt + 2});
  EXPECT_TRUE(n.from_scratch);
  EXPECT_THAT(n.numbers, ElementsAre(kAt + 0x3c0000, kAt + 0x780000, kAt + 0xb40000));
}

TEST(Priorities, NumbersThatAreNotOursDoNotStay) {
  EXPECT_THAT(priorities(Old{5, kGuardPriority}).numbers, ElementsAre(kAt + 0x400, kAt + 0x800));
}

// ---- steps

XfrmPolicy policy(unsigned host, std::uint32_t priority, Action action) {
  XfrmPolicy p;
  p.name.selector.source = testing::prefix("0.0.0.0/0");
  p.name.selector.destination = {*parse_address("10.0.0." + std::to_string(host)), 32};
  p.priority = priority, p.block = action == Action::drop;
  if (action == Action::ipsec) p.templates.emplace_back().protocol = kProtoEsp;
  return p;
}

std::vector<std::string> texts(const std::vector<XfrmPhase>& phases) {
  std::vector<std::string> list;
  for (const XfrmPhase& phase : phases) {
    std::string text;
    for (const XfrmStep& s : phase) {
      constexpr std::array<std::string_view, 3> kKinds = {"+", "=", "-"};
      text += text.empty() ? "" : " ";
      text += kKinds[static_cast<std::size_t>(s.kind)];
      text += to_string(s.policy.name.selector.destination.address).substr(7);
      text += s.policy.name.selector.user == kGuardUser ? " guard" : "";
    }
    list.push_back(text);
  }
  return list;
}

TEST(XfrmSteps, NothingIsDoneWhereNothingChanges) {
  const std::vector<XfrmPolicy> have = {policy(1, 1, Action::ipsec), policy(2, 2, Action::pass)};
  EXPECT_THAT(xfrm_steps(have, have), IsEmpty());
}

TEST(XfrmSteps, AFirstLoadFollowsThePrioritiesAndNeedsNoGuard) {
  EXPECT_THAT(texts(xfrm_steps({}, std::vector{policy(1, 3, Action::drop), policy(2, 1, Action::pass),
                                               policy(3, 2, Action::ipsec)})),
              ElementsAre("+2 +3 +1"));
}

TEST(XfrmSteps, UnloadingGoesBackwards) {
  EXPECT_THAT(
      texts(xfrm_steps(std::vector{policy(1, 3, Action::drop), policy(2, 1, Action::pass), policy(3, 2, Action::ipsec)},
                       {})),
      ElementsAre("-1 -3 -2"));
}

TEST(XfrmSteps, ProtectionComesBeforeWhatItReplacesGoesUnderAGuard) {
  const std::vector<XfrmPolicy> have = {policy(1, 1, Action::ipsec), policy(2, 2, Action::pass)};
  const std::vector<XfrmPolicy> want = {policy(3, 1, Action::ipsec), policy(4, 2, Action::pass)};
  EXPECT_THAT(texts(xfrm_steps(have, want)), ElementsAre("+1 guard", "-2", "+3", "-1", "+4", "-1 guard"));
  const XfrmPolicy guard = xfrm_steps(have, want)[0][0].policy;
  EXPECT_TRUE(guard.block);
  EXPECT_EQ(guard.priority, kGuardPriority);
  EXPECT_THAT(guard.templates, IsEmpty());
}

TEST(XfrmSteps, APolicyOfTheSameNameIsUpdated) {
  EXPECT_THAT(texts(xfrm_steps(std::vector{policy(1, 1, Action::pass)}, std::vector{policy(1, 1, Action::ipsec)})),
              ElementsAre("=1"));
}

XfrmPolicy guard(unsigned host) {
  XfrmPolicy p = policy(host, kGuardPriority, Action::drop);
  p.name.selector.user = kGuardUser;
  return p;
}

TEST(XfrmSteps, GuardsOfAnInterruptedChangeStayUntilTheEndOfTheNext) {
  const std::vector<XfrmPolicy> have = {policy(1, 1, Action::ipsec), guard(1), guard(2)};
  EXPECT_THAT(texts(xfrm_steps(have, std::vector{policy(3, 1, Action::ipsec)})),
              ElementsAre("+3", "-1", "-1 guard -2 guard"));
  EXPECT_THAT(texts(xfrm_steps(have, {})), ElementsAre("-1", "-1 guard -2 guard"));
  // Taken back, it ends with those guards again, and with no others.
  const std::vector<XfrmPolicy> now = {policy(3, 1, Action::ipsec), guard(2), guard(3)};
  EXPECT_THAT(texts(xfrm_steps(now, have)), ElementsAre("+1 guard", "+1", "-3", "-3 guard"));
}

// All policies here fit the one packet, so the smallest number wins.
bool protects(const std::map<XfrmPolicyName, XfrmPolicy>& table) {
  const XfrmPolicy* first = nullptr;
  for (const auto& [name, p] : table)
    if (!first || p.priority < first->priority) first = &p;
  return first && first->strong();
}

std::vector<XfrmPolicy> random_table(std::mt19937& random) {
  std::vector<XfrmPolicy> table;
  std::vector<std::uint32_t> numbers(12);
  for (std::uint32_t i = 0; i < numbers.size(); ++i) numbers[i] = kAt + 1 + i;
  std::ranges::shuffle(numbers, random);
  constexpr std::array kActions = {Action::pass, Action::ipsec, Action::drop};
  for (unsigned host = 1; host <= 6; ++host)
    if (random() % 3 != 0) table.push_back(policy(host, numbers[host], kActions[random() % 3]));
  return table;
}

void add_guards(std::vector<XfrmPolicy>& table, std::mt19937& random) {
  for (unsigned host = 1; host <= 6; ++host)
    if (random() % 6 == 0) table.push_back(guard(host));
}

// Requests one after another; returns whether the packet was clear after one of them.
bool clear_meanwhile(const std::vector<XfrmPolicy>& have, const std::vector<XfrmPhase>& phases,
                     std::map<XfrmPolicyName, XfrmPolicy>& table) {
  for (const XfrmPolicy& h : have) table[h.name] = h;
  bool clear = !protects(table);
  for (const XfrmPhase& phase : phases)
    for (const XfrmStep& s : phase) {
      EXPECT_EQ(table.contains(s.policy.name), s.kind != Kind::add);
      if (s.kind == Kind::remove) {
        table.erase(s.policy.name);
      } else {
        table[s.policy.name] = s.policy;
      }
      clear = clear || !protects(table);
    }
  return clear;
}

TEST(XfrmSteps, WhatIsProtectedBeforeAndAfterIsNeverClear) {
  std::mt19937 random(1);
  unsigned tried = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::vector<XfrmPolicy> have = random_table(random), want = random_table(random);
    if (i % 4 == 1 || i % 4 == 3) add_guards(have, random);  // Of an interrupted change.
    if (i % 4 == 2 || i % 4 == 3) add_guards(want, random);  // A change is taken back that began with guards.
    std::map<XfrmPolicyName, XfrmPolicy> table, wanted;
    for (const XfrmPolicy& w : want) wanted[w.name] = w;
    const bool clear = clear_meanwhile(have, xfrm_steps(have, want), table);
    ASSERT_EQ(table, wanted);
    std::map<XfrmPolicyName, XfrmPolicy> before;
    for (const XfrmPolicy& h : have) before[h.name] = h;
    if (!protects(before) || !protects(wanted)) continue;
    ++tried;
    ASSERT_FALSE(clear) << i;
  }
  EXPECT_GT(tried, 3000u);
}

TEST(XfrmSteps, RespacingNeverChangesWhichOfTwoComesFirst) {
  std::mt19937 random(2);
  for (int i = 0; i < 2'000; ++i) {
    std::vector<XfrmPolicy> have;
    std::set<std::uint32_t> numbers;
    while (numbers.size() < 8)
      numbers.insert(kAt + 1 + static_cast<std::uint32_t>(random()) % (kGuardPriority - kAt - 1));
    unsigned host = 0;
    for (const std::uint32_t n : numbers) have.push_back(policy(++host, n, Action::ipsec));
    for (const XfrmStep& s : respaced(have)) {
      std::ranges::find(have, s.policy.name, &XfrmPolicy::name)->priority = s.policy.priority;
      ASSERT_TRUE(std::ranges::is_sorted(have, {}, &XfrmPolicy::priority));
    }
    const std::vector<std::uint32_t> even = spread(8);
    for (std::size_t k = 0; k < have.size(); ++k) ASSERT_EQ(have[k].priority, even[k]);
  }
}

}  // namespace
}  // namespace ipseckey::policy
