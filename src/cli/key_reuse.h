#pragma once
/// Finds encryption keys that are given twice. Keeps no key: a keyed hash of each, and where it was given.
#include <absl/container/flat_hash_map.h>
#include <absl/hash/hash.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/large_pages.h"
#include "lang/parse.h"

namespace cli {

class KeyReuse {
 public:
  KeyReuse();

  /// Remembers the encryption key of an `add`. An objection (a warning) if an earlier line has the same one: a strong
  /// one for a counter-mode cipher, where two SAs under one key and salt give their traffic away (RFC 4106 section 4).
  std::optional<lang::Objection> look_at(const lang::Command& command, std::uint32_t line);

 private:
  friend class TypedKeys;
  /// Where the key was first given, if that was not now.
  std::optional<std::uint32_t> earlier(const lang::Command& command, std::uint32_t now);
  static lang::Objection objection(const lang::Command& command, std::string_view earlier);

  std::uint64_t seed_;
  absl::flat_hash_map<std::uint64_t, std::uint32_t, absl::Hash<std::uint64_t>, std::equal_to<>,
                      LargePages<std::pair<const std::uint64_t, std::uint32_t>>>
      line_of_;
};

/// The same for the commands of a prompt, which have no lines: an earlier SA is named. The same SA typed again, after a
/// refusal for instance, is none.
class TypedKeys {
 public:
  std::optional<lang::Objection> look_at(const lang::Command& command);

 private:
  KeyReuse keys_;
  std::vector<std::string> sas_;  // "esp spi 0x1000", in the order of typing.
};

}  // namespace cli
