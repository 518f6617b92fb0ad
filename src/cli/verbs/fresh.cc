// `fresh`: the keys that follow were never used before.
#include "cli/verbs/table.h"

namespace ipseckey::cli::verbs {

Status fresh(Runner& runner, const lang::Command&) {
  runner.keys_are_fresh();
  return Status::ok;
}

}  // namespace ipseckey::cli::verbs
