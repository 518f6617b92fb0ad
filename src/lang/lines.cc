// How a stream becomes commands:
// 1. text_ reads the file, and drops released text.
// 2. peek() finds the end of the next physical line, and rejects NUL bytes.
// 3. next_command() skips empty lines and comments; a comment that ends in a backslash takes the next line with it.
//    If much is skipped while the caller keeps text, it returns nothing(), so that the caller can release the text.
// 4. finish_command() adds the lines that continue a command: after a backslash, or indented and beginning with an
//    extension.
// 5. A command that is too long is reported once, and skip_long() skips the rest of it, with the lines that continue
//    it: after a backslash, or indented and neither another command nor a comment.
#include "lang/lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "lang/keywords.h"
#include "lang/language.h"

namespace ipseckey::lang {
namespace {

std::string_view trimmed_end(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool ends_in_backslash(std::string_view text) {
  const auto t = trimmed_end(text);
  return !t.empty() && t.back() == '\\';
}

std::string_view without_indent(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && is_blank(text[i])) ++i;
  return text.substr(i);
}

std::string_view first_word(std::string_view text) {
  text = without_indent(text);
  std::size_t end = 0;
  while (end < text.size() && !is_blank(text[end])) ++end;
  return text.substr(0, end);
}

bool is_comment(std::string_view text) { return without_indent(text).starts_with('#'); }

// Takes the last word off the text.
std::string_view pop_word(std::string_view& text) {
  text = trimmed_end(text);
  const auto blank = text.find_last_of(" \t");
  const std::string_view word = text.substr(blank == std::string_view::npos ? 0 : blank + 1);
  text.remove_suffix(word.size());
  return word;
}

// Whether the value of the line's last keyword is incomplete.
bool wants_value(std::string_view line) {
  for (std::size_t words_after = 0; words_after < 2; ++words_after)
    if (const auto match = find_keyword(pop_word(line)); match.row) return value_words(*match.row) > words_after;
  return false;
}

bool is_indented(std::string_view line) { return line.starts_with(' ') || line.starts_with('\t'); }

// Whether `next` continues the command whose last line is `last`.
bool joins(std::string_view last, std::string_view next) {
  if (!is_indented(next)) return false;
  const std::string_view word = first_word(next);
  if (word.empty() || find_command(word)) return false;
  return find_keyword(word).row != nullptr || wants_value(last);
}

// The same behind a command that is too long, whose last line is not kept.
bool joins_long(std::string_view next) {
  if (!is_indented(next)) return false;
  const std::string_view word = first_word(next);
  return !word.empty() && !is_comment(word) && !find_command(word);
}

}  // namespace

// Reads on. False at the end of the file.
Result<bool> LineReader::more() {
  const std::uint64_t from = text_.end();
  auto more_came = text_.more();
  look_for_nul(from);
  return more_came;
}

void LineReader::look_for_nul(std::uint64_t from) {
  const auto nul = text_.view(from, text_.end() - from).find('\0');
  if (nul != std::string_view::npos) nul_ = std::min(nul_, from + nul);
}

Result<void> LineReader::only_text(std::uint64_t end) const {
  if (nul_ >= end) return {};
  return fail(Errc::syntax, fmt::format("line {} holds a NUL byte: this is not a file of commands", number_ + 1));
}

Result<std::optional<LineReader::Physical>> LineReader::peek(std::uint64_t at) {
  if (ahead_ && ahead_->start == at) return ahead_;
  std::size_t searched = 0;
  while (true) {
    const std::string_view rest = text_.view(at + searched, text_.end() - at - searched);
    const auto newline = rest.find('\n');
    const bool found = newline != std::string_view::npos;
    searched += found ? newline : rest.size();
    if (!found && searched <= kLongest) {
      const auto more_came = more();
      if (!more_came) return std::unexpected(more_came.error());
      if (*more_came) continue;
      if (searched == 0) return std::nullopt;
    }
    if (auto text = only_text(at + searched); !text) return std::unexpected(std::move(text.error()));
    const Physical line{at, searched, at + searched + (found ? 1 : 0)};
    if (found) ahead_ = line;
    return line;
  }
}

Result<std::optional<Line>> LineReader::next() {
  if (!std::exchange(begun_, true)) {
    if (const auto skipped = text_.skip_mark(); !skipped) return std::unexpected(skipped.error());
    look_for_nul(0);
  }
  const auto skipped = skipping_ ? skip_long() : true;
  if (!skipped) return std::unexpected(skipped.error());
  auto line = *skipped ? next_command() : nothing();
  if (line && *line) text_.give_out((*line)->start + (*line)->length);
  return line;
}

// The lines that belong to a comment are those that do so on Solaris, where commenting out the first line of a command
// is enough.
Result<std::optional<Line>> LineReader::next_command() {
  while (true) {
    text_.release_read();
    if (text_.burdened(text_.given())) return nothing();
    const auto line = peek(text_.position());
    if (!line) return std::unexpected(line.error());
    if (!*line) return std::nullopt;
    const Physical& l = **line;
    const bool commented = std::exchange(in_comment_, false);
    if (l.length > kLongest) {
      const std::string_view begin = without_indent(view(l));
      return too_long(l.start, number_ + 1, !commented && !begin.empty() && !is_comment(begin));
    }
    consume(l);
    const std::string_view text = view(l);
    if (commented && find_command(first_word(text)))
      return Line{Line::Kind::swallowed, number_, l.start, static_cast<std::uint32_t>(l.length)};
    if (!commented && without_indent(text).empty()) continue;
    if (!commented && !is_comment(text)) return finish_command(l);
    in_comment_ = ends_in_backslash(text);
  }
}

Result<std::optional<Line>> LineReader::finish_command(Physical first) {
  const std::uint32_t number = number_;
  Physical last = first;
  bool continued = ends_in_backslash(view(last));
  while (true) {
    const auto next = peek(text_.position());
    if (!next && next.error().code == Errc::syntax) break;  // The fault of the next line, which next() will meet.
    if (!next) return std::unexpected(next.error());
    if (!*next) break;
    const Physical& n = **next;
    const std::string_view text = view(n);
    if (!continued && !joins(view(last), text)) break;
    if (n.start + n.length - first.start > kLongest) return too_long(first.start, number, true);
    consume(n);
    last = n;
    if (without_indent(text).empty()) break;
    if (!continued || !is_comment(text)) continued = ends_in_backslash(text);
  }
  const auto length = static_cast<std::uint32_t>(last.start + last.length - first.start);
  return Line{Line::Kind::command, number, first.start, length};
}

// The rest of it is skipped by the following next(), when the caller has released the text before it.
std::optional<Line> LineReader::too_long(std::uint64_t start, std::uint32_t number, bool command) {
  skipping_ = Skipping{.command = command};
  return Line{Line::Kind::too_long, number, start, 0};
}

// False: the caller keeps text, and must release it first.
Result<bool> LineReader::skip_long() {
  while (skipping_) {
    text_.release_read();
    if (text_.burdened(text_.given())) return false;
    if (auto skipped = skipping_->line_begins ? skip_on() : skip_in_line(); !skipped)
      return std::unexpected(std::move(skipped.error()));
  }
  return true;
}

// At the start of a line: whether it is part of what is skipped.
Result<void> LineReader::skip_on() {
  const auto next = peek(text_.position());
  if (!next && next.error().code != Errc::syntax) return std::unexpected(next.error());
  const std::string_view text = next && *next ? view(**next) : std::string_view();
  // Of a line that cannot be read, next() reports the fault.
  if (!next || !*next || (!skipping_->after_backslash && !(skipping_->command && joins_long(text)))) {
    skipping_.reset();
  } else {
    skipping_->line_begins = false, skipping_->last = '\0';
    skipping_->comment_inside = skipping_->command && skipping_->after_backslash && is_comment(text);
  }
  return {};
}

// Up to the end of the line, or of what was read ahead.
Result<void> LineReader::skip_in_line() {
  const std::string_view rest = text_.ahead();
  const auto newline = rest.find('\n');
  const std::string_view piece = rest.substr(0, newline);
  if (const auto text = trimmed_end(piece); !text.empty()) skipping_->last = text.back();
  text_.move_to(text_.position() + piece.size());
  if (auto text = only_text(text_.position()); !text) return std::unexpected(std::move(text.error()));
  if (newline == std::string_view::npos) {
    const auto more_came = more();
    if (!more_came) return std::unexpected(more_came.error());
    if (!*more_came) skipping_.reset();
    return {};
  }
  text_.move_to(text_.position() + 1), ++number_;
  skipping_->line_begins = true;
  if (!skipping_->comment_inside) skipping_->after_backslash = skipping_->last == '\\';
  if (skipping_->last == '\0') skipping_.reset();  // A blank line ends it.
  return {};
}

}  // namespace ipseckey::lang
