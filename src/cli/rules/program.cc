#include "cli/rules/program.h"

#include <fmt/format.h>

#include "cli/rules/table.h"

namespace ipseckey::cli {

Status run_rules_program(Invocation invocation, World world) {
  world.console.call_me("ipsecconf");
  auto options = parse_rule_options(std::move(invocation.arguments), invocation.sadb);
  if (!options) {
    world.console.complain(fmt::format("{}\nTry `ipsecconf --help`.", options.error().text));
    return Status::usage;
  }
  RuleSession session(std::move(*options), std::move(world));
  return kRuleHandlers.at(static_cast<std::size_t>(session.options().what)).run(session);
}

}  // namespace ipseckey::cli
