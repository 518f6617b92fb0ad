#pragma once
/// How a value is read and written: what a language's Syntax<T> has for each type T of its values, and the types that
/// more than one language has (values.h).
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/secret_text.h"
#include "table/names.h"
#include "table/values.h"
#include "table/words.h"

namespace ipseckey::table {

struct Table;

using Words = std::span<const Word>;

/// Why a value cannot be read. "{word}" stands for the offending word; the caller decides whether it may be shown.
struct ValueFault {
  std::string message;
  std::size_t word = 0;  ///< Which word of the value.
};

/// What the reader of a value may use, and what it reports.
struct ReadContext {
  const Names& names;
  bool v6_only = false;      ///< The keyword was one of the `...6` forms.
  std::string warning = {};  ///< Set by the reader if it accepts the value with a reservation.
  std::string_view no_zone = "it has a zone, which means nothing here";  ///< Language::no_zone.
  ValueFault fault = {};                                                 ///< Of the last value that was Stored::faulty.
};

/// The result of reading a value for a record.
enum class Stored : std::uint8_t {
  taken,   ///< It was read and, if requested, put into the record.
  twice,   ///< The record had a value already, which stays.
  faulty,  ///< It cannot be read: ReadContext::fault.
};

template <class T>
using Value = std::expected<T, ValueFault>;

inline std::unexpected<ValueFault> bad(std::string message, std::size_t word = 0) {
  return std::unexpected(ValueFault{std::move(message), word});
}

/// Facts about a type's values: the number of words in a value, and whether they are key material.
template <bool secret, std::size_t words>
struct SyntaxFacts {
  static constexpr std::size_t kWords = words;
  static constexpr bool kSecret = secret;
  using Text = std::conditional_t<secret, SecretText, std::string>;
};

/// Each specialisation has what SyntaxFacts has, and
///   kMetavar  what stands for the value in help
///   read      words to value; their number is kWords
///   write     value to words that read() reads as the same value; paranoid: an X for each key digit
///   offer     optional: adds words that a value can have (Kind::offer)
template <class T>
struct Syntax;

template <class T, std::size_t words = 1>
struct SyntaxBase : SyntaxFacts<false, words> {
  static Value<T> read(Words words_of_value, ReadContext& context);
  static void write(const T& value, bool paranoid, std::string& out);
};

template <>
struct Syntax<Port> : SyntaxBase<Port> {
  static constexpr std::string_view kMetavar = "PORT";
};
template <>
struct Syntax<Protocol> : SyntaxBase<Protocol> {
  static constexpr std::string_view kMetavar = "PROTOCOL";
};
template <>
struct Syntax<Flag> : SyntaxBase<Flag, 0> {
  static constexpr std::string_view kMetavar = "";
};
template <>
struct Syntax<Unusable> : SyntaxBase<Unusable> {
  static constexpr std::string_view kMetavar = "VALUE";
};
template <>
struct Syntax<Host> : SyntaxBase<Host> {
  static constexpr std::string_view kMetavar = "ADDRESS|NAME";
};
template <>
struct Syntax<Network> : SyntaxBase<Network> {
  static constexpr std::string_view kMetavar = "ADDRESS|NAME[/PREFIX]";
};

/// The index of the word in a list, which is separated by blanks; case is ignored. `what`: what a fault calls the word,
/// "direction".
Value<std::size_t> one_of(const Word& word, std::string_view list, std::string_view what);

/// Like write_quoted(), but also quotes text that would be read as a name of the table.
void write_word(const Table& table, std::string_view text, std::string& out);

}  // namespace ipseckey::table
