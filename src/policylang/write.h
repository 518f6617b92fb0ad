#pragma once
/// Rules as text that read_policy() reads as the same rules.
#include <string>

#include "policy/rule.h"

namespace ipseckey::policylang {

/// One entry in the new style, addresses and protocols as numbers, without a newline.
std::string write_rule(const policy::Rule& rule);

/// An entry a line.
std::string write_rules(const policy::Rules& rules);

}  // namespace ipseckey::policylang
