#pragma once
/// Name services and key files, passed in by the command: the language itself makes no system calls.
#include <cstdint>
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

/// What a name of a network means.
struct NamedNetwork {
  Address address;
  std::uint8_t length = 0;  ///< Bits; those up to the last octet that is not 0, as the database has no length.
};

struct Names {
  /// Every address of a host name, in the resolver's order, without repetition. The error says why there is none.
  std::function<Result<std::vector<Address>>(const std::string& name)> hosts;
  std::function<std::optional<std::uint8_t>(const std::string& name)> protocol;
  std::function<std::optional<std::uint16_t>(const std::string& name)> port;
  /// The key that `@REFERENCE` means. The error names the file and says why it cannot be used.
  std::function<Result<KeyText>(const std::string& reference)> key_text = {};
  /// A network that has a name (/etc/networks); empty: none has.
  std::function<std::optional<NamedNetwork>(const std::string& name)> network = {};
};

}  // namespace ipseckey::table
