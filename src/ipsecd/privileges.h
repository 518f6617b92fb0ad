#pragma once
/// Less power for the daemon, once everything that needs it is open.
#include <string>

#include "base/result.h"

namespace ipseckey::ipsecd {

/// Becomes that user, with only CAP_NET_ADMIN and CAP_NET_RAW, for good; to be called while there is one thread.
/// Errors: not_found (no such user), denied.
Result<void> become(const std::string& user);

/// A daemon that stays root drops all other capabilities too, as far as it may. Others keep theirs.
void keep_two_capabilities();

}  // namespace ipseckey::ipsecd
