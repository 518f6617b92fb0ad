#pragma once
/// Name services and key files, passed in by the command: the language itself makes no system calls.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/net.h"
#include "base/result.h"
#include "base/secret.h"

namespace ipseckey::table {

/// A key in a file of its own.
struct KeyText {
  SecretBuffer buffer;
  std::size_t length = 0;   ///< Of the file's first line, which is at the start of the buffer.
  std::string reservation;  ///< Why the file is not a safe place for a key; empty: it is.
};

struct Names {
  /// Every address of a host name, in the resolver's order, without repetition. The error says why there is none.
  std::function<Result<std::vector<Address>>(const std::string& name)> hosts;
  std::function<std::optional<std::uint8_t>(const std::string& name)> protocol;
  std::function<std::optional<std::uint16_t>(const std::string& name)> port;
  /// The key that `@REFERENCE` means. The error names the file and says why it cannot be used.
  std::function<Result<KeyText>(const std::string& reference)> key_text = {};
};

}  // namespace ipseckey::table
