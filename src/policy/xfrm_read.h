#pragma once
/// From a policy of the kernel to a rule: for those that other programs made.
#include <string>
#include <vector>

#include "policy/rule.h"
#include "policy/xfrm_policy.h"

namespace ipseckey::policy {

struct ReadRule {
  Rule rule;
  std::vector<std::string> remarks;  ///< What the rule cannot say about the policy.
  bool demands_more = false;         ///< Some of that is about the SAs that it demands.
};

/// The rule that is closest to the policy, in its one direction.
ReadRule read_xfrm(const XfrmPolicy& policy);

}  // namespace ipseckey::policy
