#include "lang/words.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/text.h"

namespace lang {
namespace {

// Length of a continuation at `at`: a backslash, blanks, the end of the line. 0: there is none.
std::size_t continuation(std::string_view text, std::size_t at) {
  std::size_t i = at + 1;
  while (i < text.size() && is_blank(text[i]) && text[i] != '\n') ++i;
  return i == text.size() || text[i] == '\n' ? i - at : 0;
}

// How many of eight characters stand before the first blank, control character or backslash.
std::size_t before_stop(const char* eight) {
  std::uint64_t v;
  std::memcpy(&v, eight, sizeof v);
  if constexpr (std::endian::native == std::endian::big) v = __builtin_bswap64(v);
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
  const std::uint64_t backslash = v ^ kOnes * '\\';
  const std::uint64_t stops = (((v - kOnes * 0x21) & ~v) | ((backslash - kOnes) & ~backslash)) & kHighs;
  return static_cast<std::size_t>(std::countr_zero(stops)) / 8;
}

// The end of the bare word that starts at `i`. Keys make most of a file's text, so it goes by eights.
std::size_t end_of_word(std::string_view text, std::size_t i) {
  const auto ends = [&] { return is_blank(text[i]) || (text[i] == '\\' && continuation(text, i) > 0); };
  while (i + 8 <= text.size()) {
    const std::size_t skip = before_stop(text.data() + i);
    i += skip;
    if (skip == 8) continue;
    if (ends()) return i;
    ++i;
  }
  while (i < text.size() && !ends()) ++i;
  return i;
}

std::size_t skip_comment_lines(std::string_view text, std::size_t i) {
  while (i < text.size()) {
    std::size_t first = i;
    while (first < text.size() && is_blank(text[first])) ++first;
    if (first == text.size() || text[first] != '#') return i;
    i = text.find('\n', first);
    if (i == std::string_view::npos) return text.size();
  }
  return i;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

std::optional<WordFault> split(std::string_view text, std::vector<Word>& words) {
  words.clear();
  std::size_t i = 0;
  while (true) {
    while (i < text.size() && is_blank(text[i])) i = text[i] == '\n' ? skip_comment_lines(text, i + 1) : i + 1;
    if (i >= text.size()) return std::nullopt;

    const auto at = static_cast<std::uint32_t>(i);
    if (text[i] == '\\')
      if (const auto length = continuation(text, i)) {
        i += length;
        continue;
      }
    const bool escaped = text.substr(i).starts_with("$\"");
    if (escaped || text[i] == '"') {
      const std::size_t first = i + (escaped ? 2 : 1);
      std::size_t end = first;
      while (end < text.size() && text[end] != '"' && text[end] != '\n') end += escaped && text[end] == '\\' ? 2 : 1;
      if (end >= text.size() || text[end] == '\n') return WordFault{at, "the quotation mark is not closed on its line"};
      words.push_back({text.substr(first, end - first), at, escaped ? Word::Kind::escaped : Word::Kind::quoted});
      i = end + 1;
      if (i < text.size() && !is_blank(text[i]) && !(text[i] == '\\' && continuation(text, i)))
        return WordFault{static_cast<std::uint32_t>(i), "a blank is needed after the closing quotation mark"};
      continue;
    }
    i = end_of_word(text, i);
    words.push_back({text.substr(at, i - at), at, Word::Kind::bare});
  }
}

std::optional<std::string> unescape(const Word& word) {
  if (word.kind != Word::Kind::escaped) return std::string(word.text);
  std::string out;
  for (std::size_t i = 0; i < word.text.size(); ++i) {
    if (word.text[i] != '\\') {
      out += word.text[i];
      continue;
    }
    if (++i == word.text.size()) return std::nullopt;
    switch (word.text[i]) {
      case '\\':
        out += '\\';
        break;
      case '"':
        out += '"';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'x': {
        if (i + 2 >= word.text.size()) return std::nullopt;
        const int high = text::hex_digit(word.text[i + 1]), low = text::hex_digit(word.text[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
        break;
      }
      default:
        return std::nullopt;
    }
  }
  return out;
}

void write_quoted(std::string_view text, std::string& out) {
  const bool bare = !text.empty() && text[0] != '#' && text[0] != '$' && std::ranges::none_of(text, [](char c) {
    return is_control(c) || c == ' ' || c == '\\' || c == '"';
  });
  if (!bare) return write_in_quotes(text, out);
  out += text;
}

void write_in_quotes(std::string_view text, std::string& out) {
  const bool plain = std::ranges::none_of(text, [](char c) { return is_control(c) || c == '"'; });
  if (plain) {
    out += '"';
    out += text;
    out += '"';
    return;
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += "$\"";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\', out += c;
    } else if (is_control(c)) {
      out += "\\x", out += kDigits[u >> 4], out += kDigits[u & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace lang
