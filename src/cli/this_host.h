#pragma once
/// What is known of the host that the program runs on.
#include "base/instant.h"
#include "cli/misplaced.h"

namespace ipseckey::cli {

/// This host as it is now: each fact is asked of the system when it is first needed, once. It counts as forwarding a
/// family if it does so on any interface, or if that cannot be read.
HostFacts this_host(Instant now);

}  // namespace ipseckey::cli
