// `help`: commands and extensions, from the tables of the language.
#include "lang/help.h"

#include "cli/verbs/table.h"

namespace ipseckey::cli::verbs {

Status help(Runner& runner, const lang::Command& command) {
  Console& console = runner.session().console();
  const std::string& topic = command.operand;
  const std::string text = topic.empty() ? lang::help_overview() : lang::help_topic(topic);
  if (!text.empty()) {
    console.out(text);
    return Status::ok;
  }
  console.complain("there is no help on that; `help` lists the commands, `help attr` the extensions");
  return Status::failed;
}

}  // namespace ipseckey::cli::verbs
