#include "lang/text_stream.h"

#include <cstring>

#include "base/cast.h"
#include "base/text.h"

namespace ipseckey::lang {

std::string_view TextStream::view(std::uint64_t start, std::size_t length) const {
  return chars_of(buffer_.bytes().subspan(start - base_, length));
}

Result<bool> TextStream::more() {
  if (ended_) return false;
  const std::size_t drop = std::min(keep_, position_) - base_;
  if (drop > 0) {
    const MutableBytes b = buffer_.bytes();
    std::memmove(b.data(), b.data() + drop, filled_ - drop);
    base_ += drop, filled_ -= drop;
  }
  constexpr std::size_t kChunk = 256 * 1024;
  if (buffer_.size() - filled_ < kChunk / 2) buffer_.grow(std::max(kChunk, buffer_.size() * 2));
  const auto got = fill_(buffer_.bytes().subspan(filled_));
  if (!got) return std::unexpected(got.error());
  filled_ += *got;
  ended_ = *got == 0;
  return !ended_;
}

// Editors of other systems write the mark; it says nothing here.
Result<void> TextStream::skip_mark() {
  while (filled_ < text::kByteOrderMark.size()) {
    const auto more_came = more();
    if (!more_came) return std::unexpected(more_came.error());
    if (!*more_came) return {};
  }
  if (view(0, text::kByteOrderMark.size()) == text::kByteOrderMark) position_ = text::kByteOrderMark.size();
  return {};
}

}  // namespace ipseckey::lang
