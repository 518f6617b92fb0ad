#pragma once
/// The rows of a table of `name value` pairs, without the record whose members they fill: what parser, redaction,
/// completion and help need to know. record.h joins them to a record.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/text.h"

namespace ipseckey::table {

struct Offers;

/// What a type of values is, for those who do not know the type.
struct Kind {
  std::size_t words;         ///< How many a value has.
  bool secret;               ///< Whether they are key material.
  std::string_view metavar;  ///< What stands for the value in help: "NUMBER"; empty: it has none.
  /// Adds what can be its n-th word, besides what the metavar says; nullptr: nothing.
  void (*offer)(std::size_t n, Offers& offers);
};

/// Some of the entries of a language that have pairs (commands, kinds of braces), a bit for each.
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

/// Some of the rows of a table, a bit for each.
using RowSet = std::uint64_t;
inline constexpr std::size_t kMostRows = 64;

/// A row and the form in which it was named.
struct Match {
  const Row* row = nullptr;  ///< nullptr: there is no such name.
  std::uint8_t number = 0;   ///< Of the row.
  bool v6_only = false;

  RowSet bit() const { return row ? RowSet{1} << number : 0; }
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

}  // namespace ipseckey::table
