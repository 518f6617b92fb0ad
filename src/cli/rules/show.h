#pragma once
/// Rules as people and programs see them.
#include <span>
#include <string>
#include <string_view>

#include "backend/spd.h"
#include "base/json.h"

namespace ipseckey::cli {

/// A file that reads back as these rules, an entry a line: its order, a comment with the index before each, those of
/// other programs as comments. `verbose`: also the policies of each rule in the kernel. `now`: seconds since 1970.
std::string rules_text(std::span<const backend::HeldRule> rules, bool verbose, std::uint64_t now);

/// "add    #3 { ... } drop {}".
std::string change_line(std::string_view action, const backend::HeldRule& rule);

/// "drop   #3 2 out: a rule says drop (explicit)": packets that it dropped, in that direction, and why.
std::string drop_line(const backend::HeldRule& rule, std::string_view direction, std::uint64_t packets,
                      std::string_view why);

/// A rule as an object of that kind.
JsonObject rule_json(const backend::HeldRule& rule, std::string_view sadb, std::string_view kind);

}  // namespace ipseckey::cli
