#pragma once
/// `ipsecalgs`: the table of algorithms, and which of them the SADB at hand has.
#include "cli/session.h"
#include "cli/status.h"

namespace cli {

/// Prints the table. Without a SADB it prints "?" where that would have to answer, and says so.
Status show_algorithms(Session& session);

}  // namespace cli
