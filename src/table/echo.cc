// Which words of a command a message may show:
// 1. An Echo reads all words of the command once; each gets a Look: keyword, value, stray.
// 2. Words that the language knows, or words similar to them, may be shown; so may small numbers, marks and addresses
//    that are not beside a key.
// 3. After a keyword that takes a key, or a word that looks like its name, nothing is shown up to the next keyword.
// 4. hide_groups() finds keys that were typed in groups, and hides the words among the groups.
// 5. masked() gives a text with every hidden word replaced; like_a_key() and may_hold_key() answer for single texts.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/net.h"
#include "base/secret.h"
#include "base/text.h"
#include "table/faults.h"
#include "table/suggest.h"

namespace ipseckey::table {
namespace {

constexpr std::size_t kShortestPiece = 6;  // Digits of a key; fewer disclose too little.

// Names for a key that people use who do not know our keywords.
constexpr std::string_view kKeyNames = "key keys secret passwd password passphrase pass psk";

// Whether a neighbour's word is followed by a key.
bool brings_a_key(const Language& language, std::string_view theirs) {
  if (!language.neighbours) return false;
  const auto ours = language.neighbours->ours(theirs);
  return std::ranges::any_of(ours, [&](std::string_view name) {
    const Match match = language.table.find(name);
    return match.row && is_secret(*match.row);
  });
}

bool is_letter(char c) { return text::lower(c) >= 'a' && text::lower(c) <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// So similar to a known word that it may be a typing error, and with a letter that no hexadecimal key has.
bool nearly_known(const Language& language, std::string_view word) {
  constexpr std::size_t kShortest = 3, kLongest = 24;
  if (word.size() < kShortest || word.size() > kLongest) return false;
  const auto of_a_word = [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; };
  const auto beyond_hex = [](char c) { return is_letter(c) && text::lower(c) > 'f'; };
  return std::ranges::all_of(word, of_a_word) && std::ranges::any_of(word, beyond_hex) &&
         !near_misses(word, language.known()).empty();
}

bool small_letters_name_a_key(const Language& language, std::string_view word) {
  const auto match = language.table.find(word);
  if (match.row) return is_secret(*match.row);
  if (language.is_head(word)) return false;
  if (brings_a_key(language, word) || text::list_has(kKeyNames, word)) return true;
  constexpr std::size_t kShortest = 4, kLongest = 10;
  if (word.size() < kShortest) return false;
  for (const std::string_view part : {"key", "secret", "passw"})
    if (word.find(part) != std::string_view::npos) return true;
  return word.size() <= kLongest &&
         (text::edit_distance(word, "authkey") <= 3 || text::edit_distance(word, "encrkey") <= 3);
}

// Keywords are in small letters, and people write "AUTHKEY". The word may be a key itself, so its copy is wiped.
bool names_a_key(const Language& language, std::string_view word) {
  std::array<char, 64> copy{};
  if (word.size() > copy.size()) return small_letters_name_a_key(language, word);
  std::ranges::transform(word, copy.begin(), text::lower);
  const bool names = small_letters_name_a_key(language, {copy.data(), word.size()});
  wipe(std::as_writable_bytes(std::span(copy)));
  return names;
}

bool small_number(std::string_view word) {
  const bool hex = word.starts_with("0x") || word.starts_with("0X");
  const std::string_view digits = hex ? word.substr(2) : word;
  return !digits.empty() && digits.size() <= (hex ? 9u : 11u) &&
         digits.find_first_not_of(hex ? "0123456789abcdefABCDEF" : "0123456789") == std::string_view::npos;
}

// "0x10/0xff".
bool is_mark(std::string_view word) {
  const auto slash = word.find('/');
  return slash != std::string_view::npos && small_number(word.substr(0, slash)) && small_number(word.substr(slash + 1));
}

// The beginning of an IPv4 address, "10.1": three numbers at most, with dots.
bool short_of_octets(std::string_view word) {
  std::size_t dots = 0, digits = 0;
  for (const char c : word) {
    if (c == '.' ? digits == 0 : !is_digit(c)) return false;
    dots += c == '.';
    digits = c == '.' ? 0 : digits + 1;
    if (digits > 3) return false;
  }
  return dots <= 2 && digits > 0;
}

bool is_address(std::string_view word) {
  const auto slash = word.find('/');
  if (slash == std::string_view::npos) return parse_address(word).has_value();
  const std::string_view address = word.substr(0, slash);
  return word.size() - slash <= 4 && (parse_address(address).has_value() || short_of_octets(address));
}

bool printable(std::string_view word) {
  return word.size() <= 64 && std::ranges::all_of(word, [](char c) { return c >= 0x20 && c < 0x7f; });
}

struct Groups {
  std::size_t count = 0, digits = 0;
};

// The groups of a word that consists only of groups of hexadecimal digits, whatever separates them: "c0ff", "c0:ff:ee",
// "{0xc0,0xff}", "\xc0\xff". Other words have none.
Groups hex_groups(std::string_view word) {
  Groups all;
  word.remove_prefix(word.rfind('=') + 1);
  const auto in_group = [](char c) { return is_letter(c) || is_digit(c); };
  while (true) {
    const auto begin = std::ranges::find_if(word, in_group);
    const auto end = std::find_if_not(begin, word.end(), in_group);
    if (begin == end) return all;
    std::string_view group(begin, end);
    for (const std::string_view mark : {"0x", "0X", "x", "X"})
      if (group.starts_with(mark) && group.size() > mark.size()) {
        group.remove_prefix(mark.size());
        break;
      }
    if (!std::ranges::all_of(group, [](char c) { return text::hex_digit(c) >= 0; })) return {};
    ++all.count, all.digits += group.size();
    word = std::string_view(end, word.end());
  }
}

bool dotted(std::string_view word) { return word.find(':') == std::string_view::npos && is_address(word); }

// An address, but not one that may be a key in eight groups of four digits.
bool plain_address(std::string_view word) {
  return is_address(word) && (dotted(word) || word.find("::") != std::string_view::npos);
}

// An IPv4 address, or one with a typing error: "192.0.2.256".
bool four_numbers(std::string_view word) {
  std::size_t numbers = 1, digits = 0;
  for (const char c : word) {
    const bool dot = c == '.';
    if (dot ? digits == 0 : !is_digit(c)) return false;
    numbers += dot;
    digits = dot ? 0 : digits + 1;
    if (digits > 3) return false;
  }
  return numbers == 4 && digits > 0;
}

// The same with a prefix, or an address with a zone, which no SA has: "192.0.2.256/24", "fe80::%2/64".
bool nearly_address(std::string_view word) {
  const auto slash = std::min(word.find('/'), word.size()), zone = std::min(word.find('%'), slash);
  const std::string_view address = word.substr(0, zone), prefix = word.substr(slash);
  return prefix.size() <= 4 && !like_a_key(word.substr(zone, slash - zone)) &&
         (zone < slash ? plain_address(address) : four_numbers(address));
}

// Whether a keyword's value may be shown, unless the words around it forbid that.
bool fit_as_value(const Language& language, std::string_view word, bool addresses) {
  if (is_known(language, word)) return true;
  if (!printable(word)) return false;
  const bool address = addresses ? is_address(word) || nearly_address(word) : plain_address(word);
  return small_number(word) || is_mark(word) || address || !like_a_key(word);
}

}  // namespace

bool is_known(const Language& language, std::string_view word) {
  return std::ranges::any_of(language.known(), [&](std::string_view k) { return text::same_word(k, word); }) ||
         (language.neighbours && language.neighbours->has(word));
}

bool like_a_key(std::string_view word) {
  std::size_t run = 0;
  for (const char c : word) {
    run = text::hex_digit(c) >= 0 ? run + 1 : 0;
    if (run >= kShortestPiece) return true;
  }
  const Groups groups = hex_groups(word);
  return groups.count > 1 && groups.digits >= kShortestPiece;
}

bool may_hold_key(const Language& language, std::string_view text) {
  std::vector<Word> words;
  return split(text, words) || Echo(language, words).has_key();
}

struct Echo::Look {
  enum class As : std::uint8_t { plain, value, stray };  // plain: a name, the head of an entry, or nearly one.
  As as = As::plain;
  Groups groups;
};

Echo::Echo(const Language& language, Words words)
    : language_(language),
      words_(words),
      has_key_(std::ranges::any_of(words, [&](const Word& w) { return names_a_key(language, w.text); })) {
  std::vector<Look> looks(words.size());
  const bool beside_key = has_key_;
  std::size_t values = 0;  // Number of words of the last keyword's value that are still to come,
  bool secret = false;     // whether they, and all words up to the next keyword, are a key,
  bool addresses = false;  // and whether they are addresses.
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i].text;
    // A keyword where a value should be means that the value was left out; the parser decides alike.
    const auto match = words[i].kind == Word::Kind::bare ? language.table.find(word) : Match{};
    if (match.row || (i == 0 && language.is_head(word))) {
      values = match.row ? value_words(*match.row) : 0, secret = match.row && is_secret(*match.row);
      addresses = match.row && metavar(*match.row).starts_with("ADDRESS");
      shown_.push_back(true);
    } else if (values > 0) {
      --values;
      looks[i] = {Look::As::value, dotted(word) ? Groups{} : hex_groups(word)};
      shown_.push_back(!secret && fit_as_value(language, word, addresses));
      has_key_ |= !secret && !shown_[i];
    } else if (names_a_key(language, word)) {
      secret = true;
      shown_.push_back(is_known(language, word) || text::list_has(kKeyNames, word) || nearly_known(language, word));
    } else if (nearly_known(language, word) && !is_known(language, word)) {
      values = 1, secret = addresses = false;
      shown_.push_back(true);
    } else {
      looks[i] = {Look::As::stray, hex_groups(word)};
      const bool own = is_known(language, word) && looks[i].groups.count == 0;
      const bool plain = printable(word) && (dotted(word) || (!beside_key && !like_a_key(word)));
      shown_.push_back(own || (!secret && (is_known(language, word) || plain)));
      has_key_ |= like_a_key(word) && !is_known(language, word) && !is_address(word) && !small_number(word);
    }
  }
  hide_groups(looks);
}

