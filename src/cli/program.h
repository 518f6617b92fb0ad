#pragma once
/// The program from its arguments to its exit status, in a world that is given.
#include <string>
#include <vector>

#include "cli/session.h"
#include "cli/status.h"

namespace cli {

/// `sadb_from_environment`: the value of IPSECKEY_SADB or nullptr.
Status run_program(std::vector<std::string> arguments, const char* sadb_from_environment, World world);

}  // namespace cli
