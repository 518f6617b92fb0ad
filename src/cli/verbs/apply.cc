// `apply` and `unload`: a file as the desired state of the SADB.
#include "cli/apply.h"

#include "cli/verbs/table.h"

namespace ipseckey::cli::verbs {

Status apply(Runner& runner, const lang::Command& command) {
  return apply_file(runner.session(), runner.handlers(),
                    {.file = command.operand,
                     .dry_run = command.has("--dry-run"),
                     .all = command.has("--all"),
                     .flush_first = command.has("--flush-first"),
                     .owner = command.owner,
                     .unload = command.row->verb == lang::Verb::unload});
}

}  // namespace ipseckey::cli::verbs
