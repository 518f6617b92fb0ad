// The values of policies, each with read() and write():
// 1. Words of a list (directions, sharing, levels): table::one_of().
// 2. ICMP types and codes: a number, a range, or a name (icmp_names.h).
// 3. Algorithms (algorithm_syntax.cc has them).
// 4. Networks with missing octets, masks, names of interfaces, numbers and marks.
#include "policylang/syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "pfkey/near_name.h"
#include "policylang/icmp_names.h"
#include "table/completion.h"
#include "table/numbers.h"
#include "table/suggest.h"

namespace ipseckey::policylang {
namespace {

using table::bad;
using table::ReadContext;
using table::Value;
using table::Words;

template <class T>
Value<T> read_choice(Words words, std::string_view list, std::string_view what) {
  const auto which = table::one_of(words[0], list, what);
  if (!which) return std::unexpected(which.error());
  return static_cast<T>(*which);
}

template <class T>
void write_choice(T value, std::string_view list, std::string& out) {
  for (auto n = static_cast<std::size_t>(value); n > 0; --n) list.remove_prefix(text::first_word(list).size() + 1);
  out += text::first_word(list);
}

constexpr std::string_view kWays = "in out both", kOneWays = "in out", kNegotiate = "tunnel transport",
                           kSharing = "shared unique", kLevels = "require use";

std::optional<std::uint8_t> octet(std::string_view text) {
  bool too_big = false;
  const auto value = table::parse_number(text, too_big);
  if (!value || *value > 255) return std::nullopt;
  return static_cast<std::uint8_t>(*value);
}

template <class T>
Value<T> icmp(std::string_view text, std::span<const IcmpName> names, std::string_view what) {
  if (const IcmpName* const named = find_icmp(names, text)) return T{{{named->number, named->number}, named->v6}};
  if (!table::looks_numeric(text)) {
    std::vector<std::string_view> known;
    for (const IcmpName& row : names) known.push_back(row.name);
    if (find_icmp(names, text.substr(0, text.find('-'))))
      return bad("{word} is a range of names; ranges are of numbers only");
    return bad(fmt::format("{{word}} is not {}: a number, a range N-M or a name is needed{}", what,
                           table::did_you_mean(text, known)));
  }
  const auto dash = text.find('-');
  const auto first = octet(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : octet(text.substr(dash + 1));
  if (!first || !last) return bad("{word} is not a number or a range of numbers from 0 to 255");
  if (*last < *first) return bad(fmt::format("{{word}} ends before it begins; write {}-{}", *last, *first));
  return T{{{*first, *last}, {}}};
}

void write_icmp(const policy::NumberRange& range, std::string& out) {
  out += range.first == range.last ? fmt::format("{}", range.first) : fmt::format("{}-{}", range.first, range.last);
}

void offer_icmp(std::span<const IcmpName> names, table::Offers& offers) {
  for (const IcmpName& row : names) offers.add(row.name);
}

// 32 bits, decimal or hexadecimal.
std::optional<std::uint32_t> word32(std::string_view text) {
  bool too_big = false;
  const auto value = table::parse_number(text, too_big);
  if (!value || *value > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

std::optional<std::uint32_t> dotted(std::string_view text) {
  const auto address = parse_address(text);
  if (!address || address->family != Family::v4) return std::nullopt;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(address->octets[i]);
  return value;
}

// One to three numbers with dots, the beginning of an IPv4 address: the missing octets as a text; nullopt: it is not.
std::optional<std::string_view> missing_octets(std::string_view text) {
  constexpr std::string_view kZeros = ".0.0.0";
  if (text.empty() || text.front() == '.' || text.back() == '.') return std::nullopt;
  if (text.find_first_not_of("0123456789.") != std::string_view::npos) return std::nullopt;
  const auto dots = static_cast<std::size_t>(std::ranges::count(text, '.'));
  if (dots > 2) return std::nullopt;
  return kZeros.substr(2 * dots);
}

}  // namespace

template <>
Value<table::Network> SyntaxBase<table::Network>::read(Words words, ReadContext& context) {
  const std::string_view text = words[0].text;
  const auto slash = text.find('/');
  const auto missing = missing_octets(text.substr(0, slash));
  if (!missing) return table::Syntax<table::Network>::read(words, context);
  if (slash == std::string_view::npos)
    return bad("{word} is not a whole address: a host has four numbers, and a network its length, as in 10.1/16");
  const std::string whole = fmt::format("{}{}{}", text.substr(0, slash), *missing, text.substr(slash));
  table::Word word = words[0];
  word.text = whole;
  return table::Syntax<table::Network>::read({&word, 1}, context);
}
template <>
void SyntaxBase<table::Network>::write(const table::Network& v, bool paranoid, std::string& out) {
  table::Syntax<table::Network>::write(v, paranoid, out);
}

template <>
Value<Way> SyntaxBase<Way>::read(Words words, ReadContext&) {
  return read_choice<Way>(words, kWays, "direction");
}
template <>
void SyntaxBase<Way>::write(const Way& v, bool, std::string& out) {
  write_choice(v, kWays, out);
}

template <>
Value<OneWay> SyntaxBase<OneWay>::read(Words words, ReadContext&) {
  return read_choice<OneWay>(words, kOneWays, "direction");
}
template <>
void SyntaxBase<OneWay>::write(const OneWay& v, bool, std::string& out) {
  write_choice(v, kOneWays, out);
}

template <>
Value<Negotiate> SyntaxBase<Negotiate>::read(Words words, ReadContext&) {
  return read_choice<Negotiate>(words, kNegotiate, "mode");
}
template <>
void SyntaxBase<Negotiate>::write(const Negotiate& v, bool, std::string& out) {
  write_choice(v, kNegotiate, out);
}

template <>
Value<Sharing> SyntaxBase<Sharing>::read(Words words, ReadContext&) {
  return read_choice<Sharing>(words, kSharing, "use of SAs");
}
template <>
void SyntaxBase<Sharing>::write(const Sharing& v, bool, std::string& out) {
  write_choice(v, kSharing, out);
}

template <>
Value<Level> SyntaxBase<Level>::read(Words words, ReadContext&) {
  return read_choice<Level>(words, kLevels, "level");
}
template <>
void SyntaxBase<Level>::write(const Level& v, bool, std::string& out) {
  write_choice(v, kLevels, out);
}

template <>
Value<Mask> SyntaxBase<Mask>::read(Words words, ReadContext&) {
  const std::string_view text = words[0].text;
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const auto mask = hex ? word32(text) : dotted(text);
  if (!mask) return bad("{word} is not a mask: 0xHEX or four numbers with dots are needed");
  if (*mask == 0) return bad("{word} is a mask without a bit; leave out the address instead");
  const int ones = std::popcount(*mask);
  if (std::countl_one(*mask) != ones) return bad("{word} is a mask with gaps: its ones must come first");
  return Mask{static_cast<std::uint8_t>(ones)};
}
template <>
void SyntaxBase<Mask>::write(const Mask& v, bool, std::string& out) {
  out += fmt::format("0x{:08x}", static_cast<std::uint32_t>(UINT64_MAX << (32 - v.length)));
}

template <>
Value<IcmpTypes> SyntaxBase<IcmpTypes>::read(Words words, ReadContext&) {
  return icmp<IcmpTypes>(words[0].text, icmp_types(), "an ICMP type");
}
template <>
void SyntaxBase<IcmpTypes>::write(const IcmpTypes& v, bool, std::string& out) {
  write_icmp(v.range, out);
}

template <>
Value<IcmpCodes> SyntaxBase<IcmpCodes>::read(Words words, ReadContext&) {
  if (words[0].text == table::kAny || words[0].text == "255") return IcmpCodes{};
  return icmp<IcmpCodes>(words[0].text, icmp_codes(), "an ICMP code");
}
template <>
void SyntaxBase<IcmpCodes>::write(const IcmpCodes& v, bool, std::string& out) {
  write_icmp(v.range, out);
}

void Syntax<IcmpTypes>::offer(std::size_t, table::Offers& offers) { offer_icmp(icmp_types(), offers); }
void Syntax<IcmpCodes>::offer(std::size_t, table::Offers& offers) { offer_icmp(icmp_codes(), offers); }

template <>
Value<InterfaceName> SyntaxBase<InterfaceName>::read(Words words, ReadContext&) {
  const std::string_view text = words[0].text;
  if (text.size() > InterfaceName::kLongest)
    return bad(fmt::format("{{word}} is too long for an interface; at most {} characters are allowed",
                           InterfaceName::kLongest));
  for (const char c : text)
    if (c <= ' ' || c > '~' || c == '/') return bad("{word} is not the name of an interface");
  return InterfaceName{std::string(text)};
}
template <>
void SyntaxBase<InterfaceName>::write(const InterfaceName& v, bool, std::string& out) {
  out += v.text;
}

template <>
Value<Id> SyntaxBase<Id>::read(Words words, ReadContext&) {
  const auto value = table::number<std::uint32_t>(words[0]);
  if (!value) return std::unexpected(value.error());
  if (*value == 0) return bad("{word} means none; leave it out");
  return Id{*value};
}
template <>
void SyntaxBase<Id>::write(const Id& v, bool, std::string& out) {
  table::append_number(v.value, out);
}

template <>
Value<SpiNumber> SyntaxBase<SpiNumber>::read(Words words, ReadContext&) {
  const auto value = table::number<std::uint32_t>(words[0]);
  if (!value) return std::unexpected(value.error());
  if (*value == 0) return bad("{word} is not the SPI of an SA");
  return SpiNumber{*value};
}
template <>
void SyntaxBase<SpiNumber>::write(const SpiNumber& v, bool, std::string& out) {
  out += fmt::format("{:#x}", v.value);
}

template <>
Value<pfkey::Mark> SyntaxBase<pfkey::Mark>::read(Words words, ReadContext&) {
  const std::string_view text = words[0].text;
  const auto slash = text.find('/');
  const auto value = word32(text.substr(0, slash));
  const auto mask = slash == std::string_view::npos ? std::optional(UINT32_MAX) : word32(text.substr(slash + 1));
  if (!value || !mask) return bad("{word} is not a mark: VALUE or VALUE/MASK is needed, of 32 bits each");
  if ((*value & ~*mask) != 0) return bad("{word} has bits that its mask leaves out");
  return pfkey::Mark{*value, *mask};
}
template <>
void SyntaxBase<pfkey::Mark>::write(const pfkey::Mark& v, bool, std::string& out) {
  out += pfkey::mark_text(v);
}

}  // namespace ipseckey::policylang
