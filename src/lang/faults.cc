#include "lang/faults.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/net.h"
#include "base/text.h"
#include "lang/keywords.h"
#include "lang/neighbours.h"
#include "lang/suggest.h"
#include "lang/syntax.h"
#include "pfkey/names.h"

namespace lang {
namespace {

std::vector<std::string_view> known_words() {
  std::vector<std::string_view> words;
  const auto add = [&](std::string_view w) { words.push_back(w); };
  for (const CommandRow& c : commands()) text::for_each_word(c.names, add);
  for (const Keyword& k : keywords()) for_each_name(k, add);
  for (const bool auth : {true, false}) std::ranges::for_each(algorithm_names(auth), add);
  for (const auto& table :
       {pfkey::state_words(), pfkey::identity_words(), pfkey::encapsulation_words(), pfkey::offload_words()})
    std::ranges::for_each(pfkey::all_names(table), add);
  for (const std::string_view list : {kSaTypeWords, std::string_view("attr")}) text::for_each_word(list, add);
  return words;
}

bool is_known(std::string_view word) {
  static const std::vector<std::string_view> known = known_words();
  return std::ranges::any_of(known, [&](std::string_view k) { return text::same_word(k, word); }) || is_foreign(word);
}

// Near enough to a known word to be a slip of the finger, and with a letter that no hexadecimal key has.
bool nearly_known(std::string_view word) {
  static const std::vector<std::string_view> known = known_words();
  const bool beyond_hex =
      std::ranges::any_of(word, [](char c) { return text::lower(c) > 'f' && text::lower(c) <= 'z'; });
  return beyond_hex && word.size() <= 24 && !near_misses(word, known).empty();
}

bool names_a_key(std::string_view word) {
  const auto match = find_keyword(word);
  if (match.row) return is_secret(*match.row);
  if (find_command(word)) return false;
  if (brings_a_key(word)) return true;
  if (word.find("key") != std::string_view::npos) return word.size() >= 4;
  constexpr std::size_t kShortest = 4, kLongest = 10;
  return word.size() >= kShortest && word.size() <= kLongest &&
         (text::edit_distance(word, "authkey") <= 3 || text::edit_distance(word, "encrkey") <= 3);
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

bool is_address(std::string_view word) {
  const auto slash = word.find('/');
  const bool prefix = slash == std::string_view::npos || word.size() - slash <= 4;
  return prefix && parse_address(word.substr(0, slash)).has_value();
}

bool printable(std::string_view word) {
  return word.size() <= 64 && std::ranges::all_of(word, [](char c) { return c >= 0x20 && c < 0x7f; });
}

std::string_view severity_word(Severity s) { return s == Severity::error ? "error" : "warning"; }

}  // namespace

bool has_errors(const Faults& faults) {
  return std::ranges::any_of(faults, [](const Fault& f) { return f.severity == Severity::error; });
}

bool like_a_key(std::string_view word) {
  constexpr std::size_t kShortestPiece = 6;
  std::size_t run = 0;
  for (const char c : word) {
    run = text::hex_digit(c) >= 0 ? run + 1 : 0;
    if (run >= kShortestPiece) return true;
  }
  return false;
}

bool may_hold_key(std::string_view text) {
  std::vector<Word> words;
  if (split(text, words)) return true;
  return std::ranges::any_of(words, [](const Word& w) {
    return names_a_key(w.text) ||
           (like_a_key(w.text) && !is_known(w.text) && !small_number(w.text) && !is_address(w.text));
  });
}

Echo::Echo(std::span<const Word> words)
    : words_(words), has_key_(std::ranges::any_of(words, [](const Word& w) { return names_a_key(w.text); })) {}

bool Echo::may_show(const Word& word, bool as_value) const {
  if (is_known(word.text)) return true;
  if (!printable(word.text)) return false;
  if (as_value && (small_number(word.text) || is_mark(word.text) || is_address(word.text))) return true;
  if (has_key_ && !as_value) return nearly_known(word.text);
  return !like_a_key(word.text);
}

std::string Echo::unknown(const Word& word) const {
  if (may_show(word, false)) return fmt::format("\"{}\"", word.text);
  return fmt::format("word ({} characters, not shown: it may be part of a key)", word.text.size());
}

std::string Echo::value(const Word& word) const {
  return may_show(word, true) ? fmt::format("\"{}\"", word.text) : "the value";
}

std::string Echo::masked(std::string_view text) const {
  std::string out(text);
  std::size_t values = 0;  // How many words of the last keyword's value are still to come,
  bool secret = false;     // and whether they are a key.
  for (const Word& word : words_) {
    // A keyword where a value should be means that the value was left out, as the parser has it.
    if (const auto match = find_keyword(word.text); match.row && word.kind == Word::Kind::bare) {
      values = value_words(*match.row), secret = is_secret(*match.row);
      continue;
    }
    // A neighbour's keyword for a key: how many words follow it is not known.
    if (brings_a_key(word.text)) {
      values = words_.size(), secret = true;
      continue;
    }
    const bool is_value = values > 0;
    const bool show = is_value ? !secret && may_show(word, true) : may_show(word, !like_a_key(word.text));
    if (is_value) --values;
    if (show) continue;
    const auto first = static_cast<std::size_t>(word.text.data() - text.data());
    std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(first), word.text.size(), '*');
  }
  for (char& c : out)
    if (c != '\n' && (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)) c = ' ';
  return out;
}

std::string without_text(std::string_view message, std::string_view text) {
  constexpr std::string_view kBetween = " \t\r\n\v\f\"'/:=,@()\\$", kAround = " \"'(),;", kAfter = ".:?";
  constexpr std::size_t kTooShort = 4;  // Small numbers, of which messages have their own.
  std::vector<std::string_view> pieces;
  const auto pieces_of = [&](std::string_view all, std::string_view between) {
    while (!all.empty()) {
      const auto end = std::min(all.find_first_of(between), all.size());
      const std::string_view piece = all.substr(0, end);
      const bool number = piece.find_first_not_of("0123456789") == std::string_view::npos;
      if (!piece.empty() && !is_known(piece) && !(number && piece.size() <= kTooShort)) pieces.push_back(piece);
      if (piece.starts_with('@')) pieces.push_back(piece.substr(1));  // A key's file, as messages name it.
      all.remove_prefix(std::min(end + 1, all.size()));
    }
  };
  pieces_of(text, kBetween);
  pieces_of(text, " \t\r\n\v\f\"");
  std::string out;
  bool quoted = false;
  while (!message.empty()) {
    const auto end = std::min(message.find_first_of(quoted ? std::string_view("\"") : kAround), message.size());
    std::string_view token = message.substr(0, end), after;
    if (!quoted && !token.empty() && kAfter.find(token.back()) != std::string_view::npos)
      after = token.substr(token.size() - 1), token.remove_suffix(1);
    const bool hidden = quoted ? !is_known(token) : std::ranges::find(pieces, token) != pieces.end();
    out.append(hidden && !token.empty() ? "..." : token).append(after);
    if (end < message.size()) out += message[end], quoted ^= message[end] == '"';
    message.remove_prefix(std::min(end + 1, message.size()));
  }
  return out;
}

Position position_of(std::string_view text, std::uint32_t offset, const Origin& origin) {
  const std::string_view before = text.substr(0, offset);
  const auto newline = before.rfind('\n');
  return {origin.line + static_cast<std::uint32_t>(std::ranges::count(before, '\n')),
          static_cast<std::uint32_t>(before.size() - (newline == std::string_view::npos ? 0 : newline + 1)) + 1};
}

void render(const Fault& fault, std::string_view text, const Origin& origin, bool caret, std::string& out) {
  const Position p = position_of(text, fault.at, origin);
  if (!origin.name.empty()) {
    out += fmt::format("{}:{}:{}: ", origin.name, p.line, p.column);
  } else if (!caret) {
    out += fmt::format("column {}: ", p.column);
  }
  out += fmt::format("{}: {}\n", severity_word(fault.severity), fault.message);
  if (!caret) return;

  std::vector<Word> words;
  const bool whole = !split(text, words);
  const std::string shown = whole ? Echo(words).masked(text) : std::string(text.size(), '*');
  const std::size_t begin = fault.at + 1 - p.column;
  std::string line = shown.substr(begin, std::min(shown.find('\n', begin), shown.size()) - begin);
  // A long line is cut to a window around the fault, so that the mark stays on the screen.
  constexpr std::size_t kWidth = 100, kBefore = 50;
  std::size_t column = p.column - 1;
  if (line.size() > kWidth) {
    const std::size_t from = column > kBefore ? column - kBefore : 0;
    line = line.substr(from, kWidth);
    column -= from;
  }
  const std::size_t room = line.size() > column ? line.size() - column : 1;
  const std::size_t marks = std::clamp<std::size_t>(fault.length, 1, room);
  out +=
      fmt::format("{:>6} | {}\n       | {}^{}\n", p.line, line, std::string(column, ' '), std::string(marks - 1, '~'));
}

}  // namespace lang
