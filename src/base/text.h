#pragma once
/// Small functions about words, shared by the tables and the parsers.
#include <cstddef>
#include <string>
#include <string_view>

namespace ipseckey::text {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// ASCII lower case.
constexpr bool same_word(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  return true;
}

/// Calls f with each word of a list that is separated by single blanks.
template <class F>
constexpr void for_each_word(std::string_view list, F f) {
  while (!list.empty()) {
    const auto end = list.find(' ');
    f(list.substr(0, end));
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
  }
}

/// Whether the blank-separated list holds the word, in any case.
constexpr bool list_has(std::string_view list, std::string_view word) {
  bool found = false;
  for_each_word(list, [&](std::string_view w) { found |= same_word(w, word); });
  return found;
}

/// The same, case-sensitive.
constexpr bool list_has_exactly(std::string_view list, std::string_view word) {
  bool found = false;
  for_each_word(list, [&](std::string_view w) { found |= w == word; });
  return found;
}

constexpr std::string_view first_word(std::string_view list) { return list.substr(0, list.find(' ')); }

/// The byte order mark that some editors write at the start of a UTF-8 file.
inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

/// The value of a hexadecimal digit; -1 for any other character.
constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/// The number of single-character insertions, removals, changes and swaps of neighbours that turn a into b.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace ipseckey::text
