#pragma once
/// THE table of what ipsecconf does: each RuleDo, and the function that carries it out, in a file of its own.
#include <array>

#include "cli/rules/session.h"

namespace ipseckey::cli {

namespace rules {
Status add(RuleSession& session);  ///< And apply.
Status check(RuleSession& session);
Status doctor(RuleSession& session);
Status explain(RuleSession& session);
Status flush(RuleSession& session);  ///< And flush_all and unload.
Status help(RuleSession& session);   ///< And version.
Status list(RuleSession& session);   ///< Show, list and list_all.
Status monitor(RuleSession& session);
Status prove(RuleSession& session);
Status remove(RuleSession& session);  ///< And remove_file.
}  // namespace rules

struct RuleHandler {
  RuleDo what;
  Status (*run)(RuleSession& session);
};

inline constexpr std::array kRuleHandlers = {
    RuleHandler{RuleDo::show, rules::list},          RuleHandler{RuleDo::add, rules::add},
    RuleHandler{RuleDo::check, rules::check},        RuleHandler{RuleDo::apply, rules::add},
    RuleHandler{RuleDo::unload, rules::flush},       RuleHandler{RuleDo::flush, rules::flush},
    RuleHandler{RuleDo::flush_all, rules::flush},    RuleHandler{RuleDo::remove, rules::remove},
    RuleHandler{RuleDo::remove_file, rules::remove}, RuleHandler{RuleDo::list, rules::list},
    RuleHandler{RuleDo::list_all, rules::list},      RuleHandler{RuleDo::explain, rules::explain},
    RuleHandler{RuleDo::doctor, rules::doctor},      RuleHandler{RuleDo::monitor, rules::monitor},
    RuleHandler{RuleDo::prove, rules::prove},        RuleHandler{RuleDo::help, rules::help},
    RuleHandler{RuleDo::version, rules::help},
};

consteval bool one_for_each_rule_do() {
  for (std::size_t i = 0; i < kRuleHandlers.size(); ++i)
    if (static_cast<std::size_t>(kRuleHandlers[i].what) != i) return false;
  return kRuleHandlers.size() == static_cast<std::size_t>(RuleDo::version) + 1;
}
static_assert(one_for_each_rule_do(), "one row for each RuleDo, in its order");

}  // namespace ipseckey::cli
