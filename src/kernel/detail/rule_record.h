#pragma once
/// A rule, and the name of a policy, as bytes of the owned record: exact, where the kernel's policies say less.
#include <optional>
#include <string>

#include "policy/rule.h"
#include "policy/xfrm_policy.h"

namespace ipseckey::kernel {

/// Without its line.
std::string record_of(const policy::Rule& rule);
std::string record_of(const policy::XfrmPolicyName& name);

/// nullopt: these are not the bytes of one.
std::optional<policy::Rule> rule_of(const std::string& record);
std::optional<policy::XfrmPolicyName> name_of(const std::string& record);

}  // namespace ipseckey::kernel
