#pragma once
/// How each type of value is read and written. Syntax<T> is the only place that knows.
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "lang/language.h"
#include "lang/values.h"
#include "pfkey/extensions.h"
#include "table/numbers.h"
#include "table/syntax.h"

namespace ipseckey::lang {

/// As table::Syntax, which has the values that other languages have, too.
template <class T>
struct Syntax : table::Syntax<T> {};

template <class T, bool secret = false, std::size_t words = 1>
struct SyntaxBase : table::SyntaxFacts<secret, words> {
  static Value<T> read(Words words_of_value, ReadContext& context);
  static void write(const T& value, bool paranoid, typename table::SyntaxFacts<secret, words>::Text& out);
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
/// Of a plain number the row of its extension knows the range.
template <auto place>
struct PlainSyntax : table::SyntaxFacts<false, 1> {
  static constexpr std::string_view kMetavar = "NUMBER";
  static Value<Plain<place>> read(Words words, ReadContext&) {
    constexpr const pfkey::Kept& kRow = *pfkey::kRowOf<place>.kept;
    auto value = table::number<std::uint32_t>(words[0], "a number", kRow.most);
    if (!value) return std::unexpected(std::move(value.error()));
    if (*value < kRow.least) return table::bad(fmt::format("{{word}} is too small; the smallest is {}", kRow.least));
    return Plain<place>{*value};
  }
  static void write(const Plain<place>& v, bool, std::string& out) { table::append_number(v.value, out); }
};
template <auto place>
struct Syntax<Plain<place>> : PlainSyntax<place> {};
template <>
struct Syntax<Icv> : PlainSyntax<&pfkey::Message::icv> {
  static constexpr std::string_view kMetavar = "BITS";
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
struct Syntax<IcmpNumber> : SyntaxBase<IcmpNumber> {
  static constexpr std::string_view kMetavar = "NUMBER";
};
template <>
struct Syntax<AuthAlgorithm> : SyntaxBase<AuthAlgorithm> {
  static constexpr std::string_view kMetavar = "ALGORITHM";
  static void offer(std::size_t n, table::Offers& offers);
};
template <>
struct Syntax<EncryptAlgorithm> : SyntaxBase<EncryptAlgorithm> {
  static constexpr std::string_view kMetavar = "ALGORITHM";
  static void offer(std::size_t n, table::Offers& offers);
};
template <>
struct Syntax<Encapsulation> : SyntaxBase<Encapsulation> {
  static constexpr std::string_view kMetavar = "udp";
};
template <>
struct Syntax<pfkey::State> : SyntaxBase<pfkey::State> {
  static constexpr std::string_view kMetavar = "STATE";
  static void offer(std::size_t n, table::Offers& offers);
};
template <>
struct Syntax<KeyValue> : SyntaxBase<KeyValue, true> {
  static constexpr std::string_view kMetavar = "HEX[/BITS]|@FILE";
};
template <>
struct Syntax<Identity> : SyntaxBase<Identity, false, 2> {
  static constexpr std::string_view kMetavar = "TYPE TEXT";
  static void offer(std::size_t n, table::Offers& offers);
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

}  // namespace ipseckey::lang
