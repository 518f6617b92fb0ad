#pragma once
/// What the system says of an error number.
#include <string>
#include <system_error>

namespace ipsecd {

/// "Permission denied": the words for an errno value.
inline std::string text_of(int error) { return std::generic_category().message(error); }

}  // namespace ipsecd
