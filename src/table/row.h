#pragma once
/// The rows of a table of `name value` pairs, without the record whose members they fill: the facts that parser,
/// redaction, completion and help need. record.h connects them with a record.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/text.h"

namespace ipseckey::table {

struct Offers;

/// A type of values, for code that does not know the C++ type.
struct Kind {
  std::size_t words;         ///< The number of words in a value.
  bool secret;               ///< Whether they are key material.
  std::string_view metavar;  ///< What stands for the value in help: "NUMBER"; empty: it has none.
  /// Adds possible n-th words of a value, besides those in the metavar; nullptr: there are none.
  void (*offer)(std::size_t n, Offers& offers);
};

/// A set of a language's entries with pairs (commands, kinds of braces), a bit for each.
using Uses = std::uint32_t;

struct Row {
  std::string_view names;     ///< Synonyms, separated by blanks; the writer takes the first.
  std::string_view v6_names;  ///< Synonyms that take IPv6 addresses only.
  std::string_view help;      ///< One sentence.
  const Kind* kind;
  Uses used;      ///< Entries that act on it.
  Uses required;  ///< Entries that fail without it.

  constexpr std::string_view name() const { return text::first_word(names); }
};

/// The largest number of rows in a table. A larger table does not compile.
inline constexpr std::size_t kMostRows = 128;

/// A set of a table's rows, a bit for each.
class RowSet {
 public:
  constexpr RowSet() = default;
  /// One row, by its number.
  static constexpr RowSet of(std::size_t row) {
    RowSet set;
    set.add(row);
    return set;
  }
  static constexpr RowSet all() { return ~RowSet(); }

  /// Called for each keyword of a file, so the bound is not checked again: an Index has at most kMostRows rows.
  constexpr void add(std::size_t row) { words_.data()[row / 64] |= std::uint64_t{1} << row % 64; }
  constexpr bool has(std::size_t row) const { return (words_[row / 64] >> row % 64 & 1) != 0; }
  constexpr bool empty() const { return *this == RowSet(); }
  /// Whether they have a row in common.
  constexpr bool meets(const RowSet& other) const { return !(*this & other).empty(); }

  constexpr RowSet& operator|=(const RowSet& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
    return *this;
  }
  constexpr RowSet& operator&=(const RowSet& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
    return *this;
  }
  constexpr RowSet operator~() const {
    RowSet others;
    for (std::size_t i = 0; i < words_.size(); ++i) others.words_[i] = ~words_[i];
    return others;
  }
  friend constexpr RowSet operator|(RowSet a, const RowSet& b) { return a |= b; }
  friend constexpr RowSet operator&(RowSet a, const RowSet& b) { return a &= b; }
  constexpr bool operator==(const RowSet&) const = default;

 private:
  std::array<std::uint64_t, (kMostRows + 63) / 64> words_{};
};

/// A row and the form in which it was named.
struct Match {
  const Row* row = nullptr;  ///< nullptr: there is no such name.
  std::uint8_t number = 0;   ///< Of the row.
  bool v6_only = false;

  RowSet bit() const { return row ? RowSet::of(number) : RowSet(); }
};

/// A table, whatever its record.
struct Table {
  std::span<const Row* const> rows;
  Match (*find)(std::string_view name);  ///< Case-sensitive, no abbreviations.
};

/// Calls f(name) for each synonym of a row, the IPv6 ones last.
template <class F>
constexpr void for_each_name(const Row& row, F f) {
  text::for_each_word(row.names, f);
  text::for_each_word(row.v6_names, f);
}

inline bool is_secret(const Row& row) { return row.kind->secret; }
inline std::size_t value_words(const Row& row) { return row.kind->words; }
inline std::string_view metavar(const Row& row) { return row.kind->metavar; }

/// Whether a value of the row can be that word, as its metavar says it: "tunnel|transport". It can be a name as well.
constexpr bool is_choice(const Row& row, std::string_view word) {
  for (std::string_view rest = row.kind->metavar; !rest.empty();) {
    const auto end = rest.find('|');
    if (rest.substr(0, end) == word) return true;
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return false;
}

}  // namespace ipseckey::table
