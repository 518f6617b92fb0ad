#pragma once
/// What this host's database counts, and where its packets come and go.
#include <string>
#include <vector>

#include "base/result.h"
#include "prove/facts.h"

namespace ipseckey::probe {

struct Local {
  prove::Database database = prove::Database::other;
  std::string device;  ///< Of ipsecd; empty: none.
  prove::Counters dropped;
};

/// Of the database of that name (Spd::name()): the kernel's counters, or those that an ipsecd has beside its socket.
/// What cannot be read is left out. Error: unreachable, denied: an ipsecd does not answer.
Result<Local> read_local(const std::string& database);

}  // namespace ipseckey::probe
