#pragma once
/// The ipseckey> prompt on a terminal.
#include "cli/runner.h"
#include "cli/session.h"
#include "cli/status.h"

namespace ipseckey::cli {

/// Reads and runs commands until quit or the end of input. Failures of commands do not end it and are not its status.
Status interact(Session& session, Handlers handlers);

}  // namespace ipseckey::cli
