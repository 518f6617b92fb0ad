#pragma once
/// `load`: the commands of a file, or of standard input.
#include <string>

#include "cli/files.h"
#include "cli/runner.h"

namespace ipseckey::cli {

/// Runs (of a check: checks) the commands of `path`; "-": of standard input. Errors have been printed.
Status load_file(Session& session, Handlers handlers, const std::string& path, lang::Where where,
                 Pipes pipes = Pipes::nameless);

}  // namespace ipseckey::cli
