#pragma once
/// How each type of value is read and written. Syntax<T> is the only place that knows.
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/secret_text.h"
#include "lang/names.h"
#include "lang/values.h"
#include "lang/words.h"

namespace lang {

using Words = std::span<const Word>;

/// What the reader of a value may use and say.
struct ReadContext {
  const Names& names;
  bool v6_only = false;  ///< The keyword was one of the `...6` forms.
  std::string warning;   ///< Set by a reader that accepts the value with a reservation.
};

/// Why a value cannot be read. "{word}" stands for the offending word; the caller decides whether it may be shown.
struct ValueFault {
  std::string message;
  std::size_t word = 0;  ///< Which word of the value.
};
template <class T>
using Value = std::expected<T, ValueFault>;

/// Each specialisation has
///   kWords    how many words the value has
///   kSecret   whether they are key material
///   kMetavar  what stands for the value in help
///   read      words to value; as many words as kWords
///   write     value to words that read() gives back; paranoid: an X for each key digit
template <class T>
struct Syntax;

template <class T, bool secret = false, std::size_t words = 1>
struct SyntaxBase {
  static constexpr std::size_t kWords = words;
  static constexpr bool kSecret = secret;
  static Value<T> read(Words words_of_value, ReadContext& context);
  using Text = std::conditional_t<secret, SecretText, std::string>;
  static void write(const T& value, bool paranoid, Text& out);
};

template <>
struct Syntax<Spi> : SyntaxBase<Spi> {
  static constexpr std::string_view kMetavar = "NUMBER";
};
template <>
struct Syntax<Count> : SyntaxBase<Count> {
  static constexpr std::string_view kMetavar = "NUMBER";
};
template <>
struct Syntax<Count32> : SyntaxBase<Count32> {
  static constexpr std::string_view kMetavar = "NUMBER";
};
template <>
struct Syntax<Window> : SyntaxBase<Window> {
  static constexpr std::string_view kMetavar = "NUMBER";
};
template <>
struct Syntax<Bits> : SyntaxBase<Bits> {
  static constexpr std::string_view kMetavar = "BITS";
};
template <>
struct Syntax<Positive16> : SyntaxBase<Positive16> {
  static constexpr std::string_view kMetavar = "NUMBER";
};
template <>
struct Syntax<Positive32> : SyntaxBase<Positive32> {
  static constexpr std::string_view kMetavar = "NUMBER";
};
template <>
struct Syntax<Df> : SyntaxBase<Df> {
  static constexpr std::string_view kMetavar = "copy|set|clear";
};
template <>
struct Syntax<Dscp> : SyntaxBase<Dscp> {
  static constexpr std::string_view kMetavar = "copy|keep|NUMBER";
};
template <>
struct Syntax<Port> : SyntaxBase<Port> {
  static constexpr std::string_view kMetavar = "PORT";
};
template <>
struct Syntax<IcmpNumber> : SyntaxBase<IcmpNumber> {
  static constexpr std::string_view kMetavar = "NUMBER";
};
template <>
struct Syntax<Protocol> : SyntaxBase<Protocol> {
  static constexpr std::string_view kMetavar = "PROTOCOL";
};
template <>
struct Syntax<AuthAlgorithm> : SyntaxBase<AuthAlgorithm> {
  static constexpr std::string_view kMetavar = "ALGORITHM";
};
template <>
struct Syntax<EncryptAlgorithm> : SyntaxBase<EncryptAlgorithm> {
  static constexpr std::string_view kMetavar = "ALGORITHM";
};
template <>
struct Syntax<Encapsulation> : SyntaxBase<Encapsulation> {
  static constexpr std::string_view kMetavar = "udp";
};
template <>
struct Syntax<pfkey::State> : SyntaxBase<pfkey::State> {
  static constexpr std::string_view kMetavar = "STATE";
};
template <>
struct Syntax<Flag> : SyntaxBase<Flag, false, 0> {
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
template <>
struct Syntax<KeyValue> : SyntaxBase<KeyValue, true> {
  static constexpr std::string_view kMetavar = "HEX[/BITS]|@FILE";
};
template <>
struct Syntax<Identity> : SyntaxBase<Identity, false, 2> {
  static constexpr std::string_view kMetavar = "TYPE TEXT";
};
template <>
struct Syntax<Label> : SyntaxBase<Label> {
  static constexpr std::string_view kMetavar = "LEVEL[:COMPARTMENTS]";
};

template <>
struct Syntax<pfkey::Mark> : SyntaxBase<pfkey::Mark> {
  static constexpr std::string_view kMetavar = "VALUE[/MASK]";
};
template <>
struct Syntax<pfkey::Device> : SyntaxBase<pfkey::Device> {
  static constexpr std::string_view kMetavar = "DEVICE";
};
template <>
struct Syntax<pfkey::Offload> : SyntaxBase<pfkey::Offload, false, 2> {
  static constexpr std::string_view kMetavar = "crypto|packet DEVICE";
};

/// As write_quoted(), and in quotes what would else be read as a keyword.
void write_word(std::string_view text, std::string& out);

/// The names of every algorithm of a kind, and of none.
std::vector<std::string_view> algorithm_names(bool auth);

}  // namespace lang
