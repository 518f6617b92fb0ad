#pragma once
/// THE table of an action's attributes: tags of Solaris, and ours from 0x8000 on.
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "policy/rule.h"

namespace ipseckey::pfpolicy {

// Attributes that are part of no protection.
inline constexpr std::uint32_t kNop = 0, kEnd = 1, kEmpty = 2, kNext = 3, kType = 0x100, kFlags = 0x101;
/// Values of kType.
inline constexpr std::uint32_t kDrop = 1, kPass = 2, kIpsec = 3;
/// Bits of kFlags. kBypass: of `ipsec ... or pass`; here an alternative says it.
inline constexpr std::uint32_t kFlagAh = 1, kFlagEsp = 2, kFlagSelf = 4, kFlagUnique = 0x10, kFlagEspAuth = 0x40;

/// An algorithm, or a limit of its key's length: of the AH, the cipher or the integrity of an alternative.
struct ChoiceRow {
  std::optional<policy::Choice> policy::Protection::* of;
  std::variant<std::optional<std::uint8_t> policy::Choice::*, std::optional<std::uint16_t> policy::Choice::*> member;
};
/// An octet group of a tunnel's end: ours. Each address is four words, and one for both families.
struct EndRow {
  bool remote;
  unsigned word;
};
struct ReqidRow {};
struct SpiRow {};
struct LevelRow {};      ///< 1: `level use`.
struct EndFamilyRow {};  ///< 4 or 6.
struct IgnoredRow {};    ///< Lifetimes and what key managers offer: nothing here uses them.

struct AttributeRow {
  std::uint32_t tag;
  std::string_view name;
  std::variant<ChoiceRow, ReqidRow, SpiRow, LevelRow, EndFamilyRow, EndRow, IgnoredRow> what;
};
std::span<const AttributeRow> attributes();

}  // namespace ipseckey::pfpolicy
