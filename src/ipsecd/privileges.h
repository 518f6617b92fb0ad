#pragma once
/// Drops privileges of the daemon, once everything that needs them is open.
#include <string>

#include "base/result.h"

namespace ipseckey::ipsecd {

/// Becomes that user permanently, with only CAP_NET_ADMIN and CAP_NET_RAW; call it while there is one thread. Errors:
/// not_found (no such user), denied.
Result<void> become(const std::string& user);

/// For a daemon that stays root: drops all other capabilities, too, as far as possible. Other users keep theirs.
void keep_two_capabilities();

}  // namespace ipseckey::ipsecd
