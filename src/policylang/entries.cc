// 1. Comments become blanks, so that every offset stays what it was.
// 2. head() takes the line before the first entry, if it says in which order rules are tried. next() goes to the next
// word, counts its line, and has Shape read one entry from there.
// 3. Shape finds braces and actions. Lines may end inside braces and in front of an opening one only, so that a line
//    that lacks something does not take the next entry for it.
// 4. After a fault, the entry lasts up to the next line that begins with an opening brace.
#include "policylang/entries.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "policylang/rows.h"
#include "table/words.h"

namespace ipseckey::policylang {
namespace {

constexpr std::string_view kOrder = "order";

bool is_space(char c) { return c != '\n' && table::is_blank(c); }
bool is_brace(char c) { return c == '{' || c == '}'; }

std::string without_comments(std::string_view file) {
  std::string text(file);
  bool comment = false;
  for (char& c : text) {
    if (c == '\n') comment = false;
    comment = comment || c == '#';
    if (comment) c = ' ';
  }
  return text;
}

}  // namespace

// Reads one entry from a text that begins with its first word.
class Entries::Shape {
 public:
  Shape(std::string_view rest, Entry& entry) : text_(rest), entry_(entry) {}

  /// The length of the entry's text.
  std::size_t read() {
    const bool whole = pattern() && clauses();
    entry_.text = text_.substr(0, whole ? at_ : next_entry());
    if (whole) foreign_characters();
    return entry_.text.size();
  }

 private:
  bool fault(std::size_t at, std::size_t size, std::string message) {
    entry_.faults.push_back({table::Severity::error, static_cast<std::uint32_t>(at),
                             static_cast<std::uint32_t>(std::max<std::size_t>(size, 1)), std::move(message)});
    return false;
  }

  bool at_end() const { return at_ >= text_.size(); }
  char here() const { return at_end() ? '\n' : text_[at_]; }
  void skip_spaces() {
    while (!at_end() && is_space(text_[at_])) ++at_;
  }
  void skip_blanks() {
    while (!at_end() && table::is_blank(text_[at_])) ++at_;
  }
  Piece word() {
    const std::size_t begin = at_;
    while (!at_end() && !table::is_blank(text_[at_]) && !is_brace(text_[at_])) ++at_;
    return {begin, at_ - begin};
  }

  bool pattern() {
    if (here() == '{') return braces(entry_.pattern);
    const Piece first = word();
    if (text_.substr(0, first.size) == "or")
      return fault(0, first.size, "a line cannot begin with or: put it on the line of the } before it");
    if (text_.substr(0, first.size) == kOrder)
      return fault(0, first.size, "order is about the whole file: it can be there once, before the first entry");
    return fault(0, first.size, "an entry begins with a pattern in braces: { ... } ACTION { ... }");
  }

  // Between an opening brace, which is here, and its closing one.
  bool braces(Piece& inside) {
    const std::size_t open = at_, end = text_.find_first_of("{}", open + 1);
    at_ = open + 1;
    if (end == std::string_view::npos) return fault(open, 1, "this { is not closed: a } is missing");
    at_ = end;
    if (text_[end] == '{') return fault(open, 1, "this { is not closed: another one comes before a }");
    inside = {open + 1, end - open - 1};
    ++at_;
    return true;
  }

  bool clauses() {
    while (true) {
      if (!clause()) return false;
      skip_spaces();
      if (here() == '\n') return true;
      const Piece next = word();
      if (text_.substr(next.at, next.size) != "or")
        return fault(next.at, next.size, "an entry ends with its last }: only or and another action can follow it");
    }
  }

  bool clause() {
    const std::size_t before = at_ - 1;
    skip_spaces();
    if (here() == '\n' || is_brace(here()))
      return fault(before, 1, fmt::format("an action is missing behind this, on the same line: {}", action_names()));
    Clause clause;
    clause.action = word();
    skip_blanks();
    if (at_end() || here() != '{')
      return fault(clause.action.at, clause.action.size,
                   "the braces with the properties are missing behind this; without properties, write {}");
    if (!braces(clause.properties)) return false;
    entry_.clauses.push_back(clause);
    return true;
  }

  void foreign_characters() {
    const std::size_t at = entry_.text.find_first_of("\\\"");
    if (at == std::string_view::npos) return;
    fault(at, 1,
          text_[at] == '\\' ? "a backslash does not continue a line: break it within braces or before a {"
                            : "a quotation mark has no meaning in a rule");
  }

  // Where the next line begins that starts with a brace; what was read already is not read again.
  std::size_t next_entry() const {
    std::size_t line = text_.rfind('\n', at_);
    if (line == std::string_view::npos) line = text_.find('\n', at_);
    while (line != std::string_view::npos) {
      std::size_t first = line + 1;
      while (first < text_.size() && is_space(text_[first])) ++first;
      if (first >= at_ && first < text_.size() && text_[first] == '{') return first;
      line = text_.find('\n', line + 1);
    }
    return text_.size();
  }

  std::string_view text_;
  Entry& entry_;
  std::size_t at_ = 0;
};

Entries::Entries(std::string_view file) : text_(without_comments(file)) {}

bool Entries::skip_blanks() {
  while (at_ < text_.size() && table::is_blank(text_[at_])) ++at_;
  return at_ < text_.size();
}

// With its place, but without its text.
Entry Entries::begin_entry() {
  line_ += static_cast<std::uint32_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(counted_),
                                                 text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n'));
  counted_ = at_;
  Entry entry;
  entry.line = line_;
  const std::size_t before = text_.rfind('\n', at_);
  entry.column = static_cast<std::uint32_t>(before == std::string::npos ? at_ + 1 : at_ - before);
  return entry;
}

std::optional<Entry> Entries::head() {
  if (!skip_blanks()) return std::nullopt;
  std::string_view line = std::string_view(text_).substr(at_);
  line = line.substr(0, line.find('\n'));
  line = line.substr(0, line.find_last_not_of(" \t\r\v\f") + 1);
  if (text::first_word(line) != kOrder) return std::nullopt;
  Entry entry = begin_entry();
  entry.text = line;
  at_ += line.size();
  return entry;
}

std::optional<Entry> Entries::next() {
  if (!skip_blanks()) return std::nullopt;
  Entry entry = begin_entry();
  at_ += Shape(std::string_view(text_).substr(at_), entry).read();
  return entry;
}

}  // namespace ipseckey::policylang
