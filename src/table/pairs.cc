// How pairs are read:
// 1. begin() cuts the text into words.
// 2. read() finds each name in the table, takes the words of its value, and lets the caller's Store read them in the
//    syntax of the member's type.
// 3. After an unknown name, which unknown_name() explains, reading continues at the next known one.
// 4. Rows with a fault are kept in faulty_, so that checks of the whole entry do not report them again.
// A word that may be a key is not shown (Echo).
#include "table/pairs.h"

#include <fmt/format.h>

#include <algorithm>

#include "table/suggest.h"

namespace ipseckey::table {
namespace {

bool on_one_line(const Word& a, const Word& b) {
  const char* const begin = a.text.data();  // Views into one text.
  const char* const end = b.text.data();
  return std::find(begin, end, '\n') == end;
}

}  // namespace

Place place_of(const Table& table, Words words, const Row& row) {
  if (words.empty()) return {};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Match match = table.find(words[i].text);
    if (!match.row) continue;
    if (match.row == &row) {
      const Word& last = words[std::min(i + value_words(row), words.size() - 1)];
      return {words[i].at, static_cast<std::uint32_t>(last.at + last.text.size() - words[i].at)};
    }
    i += value_words(*match.row);
  }
  return {words[0].at, static_cast<std::uint32_t>(words[0].text.size())};
}

bool Pairs::begin(std::string_view text) {
  faults_.clear();
  given_ = faulty_ = {};
  lost_ = false;
  const auto fault = split(text, words_);
  unread_ = words_;
  if (fault) faults_.push_back({Severity::error, fault->at, 1, std::string(fault->message)});
  return !fault;
}

void Pairs::add(Severity severity, const Word& word, std::string message) {
  const auto length = static_cast<std::uint32_t>(std::max<std::size_t>(word.text.size(), 1));
  add({severity, word.at, length, std::move(message)});
}

// Faults of one place stay in the order in which they were found.
void Pairs::add(Fault fault) {
  const auto behind = std::ranges::upper_bound(faults_, fault.at, {}, &Fault::at);
  faults_.insert(behind, std::move(fault));
}

bool Pairs::is_name(const Word& word) const {
  return word.kind == Word::Kind::bare && language_.table.find(word.text).row;
}

// Our name, NAME=VALUE, or a neighbour's name.
bool Pairs::stands_as_name(const Word& word) const {
  const std::string_view name = word.text.substr(0, word.text.find('='));
  return language_.table.find(name).row || (language_.neighbours && language_.neighbours->has_name(name));
}

std::string Pairs::instead_of(std::string_view word, std::span<const std::string_view> known) const {
  return language_.neighbours ? language_.neighbours->suggestion(word, known) : did_you_mean(word, known);
}

Words Pairs::take(std::size_t count) {
  const Words taken = unread_.first(count);
  unread_ = unread_.subspan(count);
  return taken;
}

// A name where a value should be means that the value was left out, unless it is one of the row's own words.
Words Pairs::take_value(const Row& row) {
  const std::size_t most = std::min(value_words(row), unread_.size());
  std::size_t have = 0;
  while (have < most && (!is_name(unread_[have]) || is_choice(row, unread_[have].text))) ++have;
  return take(have);
}

void Pairs::read(const Entry& entry, Store store) {
  while (!at_end()) {
    if (faults_.size() >= kMostFaults) return give_up();
    const Word& name = take();
    const Match match = language_.table.find(name.text);
    if (!match.row) {
      unknown_name(entry, name);
      continue;
    }
    const Row& row = *match.row;
    const bool used = (row.used & entry.bit) != 0;
    if (!used) not_used(entry, row, name);
    const Words value = take_value(row);
    if (value.size() < value_words(row)) {
      value_missing(match, name);
      continue;
    }
    context_.v6_only = match.v6_only;
    context_.warning.clear();
    const Stored stored = store(row, value, context_, used);
    if (stored == Stored::faulty) {
      value_fault(match, name, value);
    } else if (used && stored == Stored::twice) {
      error(name, fmt::format("Can only specify single {}", row.name()));
    } else if (used) {
      if (!context_.warning.empty()) add(Severity::warning, name, fmt::format("{}: {}", name.text, context_.warning));
      given_.add(match.number);
    }
  }
}

