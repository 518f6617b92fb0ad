#pragma once
/// THE tables of this language: a row for each keyword of a pattern, for each property, and for each action.
#include <span>
#include <string_view>

#include "policylang/record.h"
#include "policylang/syntax.h"
#include "table/language.h"
#include "table/pairs.h"
#include "table/record.h"

namespace ipseckey::policylang {

/// Which keywords may be in one entry. Old: source and destination, one direction. New: local and remote. Ours: either,
/// but Solaris does not have it.
enum class Style : std::uint8_t { either, old_one, new_one, ours };

/// Entries, for Row::used: patterns, and the properties of an action by what it does.
inline constexpr table::Uses kPattern = 1, kIpsec = 2, kPass = 4, kDrop = 8, kEveryAction = kIpsec | kPass | kDrop;

template <class Record, class... Types>
struct RowOf : table::Row {
  using Slot = table::Slot<Record, Types...>;

  template <class T>
  constexpr RowOf(std::string_view its_names, std::optional<T> Record::* member, table::Uses used_by, Style its_style,
                  std::string_view sentence)
      : table::Row{its_names, {}, sentence, table::kind_of<Syntax>(Slot(member)), used_by, 0},
        slot(member),
        style(its_style) {}

  Slot slot;
  Style style;
};

using PatternRow = RowOf<Pattern, table::Network, table::Port, Way, Mask, table::Protocol, IcmpTypes, IcmpCodes,
                         InterfaceName, Negotiate>;
using PropertyRow =
    RowOf<Properties, Authentication, Cipher, Sharing, OneWay, Level, Id, SpiNumber, table::Host, pfkey::Mark>;

std::span<const PatternRow> pattern_rows();
std::span<const PropertyRow> property_rows();
extern const table::Language kPatternLanguage, kPropertyLanguage;

/// The row of a member.
const PatternRow& row_of(const PatternRow::Slot& slot);
const PropertyRow& row_of(const PropertyRow::Slot& slot);

struct ActionRow {
  std::string_view name;
  policy::Action action;
  table::Uses bit;  ///< Of its properties.
  Style style;
  std::optional<OneWay> way;  ///< The direction that it means in old style.
  std::string_view help;
};
std::span<const ActionRow> action_rows();
/// nullptr: there is no such action; case-sensitive.
const ActionRow* find_action(std::string_view name);

/// "apply, permit, ipsec, bypass, pass or drop".
std::string action_names();

}  // namespace ipseckey::policylang
