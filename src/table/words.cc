// How a command becomes words:
// 1. simple_words() cuts at spaces, sixteen characters at a time: most lines hold nothing but bare words and spaces.
// 2. Where it stops, split() continues a character at a time: over another blank, a word in quotes, a word with a
//    quotation mark or a backslash in it, a backslash that continues the line.
// 3. After the end of a line inside a command, lines that are comments are skipped.
// 4. unescape() resolves the escapes of $"..."; write_quoted() is its inverse, for texts that `save` writes.
#include "table/words.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/harmless.h"
#include "base/text.h"

namespace ipseckey::table {
namespace {

// Length of a continuation at `at`: a backslash, blanks, the end of the line. 0: there is none.
std::size_t continuation(std::string_view text, std::size_t at) {
  std::size_t i = at + 1;
  while (i < text.size() && is_blank(text[i]) && text[i] != '\n') ++i;
  return i == text.size() || text[i] == '\n' ? i - at : 0;
}

constexpr std::size_t kStride = 16;
using Chars [[gnu::vector_size(kStride)]] = std::uint8_t;
using Twos [[gnu::vector_size(kStride)]] = std::uint16_t;
using Octets [[gnu::vector_size(kStride / 2)]] = std::uint8_t;

// Marks those of sixteen characters that split() may treat specially: blanks, quotation marks, backslashes,
// other control characters, and exclamation marks. The result has four bits for each character, those of the first
// character lowest; the highest of the four is the mark.
std::uint64_t marks(const char* text) {
  Chars c;
  std::memcpy(&c, text, sizeof c);
  auto found = std::bit_cast<Twos>((c <= '"') | (c == '\\'));
  if constexpr (std::endian::native == std::endian::big) found = found << 8 | found >> 8;
  auto bits = std::bit_cast<std::uint64_t>(__builtin_convertvector(found >> 4, Octets));
  if constexpr (std::endian::native == std::endian::big) bits = std::byteswap(bits);
  return bits & 0x8888888888888888;
}

// The same for fewer characters, at the end of a text.
std::uint64_t marks_of_rest(std::string_view rest) {
  std::array<char, kStride> filled;
  filled.fill('x');
  std::ranges::copy(rest, filled.begin());
  return marks(filled.data());
}

// Cuts words off the line that starts at `i` as long as only spaces separate them, and returns where it stops: at the
// end of the line or of the text, or before a character that may separate or enclose words in another way.
// (With a find() for each space and for each such character, `ipseckey -c` of 3,000 lines takes 4 % more
// instructions; character by character 19 %.)
std::size_t simple_words(std::string_view text, std::size_t i, std::vector<Word>& words) {
  const auto word_to = [&](std::size_t end) {
    if (end > i) words.emplace_back(std::string_view(text.data() + i, end - i), static_cast<std::uint32_t>(i));
  };
  for (std::size_t at = i; at < text.size(); at += kStride) {
    const bool whole = text.size() - at >= kStride;
    for (std::uint64_t left = whole ? marks(text.data() + at) : marks_of_rest(text.substr(at)); left != 0;
         left &= left - 1) {
      const std::size_t end = at + static_cast<unsigned>(std::countr_zero(left)) / 4;
      const char c = text[end];
      if (c == ' ') {
        word_to(end);
        i = end + 1;
      } else if (c == '\n') {
        word_to(end);
        return end;
      } else if (is_blank(c) || c == '"' || c == '\\') {
        return i;
      }
    }
  }
  word_to(text.size());
  return text.size();
}

// The end of any bare word that starts at `i`.
std::size_t end_of_word(std::string_view text, std::size_t i) {
  while (i < text.size() && !is_blank(text[i]) && !(text[i] == '\\' && continuation(text, i) > 0)) ++i;
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

// Takes the word in quotes at `i`, and moves `i` behind it.
std::optional<WordFault> quoted_word(std::string_view text, std::size_t& i, std::vector<Word>& words) {
  const auto at = static_cast<std::uint32_t>(i);
  const bool escaped = text[i] == '$';
  const std::size_t first = i + (escaped ? 2 : 1);
  std::size_t end = first;
  while (end < text.size() && text[end] != '"' && text[end] != '\n') end += escaped && text[end] == '\\' ? 2 : 1;
  if (end >= text.size() || text[end] == '\n') return WordFault{at, "the quotation mark is not closed on its line"};
  words.push_back({text.substr(first, end - first), at, escaped ? Word::Kind::escaped : Word::Kind::quoted});
  i = end + 1;
  if (i < text.size() && !is_blank(text[i]) && !(text[i] == '\\' && continuation(text, i)))
    return WordFault{static_cast<std::uint32_t>(i), "a blank is needed after the closing quotation mark"};
  return std::nullopt;
}

// Not printable ASCII: escaped, so that any terminal can show the text.
bool is_odd(char c) { return c < 0x20 || c >= 0x7f; }

}  // namespace

std::optional<WordFault> split(std::string_view text, std::vector<Word>& words) {
  words.clear();
  for (std::size_t i = 0; (i = simple_words(text, i, words)) < text.size();) {
    if (text[i] == '\n') {
      i = skip_comment_lines(text, i + 1);
    } else if (is_blank(text[i])) {
      ++i;
    } else if (text.substr(i).starts_with('"') || text.substr(i).starts_with("$\"")) {
      if (const auto fault = quoted_word(text, i, words)) return fault;
    } else if (const std::size_t length = text[i] == '\\' ? continuation(text, i) : 0) {
      i += length;
    } else {
      const std::size_t end = end_of_word(text, i);
      words.push_back({text.substr(i, end - i), static_cast<std::uint32_t>(i), Word::Kind::bare});
      i = end;
    }
  }
  return std::nullopt;
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
  const bool bare = !text.empty() && text[0] != '#' && text[0] != '$' &&
                    std::ranges::none_of(text, [](char c) { return is_odd(c) || c == ' ' || c == '\\' || c == '"'; });
  if (!bare) return write_in_quotes(text, out);
  out += text;
}

void write_in_quotes(std::string_view text, std::string& out) {
  const bool plain = std::ranges::none_of(text, [](char c) { return is_odd(c) || c == '"'; });
  if (plain) {
    out += '"';
    out += text;
    out += '"';
    return;
  }
  out += "$\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\', out += c;
    } else if (is_odd(c)) {
      text::append_harmless(c, out);
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace ipseckey::table
