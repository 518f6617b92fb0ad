#pragma once
/// THE table of PF_KEY extensions: number, names, place in Message and the diagnostics for its faults.
#include <cstdint>
#include <span>
#include <string_view>

#include "pfkey/diagnostics.h"
#include "pfkey/message.h"

namespace pfkey {

struct Extension {
  std::uint16_t id;       ///< sadb_ext_type.
  std::string_view name;  ///< As in RFC 2367 or Solaris, prefix SADB_EXT_ or SADB_X_EXT_ left out.
  Slot slot;
  Diagnostic duplicate;  ///< When it stands twice; none: plain EINVAL.
  Diagnostic malformed;  ///< When it is short or has a bad value.
  // What is shown of one of ours; empty: print.cc and json.cc know another way.
  std::string_view json = {};   ///< Its member.
  std::string_view label = {};  ///< The label of its line.
  std::string_view text = {};   ///< The line, with {} for each number of the value.
};

/// In the order in which messages carry them.
std::span<const Extension> extensions();

inline constexpr std::uint16_t kExtensionMax = 28;         ///< The highest number of the Solaris dialect.
inline constexpr std::uint16_t kOwnExtensionFirst = 0x80;  ///< Numbers from here on are ours.

}  // namespace pfkey
