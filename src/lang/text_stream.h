#pragma once
/// The text of a file as it streams in, for the readers that cut it into commands.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "lang/source.h"

namespace ipseckey::lang {

/// A window on the file, in memory that is wiped: from the oldest text that is kept to what was read ahead. Offsets
/// count from the start of the file. The window grows until text is released, so a reader that skips much text while
/// its caller keeps some (burdened()) returns to the caller first.
class TextStream {
 public:
  explicit TextStream(Source::Fill fill) : fill_(std::move(fill)) {}

  /// Of the next unread byte: at first 0, or behind a UTF-8 byte order mark once skip_mark() was called.
  std::uint64_t position() const { return position_; }
  void move_to(std::uint64_t position) { position_ = position; }
  Result<void> skip_mark();

  /// Behind the last byte that was read ahead.
  std::uint64_t end() const { return base_ + filled_; }
  /// Text that is kept or was read ahead. The view is valid until more().
  std::string_view view(std::uint64_t start, std::size_t length) const;
  /// From the position to the end().
  std::string_view ahead() const { return view(position_, end() - position_); }

  /// Reads more, and drops released text. False at the end of the file.
  Result<bool> more();

  /// The caller may use the text up to this offset until it releases it.
  void give_out(std::uint64_t end) { given_ = std::max(given_, end); }
  void release(std::uint64_t end) { keep_ = std::max(keep_, end); }
  /// Releases the text before the position, except what the caller keeps.
  void release_read() {
    if (keep_ >= given_) keep_ = position_;
  }
  /// Whether the caller keeps text, and more than Source::kLongest bytes came after `since`, which is not before it.
  bool burdened(std::uint64_t since) const { return keep_ < given_ && position_ - since > Source::kLongest; }
  /// The end of what was given out.
  std::uint64_t given() const { return given_; }

 private:
  Source::Fill fill_;
  SecretBuffer buffer_;
  std::uint64_t base_ = 0;  // Offset of the buffer's first byte.
  std::size_t filled_ = 0;  // Bytes of the buffer that hold text.
  std::uint64_t position_ = 0;
  std::uint64_t keep_ = 0;  // Text before it is dropped.
  std::uint64_t given_ = 0;
  bool ended_ = false;
};

}  // namespace ipseckey::lang
