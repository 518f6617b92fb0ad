#pragma once
/// Small files of the kernel, such as those in /proc.
#include <string>

namespace ipseckey {

/// The contents of the file; empty if it cannot be read.
std::string text_in(const std::string& path);

}  // namespace ipseckey
