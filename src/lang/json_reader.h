#pragma once
/// A file of JSON cut into its objects, as it streams in: one after another, or the elements of an array.
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "lang/source.h"

namespace ipseckey::lang {

/// One object, or the text found instead of one.
struct JsonPiece {
  std::uint32_t number = 0;  ///< Of the line where it begins, from 1.
  std::uint64_t start = 0;   ///< Offset in the file.
  std::uint32_t length = 0;
  std::optional<std::uint32_t> element;  ///< Its index, if it is an element of an array.
  /// Why it is not an object; then its text is not kept, and it is the last piece. Empty: it may be one.
  std::string_view broken = {};
  bool unread = false;  ///< It is broken, and more of the file follows.
};

/// Objects are found by their braces, so that one with a mistake inside ends where it ends. Where that is unknown,
/// reading stops: what looks like the next object may be a part of this one.
class JsonReader {
 public:
  explicit JsonReader(Source::Fill fill) : fill_(std::move(fill)) {}

  /// The next piece; nullopt at the end. Fails when reading fails.
  Result<std::optional<JsonPiece>> next();

  /// The text of a piece that is not released yet. The view is valid until next().
  std::string_view text(std::uint64_t start, std::size_t length) const;
  /// Releases the text before that offset. Until then it is kept.
  void release(std::uint64_t end) { keep_ = std::max(keep_, end); }
  /// Of the next byte that will be read.
  std::uint64_t position() const { return position_; }

 private:
  enum class In : std::uint8_t { stream, array_start, after_comma, after_element };

  Result<bool> more();
  Result<bool> peek(char& c);
  Result<bool> peek_past_blanks(char& c);
  Result<void> skip_mark();
  Result<std::optional<JsonPiece>> object(JsonPiece piece);
  Result<std::optional<JsonPiece>> stop_at(JsonPiece piece, std::string_view broken);
  void step(char c) { ++position_, number_ += c == '\n'; }

  Source::Fill fill_;
  SecretBuffer buffer_;
  std::uint64_t base_ = 0;      // Offset in the file of the buffer's first byte.
  std::size_t filled_ = 0;      // Bytes of the buffer that hold text.
  std::uint64_t position_ = 0;  // Offset of the next unread byte.
  std::uint64_t keep_ = 0;
  std::uint64_t returned_ = 0;  // End of the last piece that was given out.
  std::uint32_t number_ = 1;    // Of the line of the next unread byte.
  std::uint32_t element_ = 0;   // Index of the next element.
  In in_ = In::stream;
  bool begun_ = false;
  bool end_ = false;
  bool stopped_ = false;  // A piece was broken.
};

}  // namespace ipseckey::lang
