#pragma once
/// Keys in files of their own: `authkey @FILE`.
#include <functional>
#include <string>

#include "base/bytes.h"
#include "cli/files.h"
#include "lang/language.h"

namespace ipseckey::cli {

/// Where `@REFERENCE` is looked for.
struct KeyFolder {
  std::string commands;  ///< The file of commands, beside which relative names are; "-" or empty: the working folder.
  std::string credentials;  ///< Where the service manager puts credentials, for `@cred:NAME`; empty: nowhere.
  Care care = Care::warn;
};

/// The first line of the file, without blanks around it. It passes only through locked memory.
Result<lang::KeyText> read_key_file(const std::string& reference, const KeyFolder& folder);

/// Fills the octets with random ones, or returns why it cannot.
using Random = std::function<Result<void>(MutableBytes)>;

/// Fills `out` from the kernel's random source; waits, early after boot, until it is ready.
Result<void> kernel_random(MutableBytes out);

}  // namespace ipseckey::cli
