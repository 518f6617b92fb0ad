#pragma once
/// Finds encryption keys that stand twice in a file. Keeps no key: a keyed hash of each, and its line.
#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <optional>

#include "lang/parse.h"

namespace cli {

class KeyReuse {
 public:
  KeyReuse();

  /// Remembers the encryption key of an `add`. An objection (a warning) if an earlier line has the same one: a strong
  /// one for a counter-mode cipher, where two SAs under one key and salt give their traffic away (RFC 4106 section 4).
  std::optional<lang::Objection> look_at(const lang::Command& command, std::uint32_t line);

 private:
  std::uint64_t seed_;
  absl::flat_hash_map<std::uint64_t, std::uint32_t> line_of_;
};

}  // namespace cli
