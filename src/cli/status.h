#pragma once
/// The exit status of ipseckey. Each number means one thing.
#include <span>
#include <string_view>

#include "base/result.h"

namespace ipseckey::cli {

enum class Status : int {
  ok = 0,
  failed = 1,          ///< At least one command is wrong, or was refused by the SADB.
  usage = 2,           ///< The options or operands are wrong; nothing was done.
  no_sadb = 3,         ///< No SADB could be reached, or it stopped answering.
  file = 4,            ///< A file could not be read or written.
  busy = 75,           ///< Another apply is running on this SADB; nothing was done (EX_TEMPFAIL).
  bad_file = 95,       ///< --service: the file is wrong or open to others; nothing was changed.
  no_privilege = 100,  ///< --service: this user lacks the permission.
};

/// One status as help and the manual page show it.
struct StatusText {
  Status status;
  std::string_view meaning;
};
/// Every status, in the order of the numbers.
std::span<const StatusText> statuses();

/// The worse of two, in the order ok, busy, failed, usage, file, bad_file, no_sadb, no_privilege.
Status worse(Status a, Status b);

/// What an Error means for the exit status.
Status status_of(Errc code);

}  // namespace ipseckey::cli
