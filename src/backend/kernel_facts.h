#pragma once
/// What this kernel can do for IPsec, as far as that shows without changing anything.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace backend {

/// Why the kernel is no SADB, with the command that mends it; empty: ESP or AH is there, or its module is.
std::string kernel_lacks();

/// Whether something of the kernel can be used.
enum class Presence : std::uint8_t {
  there,     ///< Built in, or its module is loaded.
  loadable,  ///< Its module can be loaded.
  missing,
};

/// A module by its name, `_` and `-` alike.
Presence module_presence(std::string_view name);

/// The names of /proc/crypto that are ready to use.
std::vector<std::string> crypto_names();

/// A line of a file, or "" if it cannot be read.
std::string first_line(const std::string& path);

}  // namespace backend
