// How a stream becomes commands:
// 1. The text is read into one secret buffer; text that no caller needs any more makes room for more.
// 2. peek() finds the end of the next physical line, and rejects NUL bytes.
// 3. next_command() skips empty lines and comments; a comment that ends in a backslash takes the next line with it.
// 4. finish_command() adds the lines that continue a command: after a backslash, or indented and beginning with an
//    extension.
// 5. A command that is too long is reported once, and skip_long() skips the rest of it.
#include "lang/lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/cast.h"
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

// Whether `next` continues the command whose last line is `last`.
bool joins(std::string_view last, std::string_view next) {
  if (next.empty() || (next[0] != ' ' && next[0] != '\t')) return false;
  const std::string_view word = first_word(next);
  if (word.empty() || find_command(word)) return false;
  return find_keyword(word).row != nullptr || wants_value(last);
}

}  // namespace

std::string_view LineReader::view(std::uint64_t start, std::size_t length) const {
  return chars_of(buffer_.bytes().subspan(start - base_, length));
}

std::string_view LineReader::text(const Line& line) const { return view(line.start, line.length); }

// Makes room, dropping released text, and reads more. False at the end of the file.
Result<bool> LineReader::more() {
  if (end_) return false;
  const std::size_t drop = std::min(keep_, position_) - base_;
  if (drop > 0) {
    const MutableBytes b = buffer_.bytes();
    std::memmove(b.data(), b.data() + drop, filled_ - drop);
    base_ += drop, filled_ -= drop;
  }
  constexpr std::size_t kChunk = 256 * 1024;
  if (buffer_.size() - filled_ < kChunk / 2) buffer_.grow(std::max(kChunk, buffer_.size() * 2));
  const MutableBytes room = buffer_.bytes().subspan(filled_);
  const auto got = fill_(room);
  if (!got) return std::unexpected(got.error());
  if (const void* const nul = *got > 0 ? std::memchr(room.data(), 0, *got) : nullptr)
    nul_ =
        std::min(nul_, base_ + filled_ + static_cast<std::uint64_t>(static_cast<const std::byte*>(nul) - room.data()));
  filled_ += *got;
  end_ = *got == 0;
  return !end_;
}

Result<void> LineReader::only_text(std::uint64_t end) const {
  if (nul_ >= end) return {};
  return fail(Errc::syntax, fmt::format("line {} holds a NUL byte: this is not a file of commands", number_ + 1));
}

Result<std::optional<LineReader::Physical>> LineReader::peek(std::uint64_t at) {
  if (ahead_ && ahead_->start == at) return ahead_;
  std::size_t searched = 0;
  while (true) {
    const std::size_t offset = at - base_ + searched;
    const std::string_view rest = view(base_ + offset, filled_ - offset);
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

// Editors on other systems write a byte order mark; it has no meaning here.
Result<void> LineReader::skip_mark() {
  begun_ = true;
  while (filled_ < text::kByteOrderMark.size()) {
    const auto more_came = more();
    if (!more_came) return std::unexpected(more_came.error());
    if (!*more_came) return {};
  }
  if (view(0, text::kByteOrderMark.size()) == text::kByteOrderMark) position_ = text::kByteOrderMark.size();
  return {};
}

Result<std::optional<Line>> LineReader::next() {
  if (!begun_)
    if (const auto skipped = skip_mark(); !skipped) return std::unexpected(skipped.error());
  if (skipping_)
    if (const auto skipped = skip_long(); !skipped) return std::unexpected(skipped.error());
  auto line = next_command();
  if (line && *line) returned_ = std::max(returned_, (*line)->start + (*line)->length);
  return line;
}

Result<std::optional<Line>> LineReader::next_command() {
  while (true) {
    if (keep_ >= returned_) keep_ = position_;  // The text of earlier lines is no longer needed.
    const auto line = peek(position_);
    if (!line) return std::unexpected(line.error());
    if (!*line) return std::nullopt;
    const Physical& l = **line;
    if (l.length > kLongest) return too_long(l.start, number_ + 1);
    consume(l);
    const std::string_view text = view(l.start, l.length);
    if (without_indent(text).empty()) continue;
    if (!is_comment(text)) return finish_command(l);
    auto swallowed = finish_comment(l);
    if (!swallowed || *swallowed) return swallowed;
  }
}

// Lines that belong to a comment, as they do on Solaris, where commenting out the first line of a command is enough.
Result<std::optional<Line>> LineReader::finish_comment(Physical line) {
  while (ends_in_backslash(view(line.start, line.length))) {
    const auto next = peek(position_);
    if (!next) return std::unexpected(next.error());
    if (!*next) return std::nullopt;
    line = **next;
    if (line.length > kLongest) return too_long(line.start, number_ + 1);
    consume(line);
    const std::string_view word = first_word(view(line.start, line.length));
    if (find_command(word))
      return Line{Line::Kind::swallowed, number_, line.start, static_cast<std::uint32_t>(line.length)};
  }
  return std::nullopt;
}

Result<std::optional<Line>> LineReader::finish_command(Physical first) {
  const std::uint32_t number = number_;
  Physical last = first;
  bool continued = ends_in_backslash(view(last.start, last.length));
  while (true) {
    const auto next = peek(position_);
    if (!next && next.error().code == Errc::syntax) break;  // The fault of the next line, which next() will meet.
    if (!next) return std::unexpected(next.error());
    if (!*next) break;
    const Physical& n = **next;
    const std::string_view text = view(n.start, n.length);
    if (!continued && !joins(view(last.start, last.length), text)) break;
    if (n.start + n.length - first.start > kLongest) return too_long(first.start, number);
    consume(n);
    last = n;
    if (without_indent(text).empty()) break;
    if (!continued || !is_comment(text)) continued = ends_in_backslash(text);
  }
  const auto length = static_cast<std::uint32_t>(last.start + last.length - first.start);
  return Line{Line::Kind::command, number, first.start, length};
}

// The rest of it is skipped by the following next(), when the caller has released the text before it.
std::optional<Line> LineReader::too_long(std::uint64_t start, std::uint32_t number) {
  skipping_ = true;
  return Line{Line::Kind::too_long, number, start, 0};
}

Result<void> LineReader::skip_long() {
  skipping_ = false;
  bool backslash = false;  // The last character of the line so far that is not blank.
  while (true) {
    const std::size_t offset = position_ - base_;
    const std::string_view rest = view(position_, filled_ - offset);
    const auto newline = rest.find('\n');
    const bool found = newline != std::string_view::npos;
    const std::string_view piece = rest.substr(0, newline);
    if (const auto text = trimmed_end(piece); !text.empty()) backslash = text.back() == '\\';
    position_ += piece.size();
    if (auto text = only_text(position_); !text) return text;
    if (keep_ >= returned_) keep_ = position_;
    if (found) {
      ++position_, ++number_;
      if (!std::exchange(backslash, false)) return {};
      continue;
    }
    const auto more_came = more();
    if (!more_came) return std::unexpected(more_came.error());
    if (!*more_came) return {};
  }
}

}  // namespace ipseckey::lang
