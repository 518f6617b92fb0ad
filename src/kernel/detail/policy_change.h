#pragma once
/// What replace() must do: the plan of the rules, held against what the kernel has and what of it is ours. Nothing is
/// sent here.
#include <map>
#include <span>
#include <vector>

#include "backend/spd.h"
#include "base/result.h"
#include "kernel/detail/owned_rules.h"
#include "kernel/detail/policy_codec.h"
#include "policy/xfrm_plan.h"
#include "policy/xfrm_steps.h"

namespace ipseckey::kernel {

/// What the kernel has.
struct PresentPolicies {
  std::map<policy::XfrmPolicyName, xfrm::ListedPolicy> policies;
  std::vector<xfrm::ListedPolicy> others;  ///< Of sockets, and of the second table.
  Owned owned;

  /// The number of the rule that the policy belongs to; nullptr: it is not ours.
  const OwnedPolicy* owner(const xfrm::ListedPolicy& listed) const;
};

bool is_guard(const policy::XfrmPolicyName& name);

/// A policy of another program that a rule's packets meet first, and by which they are clear.
struct Ahead {
  std::size_t rule = 0;
  xfrm::ListedPolicy policy;
};

struct PolicyChange {
  Owned after;                           ///< Indexes of policies that are not there yet are 0.
  std::vector<policy::XfrmPolicy> have;  ///< Those of ours, with the guards of an interrupted change.
  std::vector<policy::XfrmPhase> phases;
  backend::RuleChanges changes;
  bool record_differs = false;
  std::vector<Ahead> ahead;  ///< Each rule with each such policy once.
};

/// Errors: exists, for people: another program's policy is in the way.
Result<PolicyChange> policy_change(std::span<const policy::Rule> rules, const policy::XfrmPlan& plan,
                                   const PresentPolicies& present);

/// As the rules are shown.
backend::KernelPolicy shown(const policy::XfrmPolicy& policy, std::uint32_t index, std::uint64_t last_used);

}  // namespace ipseckey::kernel
