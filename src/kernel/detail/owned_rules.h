#pragma once
/// Which of the kernel's policies are ours, and which rule each belongs to: the owned record, a small file in /run. The
/// kernel keeps neither the rules nor who made a policy.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "backend/store.h"
#include "base/result.h"
#include "policy/rule.h"
#include "policy/xfrm_policy.h"

namespace ipseckey::kernel {

struct OwnedRule {
  std::uint32_t index = 0;  ///< Its number, from 1.
  policy::Rule rule;
};

struct OwnedPolicy {
  std::uint32_t rule = 0;   ///< Its number; 0: it keeps ::1 reachable.
  std::uint32_t index = 0;  ///< The kernel's; 0: a change was begun, and whether the kernel has it is not known.
  bool operator==(const OwnedPolicy&) const = default;
};

struct Owned {
  std::vector<OwnedRule> rules;  ///< The first to be tried first.
  std::map<policy::XfrmPolicyName, OwnedPolicy> policies;
};

class OwnedRules {
 public:
  explicit OwnedRules(std::string path);

  /// What is owned in the SADB of that name (SadbPlace::name); nothing if the file is about another one.
  Result<Owned> read(const std::string& place);
  /// Replaces all of it, in one transaction.
  Result<void> write(const std::string& place, const Owned& owned);

 private:
  backend::Store store_;
};

/// The file for this process's network namespace: /run/ipseckey/policies-NUMBER.db.
std::string owned_rules_path();

}  // namespace ipseckey::kernel
