// `quit`: the end of the session, or of the file.
#include "cli/verbs/table.h"

namespace cli::verbs {

Status quit(Runner& runner, const lang::Command&) {
  runner.quit();
  return Status::ok;
}

}  // namespace cli::verbs
