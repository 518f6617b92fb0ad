#pragma once
/// `ipsecalgs`: the table of algorithms, and which of them the SADB at hand has.
#include <cstdint>
#include <functional>

#include "backend/backend.h"
#include "cli/session.h"
#include "cli/status.h"
#include "pfkey/algorithms.h"

namespace ipseckey::cli {

/// Which algorithms that SADB says it has; an empty function: it does not say. `pid`: of this process.
std::function<bool(const pfkey::Algorithm&)> usable_in(backend::Backend& sadb, std::uint32_t pid);

/// Prints the table. Without a SADB it prints "?" where only a SADB could answer, and says so.
Status show_algorithms(Session& session);

}  // namespace ipseckey::cli
