// `fresh`: the keys that follow have never been used.
#include "cli/verbs/table.h"

namespace ipseckey::cli::verbs {

Status fresh(Runner& runner, const lang::Command&) {
  runner.keys_are_fresh();
  return Status::ok;
}

}  // namespace ipseckey::cli::verbs
