#pragma once
/// What a person should know about rules that are in order: which are never used, which another order would change,
/// what the database cannot do, and what the SAs that there are make of them.
#include <span>

#include "cli/rules/file.h"
#include "policy/order.h"

namespace ipseckey::cli {

/// Rules that are never used, and packets that should have been guarded. `orders`: also each pair of rules on which the
/// two orders disagree.
void find_oddities(RuleFile& file, std::span<const policy::Rule> rules, policy::Order by,
                   std::span<const policy::Guard> guards, bool orders);

/// What the database says about the rules. The Error means that it could not be asked.
Result<void> ask_database(RuleFile& file, std::span<const policy::Rule> rules, backend::Spd& spd);

/// What another program's rules expose: an error for each of the file's rules, with `force` a warning. `tried`: all
/// rules that the database will hold. The Error means that the database could not be asked.
Result<void> find_exposed(RuleFile& file, std::span<const policy::Rule> tried, backend::Spd& spd, bool force);

/// Compares the rules with the SAs of the database: a rule that they break is an error, with `force` a warning, and one
/// that no SA serves a warning.
void judge_rules(RuleFile& file, std::span<const policy::Rule> rules, const RuleSession::Sas& sas, bool force);

/// "esp SA spi 0x1001 dst 192.0.2.2".
std::string name_of(const policy::HeldSa& sa, pfkey::SaType type);

/// The line for a file of keys that adds an SA as an alternative of the rule demands it; placeholders in capitals.
/// `flow`: a packet that it is for, whose addresses are named; nullptr: any.
std::string command_for(const policy::Rule& rule, policy::Direction direction, const policy::Need& need,
                        const policy::Flow* flow = nullptr);

}  // namespace ipseckey::cli
