#pragma once
/// Finds encryption keys that are given twice. Keeps no key: a keyed hash of each, and where it was given.
///
/// In two steps, because the table of a big file is in no cache: note() asks for the memory, look_for() reads it once
/// the command's messages have been made. In one step a check of a million lines takes 11 % longer (`ipseckey -c` of
/// bench/make_keys 1000000, alternately, median of 12, Xeon, g++ 12).
#include <absl/container/flat_hash_map.h>
#include <absl/hash/hash.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/large_pages.h"
#include "lang/parse.h"

namespace ipseckey::cli {

class KeyReuse {
 public:
  KeyReuse();

  /// A hint: how many keys to expect, about. A table that does not grow takes less time.
  void expect(std::size_t keys) { line_of_.reserve(keys); }

  /// An encryption key that a line gives.
  struct Given {
    std::uint64_t hash;  ///< Keyed.
    std::uint8_t cipher;
    std::uint32_t line;
  };
  /// The key of an `add`, or of an `update` that completes a larval SA, if it has one. It is not remembered yet;
  /// look_for() is fast a little later, when the memory that it needs has come: that of a big file is not in the cache.
  std::optional<Given> note(const lang::Command& command, std::uint32_t line) const;

  /// Remembers the key. An objection (a warning) if an earlier line has the same one: a strong one for a counter-mode
  /// cipher, where two SAs with one key and salt reveal their traffic (RFC 4106 section 4).
  std::optional<lang::Objection> look_for(const Given& given);

 private:
  friend class TypedKeys;
  /// Where the key was first given, if that was not now.
  std::optional<std::uint32_t> earlier(const Given& given);
  static lang::Objection objection(const Given& given, std::string_view earlier);

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

}  // namespace ipseckey::cli
