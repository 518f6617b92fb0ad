#pragma once
/// `ipsecconf`: the program under that name, from its arguments to its exit status.
#include "cli/program.h"

namespace ipseckey::cli {

Status run_rules_program(Invocation invocation, World world);

}  // namespace ipseckey::cli
