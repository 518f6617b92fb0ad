#pragma once
/// A file of commands cut into commands, as it streams in: comments, continued lines, a limit that people never reach.
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "lang/source.h"
#include "lang/text_stream.h"

namespace ipseckey::lang {

/// A line whose first word starts with # is a comment; one that ends in a backslash continues in the next. A command
/// continues in the next line after a backslash, and, as the Solaris 9 manual prints its examples, when that line is
/// indented and starts with an extension keyword, or with the value that the line before still wants. A blank line ends
/// it. A UTF-8 byte order mark at the start of the file is ignored.
class LineReader final : public Source {
 public:
  explicit LineReader(Fill fill) : text_(std::move(fill)) {}

  /// The next command; nullopt at the end. Fails when reading fails and at a byte that no text file has (NUL). While
  /// the caller keeps text, Line::Kind::nothing comes after each Source::kLongest bytes without a command.
  Result<std::optional<Line>> next() override;
  /// The command's text with its inner newlines; not released yet. The view is valid until next().
  std::string_view text(const Line& line) const override { return text_.view(line.start, line.length); }
  void release(const Line& line) override { text_.release(line.start + line.length); }

 private:
  struct Physical {
    std::uint64_t start = 0;
    std::size_t length = 0;  ///< Without the newline. More than kLongest: at least so long.
    std::uint64_t after = 0;
  };
  Result<std::optional<Physical>> peek(std::uint64_t at);
  Result<void> only_text(std::uint64_t end) const;
  Result<bool> more();
  void look_for_nul(std::uint64_t from);
  std::string_view view(const Physical& line) const { return text_.view(line.start, line.length); }
  Line nothing() const { return {Line::Kind::nothing, number_, text_.position(), 0}; }
  Result<std::optional<Line>> finish_command(Physical first);
  Result<std::optional<Line>> next_command();
  std::optional<Line> too_long(std::uint64_t start, std::uint32_t number, bool command);
  Result<bool> skip_long();
  Result<void> skip_on();
  Result<void> skip_in_line();
  void consume(const Physical& line) { text_.move_to(line.after), ++number_; }

  TextStream text_;
  std::optional<Physical> ahead_;  // The last whole line that was inspected: mostly the next one to be read.
  std::uint64_t nul_ = UINT64_MAX;
  std::uint32_t number_ = 0;  // Of the last line consumed.
  bool begun_ = false;
  bool in_comment_ = false;  // The last line was of a comment, and ended in a backslash.
  /// What is skipped of a command or comment that is too long, and where.
  struct Skipping {
    bool command = true;
    bool line_begins = false;
    bool after_backslash = false;  // The line that begins is continued by a backslash.
    bool comment_inside = false;   // This line is a comment between lines that a backslash joins.
    char last = '\0';              // Of the line so far, the last character that is not blank.
  };
  std::optional<Skipping> skipping_;
};

}  // namespace ipseckey::lang