// Of a key in groups at most one group is a value; the others are stray words. A word among the groups may be a group
// with a typing error, or the same octets as characters, as in a dump of a file.
void Echo::hide_groups(std::span<Look> looks) {
  for (std::size_t i = 0; i < looks.size();) {
    if (looks[i].as != Look::As::stray) {
      ++i;
      continue;
    }
    std::size_t first = i, digits = 0;
    bool groups = false;
    for (; i < looks.size() && looks[i].as == Look::As::stray; ++i)
      if (!dotted(words_[i].text)) digits += looks[i].groups.digits, groups |= looks[i].groups.count > 0;
    while (first > 0 && looks[first - 1].as == Look::As::value && looks[first - 1].groups.count > 0)
      digits += looks[--first].groups.digits;
    if (!groups || digits < kShortestPiece) continue;
    has_key_ = true;
    for (std::size_t hidden = first; hidden < i; ++hidden)
      shown_[hidden] = shown_[hidden] && is_known(language_, words_[hidden].text) && looks[hidden].groups.count == 0;
  }
}

bool Echo::shows(const Word& word) const {
  const auto at = std::ranges::find(words_, word.at, &Word::at);
  return at != words_.end() && shown_[static_cast<std::size_t>(at - words_.begin())];
}

std::string Echo::unknown(const Word& word) const {
  if (shows(word)) return fmt::format("\"{}\"", word.text);
  return fmt::format("word ({} characters, not shown: it may be part of a key)", word.text.size());
}

std::string Echo::value(const Word& word) const { return shows(word) ? fmt::format("\"{}\"", word.text) : "the value"; }

std::string Echo::masked(std::string_view text) const {
  std::string out(text);
  for (std::size_t i = 0; i < words_.size(); ++i) {
    if (shown_[i]) continue;
    const std::string_view word = words_[i].text;
    std::fill_n(out.begin() + (word.data() - text.data()), word.size(), '*');
  }
  for (char& c : out)
    if (c != '\n' && (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)) c = ' ';
  return out;
}

}  // namespace ipseckey::table
