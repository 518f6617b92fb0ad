#pragma once
/// The program from its arguments to its exit status, in a world that is given.
#include <string>
#include <vector>

#include "cli/session.h"
#include "cli/status.h"

namespace ipseckey::cli {

/// What a process is started with.
struct Invocation {
  std::string name;                    ///< argv[0]: ipsecalgs prints the algorithms, and ipsecconf is about rules.
  std::vector<std::string> arguments;  ///< What follows it.
  const char* sadb = nullptr;          ///< The value of IPSECKEY_SADB; nullptr: not set.
};

Status run_program(Invocation invocation, World world);

}  // namespace ipseckey::cli
