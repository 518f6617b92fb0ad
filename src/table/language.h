#pragma once
/// What the code in this folder knows about a language, besides the rows of its table.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "table/row.h"

namespace ipseckey::table {

/// Words of other tools for the names of a table. They are refused, and the message suggests ours.
struct Neighbours {
  bool (*has)(std::string_view word);       ///< As a word in any position, which is then not part of a key.
  bool (*has_name)(std::string_view word);  ///< Where a name of the table is expected.
  /// Our names for it; empty: it is not a neighbour's word, or we have no equivalent.
  std::vector<std::string_view> (*ours)(std::string_view theirs);
  /// The text to append to "Unknown ...": our word for a neighbour's, else as did_you_mean().
  std::string (*suggestion)(std::string_view word, std::span<const std::string_view> candidates);
};

struct Language {
  const Table& table;
  std::string_view noun;    ///< What a name of the table is called: "extension".
  std::string_view a_noun;  ///< "an extension".
  /// Every word of the language that a value or an entry can have, names of the table included.
  std::span<const std::string_view> (*known)();
  bool (*is_head)(std::string_view word);  ///< Whether it begins an entry, as a command does.
  std::string_view why_never;  ///< Appended to the refusal of a row that no entry uses: ": it is not for ...".
  Uses passes_over;            ///< Entries that ignore, with a warning, a row that they do not use.
  std::string_view comments;   ///< Where comments are allowed: for the fault of one among the pairs.
  std::string_view no_zone;    ///< Why an address has no zone, and what to do: "an SA has no zone. ...".
  std::string_view ends = "Unexpected end of command line";  ///< What is wrong where the last value is missing.
  const Neighbours* neighbours = nullptr;                    ///< nullptr: there are none.
};

/// The names, all synonyms, of the rows that one of the entries uses.
std::vector<std::string_view> names_used_by(const Table& table, Uses entries);

}  // namespace ipseckey::table
