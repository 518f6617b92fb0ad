#pragma once
/// Numbers, for the readers of values.
#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "table/syntax.h"

namespace ipseckey::table {

/// Decimal, 0x hexadecimal or 0 octal, no sign, nothing after it.
inline std::optional<std::uint64_t> parse_number(std::string_view text, bool& too_big) {
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    base = text::lower(text[1]) == 'x' ? 16 : 8;
    text.remove_prefix(base == 16 ? 2 : 1);
  }
  std::uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  too_big = ec == std::errc::result_out_of_range;
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A number that fits T and is at most `largest`; `what` is what the fault says was expected.
template <class T>
Value<T> number(const Word& word, std::string_view what = "a number", T largest = std::numeric_limits<T>::max()) {
  bool too_big = false;
  const auto value = parse_number(word.text, too_big);
  if (!value && !too_big) return bad(fmt::format("{{word}} is not {}", what));
  if (too_big || *value > largest) return bad(fmt::format("{{word}} is too big; the largest is {}", largest));
  return static_cast<T>(*value);
}

inline bool looks_numeric(std::string_view text) { return !text.empty() && text[0] >= '0' && text[0] <= '9'; }

inline void append_number(std::uint64_t value, std::string& out) { out += fmt::format("{}", value); }

}  // namespace ipseckey::table
