#pragma once
/// The text of an error number.
#include <string>
#include <system_error>

namespace ipseckey {

/// "Permission denied": the words for an errno value, in English.
inline std::string errno_text(int error) { return std::generic_category().message(error); }

}  // namespace ipseckey
