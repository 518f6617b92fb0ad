#pragma once
/// A language, as the machinery of this folder knows it besides the rows of its table.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "table/row.h"

namespace ipseckey::table {

/// The words that neighbouring tools have for what the names of a table say. They are refused, and ours is named.
struct Neighbours {
  bool (*has)(std::string_view word);       ///< Anywhere: it is not part of a key then.
  bool (*has_name)(std::string_view word);  ///< In the place of a name of the table.
  /// Our names for it; empty: it is not a neighbour's, or there is no equivalent here.
  std::vector<std::string_view> (*ours)(std::string_view theirs);
  /// What to append to "Unknown ...": for a neighbour's word ours, else as did_you_mean().
  std::string (*suggestion)(std::string_view word, std::span<const std::string_view> candidates);
};

struct Language {
  const Table& table;
  std::string_view noun;    ///< What a name of the table is called: "extension".
  std::string_view a_noun;  ///< "an extension".
  /// Every word of the language that a value or an entry can have, names of the table included.
  std::span<const std::string_view> (*known)();
  bool (*is_head)(std::string_view word);  ///< Whether it begins an entry, as a command does.
  std::string_view why_never;              ///< Behind the refusal of a row that no entry uses: ": it is not for ...".
  Uses passes_over;                        ///< Entries that ignore, with a warning, a row that they do not use.
  std::string_view comments;               ///< Where a comment may be, for one that is among the pairs.
  std::string_view no_zone;                ///< Why an address has no zone, and what to do: "an SA has no zone. ...".
  const Neighbours* neighbours = nullptr;  ///< nullptr: there are none.
};

/// The names, all synonyms, of the rows that one of the entries uses.
std::vector<std::string_view> names_used_by(const Table& table, Uses entries);

}  // namespace ipseckey::table