// Names that were not read are not reported as missing.
void Pairs::give_up() {
  error(peek(), "too many faults: the rest of it was not read");
  unread_ = {};
  faulty_ = RowSet::all();
  lost_ = true;
}

// Nothing after an unknown name is understood, so reading continues at the next known one.
void Pairs::unknown_name(const Entry& entry, const Word& word) {
  if (is_comment(word)) return skip_comment(word);
  const auto known = names_used_by(language_.table, entry.bit);
  // NAME=VALUE: the part after the sign may be a key.
  const std::string_view name = word.text.substr(0, word.text.find('='));
  const Match ours = language_.table.find(name);
  if (ours.row) {
    error(word, fmt::format("Unknown {} \"{}=...\"; separate {} and its value with a blank: {} {}", language_.noun,
                            name, language_.a_noun, name, metavar(*ours.row)));
  } else if (name.size() < word.text.size() && language_.neighbours && language_.neighbours->has(name)) {
    error(word, fmt::format("Unknown {} \"{}=...\"{}", language_.noun, name, instead_of(name, known)));
  } else {
    // A suggestion for a word that may not be shown would disclose most of it.
    const Echo echo = this->echo();
    error(word, fmt::format("Unknown {} {}{}", language_.noun, echo.unknown(word),
                            echo.shows(word) ? instead_of(word.text, known) : ""));
  }
  lost_ = true;
  if (ours.row) faulty_ |= ours.bit();
  std::vector<std::string_view> meant;
  if (language_.neighbours) meant = language_.neighbours->ours(name);
  if (meant.empty()) meant = near_misses(word.text, known);
  for (const std::string_view one : meant) faulty_ |= language_.table.find(one).bit();
  while (!at_end() && !stands_as_name(peek())) take();
}

// The rest of the line behind the # is not part of the entry, and never shown.
void Pairs::skip_comment(const Word& mark) {
  error(mark, std::string(language_.comments));
  lost_ = true;
  while (!at_end() && on_one_line(mark, peek())) take();
}

void Pairs::not_used(const Entry& entry, const Row& row, const Word& name) {
  if ((entry.bit & language_.passes_over) != 0 && row.used != 0) {
    add(Severity::warning, name, fmt::format("{} does not use {}; it is ignored", entry.name, name.text));
  } else {
    error(name, fmt::format("Don't use {} {} for {}{}", language_.noun, name.text, entry.name,
                            row.used == 0 ? language_.why_never : ""));
  }
}

void Pairs::value_missing(const Match& match, const Word& name) {
  error(name, fmt::format("{}: {} needs {}", at_end() ? language_.ends : "a value is missing", name.text,
                          metavar(*match.row)));
  faulty_ |= match.bit();
}

void Pairs::value_fault(const Match& match, const Word& name, Words value) {
  const Word& bad = value[context_.fault.word];
  std::string message = std::move(context_.fault.message);
  if (const auto at = message.find("{word}"); at != std::string::npos) {
    const Echo echo = this->echo();
    const bool shown = !is_secret(*match.row) && echo.shows(bad);
    message.replace(at, 6, shown || at == 0 ? echo.value(bad) : "(not shown)");
  }
  error(bad, fmt::format("{}: {}", name.text, message));
  faulty_ |= match.bit();
}

void Pairs::require(const Entry& entry, const RowSet& required) {
  const RowSet missing = required & ~given_ & ~faulty_;
  if (missing.empty()) return;
  for (std::size_t row = 0; row < language_.table.rows.size(); ++row)
    if (missing.has(row)) error(words_[0], fmt::format("{} needs {}", entry.name, language_.table.rows[row]->name()));
}

}  // namespace ipseckey::table
