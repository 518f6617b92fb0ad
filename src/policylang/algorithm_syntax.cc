// An algorithm with the lengths of its keys: NAME, NAME(N), NAME(N..), NAME(..M), NAME(N..M), or a number or `any`
// instead of the name.
// 1. lengths() reads what is between the parentheses, find() what is before them.
// 2. has_key() finds out whether the algorithm has a key of such a length; if not, that is a fault.
// 3. The rest is the same for the two kinds of algorithms: read, write, and names for completion.
#include <fmt/format.h>

#include "policylang/syntax.h"
#include "table/completion.h"
#include "table/numbers.h"
#include "table/suggest.h"

namespace ipseckey::policylang {
namespace {

using pfkey::AlgorithmKind;
using table::bad;
using table::ReadContext;
using table::Value;
using table::Words;

struct Lengths {
  std::optional<std::uint16_t> least, most;
};

// What is between the parentheses; nullopt: it cannot be read.
std::optional<Lengths> lengths(std::string_view text) {
  const auto bits = [](std::string_view number) -> std::optional<std::uint16_t> {
    bool too_big = false;
    const auto value = table::parse_number(number, too_big);
    if (!value || *value == 0 || *value > UINT16_MAX) return std::nullopt;
    return static_cast<std::uint16_t>(*value);
  };
  const auto dots = text.find("..");
  const std::string_view first = text.substr(0, dots);
  const std::string_view last = dots == std::string_view::npos ? first : text.substr(dots + 2);
  const Lengths l{bits(first), bits(last)};
  if ((!l.least && !first.empty()) || (!l.most && !last.empty())) return std::nullopt;
  if (first.empty() && last.empty() && dots == std::string_view::npos) return std::nullopt;
  return l;
}

bool has_key(const pfkey::Algorithm& row, const Lengths& l) {
  const unsigned most = l.most.value_or(std::max<unsigned>(row.max_bits, l.least.value_or(0)));
  for (unsigned bits = l.least.value_or(1); bits <= most; ++bits)
    if (row.takes_key() && row.key_works(bits)) return true;
  return false;
}

std::vector<std::string_view> names_of(AlgorithmKind kind) {
  std::vector<std::string_view> names = {table::kAny, "none"};
  for (const pfkey::Algorithm& row : pfkey::algorithms())
    if (row.kind == kind) text::for_each_word(row.names, [&](std::string_view name) { names.push_back(name); });
  return names;
}

Value<const pfkey::Algorithm*> find(AlgorithmKind kind, std::string_view name) {
  const std::string_view what = kind == AlgorithmKind::auth ? "authentication algorithm" : "cipher";
  if (const auto* const row = find_algorithm(kind, name)) return row;  // One of them is 3des.
  if (table::looks_numeric(name)) {
    bool too_big = false;
    const auto number = table::parse_number(name, too_big);
    const bool in_range = number && *number > 0 && *number <= 255;
    const auto* const row = in_range ? find_algorithm(kind, static_cast<std::uint8_t>(*number)) : nullptr;
    if (!row)
      return bad(
          fmt::format("{{word}} is not the number of {} {} here", kind == AlgorithmKind::auth ? "an" : "a", what));
    return row;
  }
  const AlgorithmKind other = kind == AlgorithmKind::auth ? AlgorithmKind::encrypt : AlgorithmKind::auth;
  if (find_algorithm(other, name))
    return bad(fmt::format("{{word}} is not {} {}", kind == AlgorithmKind::auth ? "an" : "a", what));
  return bad(fmt::format("Unknown {} {{word}}{}", what, table::did_you_mean(name, names_of(kind))));
}

template <class T>
Value<T> read_algorithm(AlgorithmKind kind, std::string_view text) {
  const auto open = text.find('(');
  const std::string_view name = text.substr(0, open);
  Lengths range;
  if (open != std::string_view::npos) {
    const auto inside = text.ends_with(')') ? lengths(text.substr(open + 1, text.size() - open - 2)) : std::nullopt;
    if (!inside) return bad("{word} needs lengths in bits as (N), (N..), (..M) or (N..M), without blanks");
    range = *inside;
    if (range.least && range.most && *range.most < *range.least)
      return bad("{word} has a range of lengths that ends before it begins");
  }
  if (text::same_word(name, "none")) {
    if (open != std::string_view::npos) return bad("{word}: none has no lengths");
    return T{{}, true};
  }
  policy::Choice choice{.number = {}, .min_bits = range.least, .max_bits = range.most};
  if (text::same_word(name, table::kAny)) return T{choice};
  const auto row = find(kind, name);
  if (!row) return std::unexpected(row.error());
  choice.number = (*row)->number;
  if ((range.least || range.most) && !has_key(**row, range))
    return bad(
        fmt::format("{{word}}: {} has no key of such a length; {}", (*row)->name(),
                    (*row)->takes_key() ? fmt::format("it takes {}", key_sizes(**row)) : "it has no key at all"));
  return T{choice};
}

void write_algorithm(AlgorithmKind kind, const policy::Choice& choice, bool none, std::string& out) {
  if (none) {
    out += "none";
    return;
  }
  out += choice.number ? pfkey::algorithm_name(kind, *choice.number) : std::string(table::kAny);
  if (!choice.min_bits && !choice.max_bits) return;
  out += '(';
  if (choice.min_bits) table::append_number(*choice.min_bits, out);
  if (choice.min_bits != choice.max_bits) {
    out += "..";
    if (choice.max_bits) table::append_number(*choice.max_bits, out);
  }
  out += ')';
}

void offer_algorithms(AlgorithmKind kind, table::Offers& offers) {
  for (const pfkey::Algorithm& row : pfkey::algorithms())
    if (row.kind == kind) offers.add(row.names);
  offers.add(table::kAny);
  offers.add("none");
}

}  // namespace

template <>
Value<Authentication> SyntaxBase<Authentication>::read(Words words, ReadContext&) {
  return read_algorithm<Authentication>(AlgorithmKind::auth, words[0].text);
}
template <>
void SyntaxBase<Authentication>::write(const Authentication& v, bool, std::string& out) {
  write_algorithm(AlgorithmKind::auth, v.choice, v.none, out);
}
template <>
void Syntax<Authentication>::offer(std::size_t, table::Offers& offers) {
  offer_algorithms(AlgorithmKind::auth, offers);
}

template <>
Value<Cipher> SyntaxBase<Cipher>::read(Words words, ReadContext&) {
  return read_algorithm<Cipher>(AlgorithmKind::encrypt, words[0].text);
}
template <>
void SyntaxBase<Cipher>::write(const Cipher& v, bool, std::string& out) {
  write_algorithm(AlgorithmKind::encrypt, v.choice, v.none, out);
}
template <>
void Syntax<Cipher>::offer(std::size_t, table::Offers& offers) {
  offer_algorithms(AlgorithmKind::encrypt, offers);
}

}  // namespace ipseckey::policylang
