#include <fmt/format.h>

#include "cli/rules/table.h"

namespace ipseckey::cli {

Status rules::help(RuleSession& session) {
  session.console().out(session.options().what == RuleDo::help ? rule_usage()
                                                               : fmt::format("ipsecconf {}\n", IPSECKEY_VERSION));
  return Status::ok;
}

}  // namespace ipseckey::cli
