#pragma once
/// What can follow unfinished pairs, according to the table.
#include <cstddef>
#include <string_view>
#include <vector>

#include "table/row.h"
#include "table/syntax.h"

namespace ipseckey::table {

/// A text up to the cursor: the words that are complete, and the one that is being typed.
struct Unfinished {
  std::vector<Word> words;
  std::size_t at = 0;           ///< Offset of the word that is being typed; the text's size: a new one starts.
  std::string_view typed = {};  ///< What has been typed of it, without an opening quotation mark.
  bool lost = false;            ///< A blank is missing after a closed quotation mark.
};
Unfinished unfinished(std::string_view text);

/// Where pairs end: before a name, or in a value.
struct PairsEnd {
  Match name = {};             ///< The name whose value is being typed; none: a name is being typed.
  std::size_t value_word = 0;  ///< Which word of the value.
  RowSet given = {};           ///< The names so far, including `name`.
};
/// Words after an unknown name are ignored up to the next known name.
PairsEnd end_of_pairs(const Table& table, Words words);

/// Collects names that begin with what was typed.
struct Offers {
  std::string_view typed;
  bool any_case;
  std::uint8_t about = 0;  ///< What the entry is about, as the language numbers it; 0: not given.
  std::vector<std::string_view> words = {};

  bool fits(std::string_view name) const;
  /// Adds the first of the synonyms if it fits, else all others that fit, `more` included.
  void add(std::string_view names, std::string_view more = {});
  void add_each(std::string_view list);
  void add_each(std::span<const std::string_view> names);
};

/// The names of the rows that one of the entries uses and that are not given yet.
void offer_names(const Table& table, Uses entries, const RowSet& given, Offers& offers);

/// The words that can be word `n` of a row's value: those that its metavar has in lower case ("udp", "this|that"), and
/// those of its type.
void offer_value(const Row& row, std::size_t n, Offers& offers);

}  // namespace ipseckey::table
