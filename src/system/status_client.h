#pragma once
/// The client of the Unix stream socket on which ipsecd reports its status: one request line, one answer.
#include <string>
#include <string_view>

#include "base/result.h"

namespace ipseckey {

/// Asks the ipsecd behind a status socket. `how`: "text", "json", or "leaving": how packets leave, a line for each way.
/// Errors: unreachable, denied, timeout, io.
Result<std::string> ask_status(const std::string& path, std::string_view how);

/// The path of the status socket beside a PF_KEY socket: PATH.status.
inline std::string status_path(const std::string& pfkey_path) { return pfkey_path + ".status"; }

}  // namespace ipseckey
