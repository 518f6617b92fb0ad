// `quit`: the end of the session, or of the file.
#include "cli/verbs/table.h"

namespace ipseckey::cli::verbs {

Status quit(Runner& runner, const lang::Command&) {
  runner.quit();
  return Status::ok;
}

}  // namespace ipseckey::cli::verbs
