#include "lang/words.h"

#if defined(__SSE2__) && !defined(IPSECKEY_PORTABLE)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>

#include "base/harmless.h"
#include "base/text.h"

namespace lang {
namespace {

// Length of a continuation at `at`: a backslash, blanks, the end of the line. 0: there is none.
std::size_t continuation(std::string_view text, std::size_t at) {
  std::size_t i = at + 1;
  while (i < text.size() && is_blank(text[i]) && text[i] != '\n') ++i;
  return i == text.size() || text[i] == '\n' ? i - at : 0;
}

// What there is among some characters.
struct Seen {
  std::uint64_t blanks = 0;  // A bit for each space or tabulator, kBlankBits apart.
  std::uint64_t odd = 0;     // Not 0: a backslash, or another character up to the dollar sign, the last of !"#$.
};

#if defined(__SSE2__) && !defined(IPSECKEY_PORTABLE)
constexpr std::size_t kStep = 16, kBlankBits = 1;
Seen look(std::span<const char, kStep> text) {
  __m128i v;
  std::memcpy(&v, text.data(), sizeof v);
  const auto is = [v](char c) { return _mm_cmpeq_epi8(v, _mm_set1_epi8(c)); };
  const __m128i blank = _mm_or_si128(is(' '), is('\t')), dollar = _mm_set1_epi8('$');
  const __m128i low = _mm_cmpeq_epi8(_mm_max_epu8(v, dollar), dollar);
  const auto bits = [](__m128i m) { return static_cast<std::uint32_t>(_mm_movemask_epi8(m)); };
  return {bits(blank), bits(_mm_or_si128(_mm_andnot_si128(blank, low), is('\\')))};
}
#else
constexpr std::size_t kStep = 8, kBlankBits = 8;
Seen look(std::span<const char, kStep> text) {
  std::uint64_t v = 0;
  std::memcpy(&v, text.data(), sizeof v);
  if constexpr (std::endian::native == std::endian::big) v = __builtin_bswap64(v);
  constexpr std::uint64_t kOnes = 0x0101010101010101, kLow = 0x7f * kOnes, kHigh = 0x80 * kOnes;
  const auto is = [v](char c) {
    const std::uint64_t x = v ^ static_cast<unsigned char>(c) * kOnes;
    return ~(((x & kLow) + kLow) | x) & kHigh;
  };
  const std::uint64_t blank = is(' ') | is('\t'), low = ~(((v & kLow) + (0x80 - '$' - 1) * kOnes) | v) & kHigh;
  return {blank, (low & ~blank) | is('\\')};
}
#endif
constexpr std::size_t kStride = 64 / kBlankBits;  // Characters whose bits fit a word.

// The same for `left` characters, fewer than kStep, at the end of `text`. Characters before them are read once more,
// because a copy would leave pieces of keys on the stack.
Seen look_at_last(std::string_view text, std::size_t left) {
  if (text.size() >= kStep) {
    const Seen seen = look(std::span(text).last<kStep>());
    return {seen.blanks >> (kStep - left) * kBlankBits, seen.odd};
  }
  std::array<char, kStep> all;  // Too short for a key.
  all.fill('x');
  std::ranges::copy(text.substr(text.size() - left), all.begin());
  return look(std::span<const char, kStep>(all));
}

// The same for as many as kStride characters from `i` on. The end of the text counts as a blank.
Seen look_from(std::string_view text, std::size_t i) {
  const std::string_view rest = text.substr(i);
  Seen all;
  std::size_t at = 0;
  const auto add = [&](Seen seen) { all.blanks |= seen.blanks << at * kBlankBits, all.odd |= seen.odd; };
  for (; at < kStride && rest.size() - at >= kStep; at += kStep)
    add(look(std::span<const char, kStep>(rest.data() + at, kStep)));
  if (at == kStride) return all;
  if (at < rest.size()) add(look_at_last(text, rest.size() - at));
  all.blanks |= std::uint64_t{1} << rest.size() * kBlankBits;
  return all;
}

// Cuts off bare words with blanks between them, beginning at `i`, as far as nothing odd is near. Looks at many
// characters at a time, because keys make most of a file. Flattened: without it a call is made for each word.
[[gnu::flatten]] std::size_t easy_words(std::string_view text, std::size_t i, std::vector<Word>& words) {
  for (std::size_t first = i;; i += kStride) {  // `first`: of the word.
    const Seen seen = look_from(text, i);
    if (seen.odd != 0) return first;
    for (std::uint64_t left = seen.blanks; left != 0; left &= left - 1) {
      const std::size_t end = i + static_cast<std::size_t>(std::countr_zero(left)) / kBlankBits;
      if (end > first)
        words.push_back({{text.data() + first, end - first}, static_cast<std::uint32_t>(first), Word::Kind::bare});
      first = end + 1;
    }
    if (first > text.size()) return text.size();
  }
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

// Takes the word in quotes at `i`, and goes behind it.
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

// Not printable ASCII: escaped, so that the text can be looked at anywhere.
bool is_odd(char c) { return c < 0x20 || c >= 0x7f; }

}  // namespace

std::optional<WordFault> split(std::string_view text, std::vector<Word>& words) {
  words.clear();
  std::size_t i = 0;
  while ((i = easy_words(text, i, words)) < text.size()) {
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

}  // namespace lang
