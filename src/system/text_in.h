#pragma once
/// Small files of the kernel's, such as those in /proc.
#include <string>

namespace ipseckey {

/// All that is in the file; empty if it cannot be read.
std::string text_in(const std::string& path);

}  // namespace ipseckey
