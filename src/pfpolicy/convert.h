#pragma once
/// Rules as messages, and back.
#include <cstdint>
#include <expected>
#include <string>

#include "pfpolicy/message.h"

namespace ipseckey::pfpolicy {

/// A rule as in ADDRULE and the replies to DUMP. The caller adds type, spd, seq, pid and the index.
Message from_rule(const policy::Rule& rule, std::uint32_t priority);

/// Why a message is not a rule.
struct NoRule {
  Diagnostic diagnostic;
  std::string remark;  ///< What was expected; empty: the diagnostic says it all.
};
/// The rule of a message that has RULE and ACTION.
std::expected<policy::Rule, NoRule> to_rule(const Message& m);
/// Only what it is about: its pattern, directions and tunnel; it has no alternatives. For DELETERULE.
std::expected<policy::Rule, NoRule> to_pattern(const Message& m);

}  // namespace ipseckey::pfpolicy
