#pragma once
/// A file of commands cut into commands, as it streams in: comments, continued lines, a limit that people never reach.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "lang/source.h"

namespace ipseckey::lang {

/// A line whose first word starts with # is a comment; one that ends in a backslash continues in the next. A command
/// continues in the next line after a backslash, and, as the Solaris 9 manual prints its examples, when that line is
/// indented and starts with an extension keyword, or with the value that the line before still wants. A blank line ends
/// it. A UTF-8 byte order mark at the start of the file is ignored.
class LineReader final : public Source {
 public:
  explicit LineReader(Fill fill) : fill_(std::move(fill)) {}

  /// The next command; nullopt at the end. Fails when reading fails and at a byte that no text file has (NUL).
  Result<std::optional<Line>> next() override;
  /// The command's text with its inner newlines; not released yet. The view is valid until next().
  std::string_view text(const Line& line) const override;
  void release(const Line& line) override { keep_ = std::max(keep_, line.start + line.length); }

 private:
  struct Physical {
    std::uint64_t start = 0;
    std::size_t length = 0;  ///< Without the newline. More than kLongest: at least so long.
    std::uint64_t after = 0;
  };
  Result<std::optional<Physical>> peek(std::uint64_t at);
  Result<void> only_text(std::uint64_t end) const;
  Result<bool> more();
  std::string_view view(std::uint64_t start, std::size_t length) const;
  Result<std::optional<Line>> finish_comment(Physical line);
  Result<std::optional<Line>> finish_command(Physical first);
  Result<std::optional<Line>> next_command();
  std::optional<Line> too_long(std::uint64_t start, std::uint32_t number);
  Result<void> skip_long();
  Result<void> skip_mark();
  void consume(const Physical& line) { position_ = line.after, ++number_; }

  Fill fill_;
  SecretBuffer buffer_;
  std::uint64_t base_ = 0;         // Offset in the file of the buffer's first byte.
  std::size_t filled_ = 0;         // Bytes of the buffer that hold text.
  std::optional<Physical> ahead_;  // The last whole line that was inspected: mostly the next one to be read.
  std::uint64_t position_ = 0;     // Offset of the next unread line.
  std::uint64_t keep_ = 0;
  std::uint64_t nul_ = UINT64_MAX;
  std::uint32_t number_ = 0;    // Of the last line consumed.
  std::uint64_t returned_ = 0;  // End of the last line that was given out.
  bool begun_ = false;
  bool end_ = false;
  bool skipping_ = false;
};

}  // namespace ipseckey::lang
