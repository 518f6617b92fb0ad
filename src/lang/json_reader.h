#pragma once
/// A file of JSON cut into its objects, as it streams in: one after another, or the elements of an array.
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "lang/source.h"
#include "lang/text_stream.h"

namespace ipseckey::lang {

/// One object, or the text found instead of one.
struct JsonPiece {
  std::uint32_t number = 0;  ///< Of the line where it begins, from 1.
  std::uint64_t start = 0;   ///< Offset in the file.
  std::uint32_t length = 0;
  std::optional<std::uint32_t> element;  ///< Its index, if it is an element of an array.
  /// Why it is not an object; then its text is not kept, and it is the last piece. Empty: it may be one.
  std::string_view broken = {};
  bool unread = false;   ///< It is broken, and more of the file follows.
  bool nothing = false;  ///< Not an object: much was skipped while the caller kept text, which it can release now.
};

/// Objects are found by their braces, so that one with a mistake inside ends where it ends. Where that is unknown,
/// reading stops: what looks like the next object may be a part of this one.
class JsonReader {
 public:
  explicit JsonReader(Source::Fill fill) : text_(std::move(fill)) {}

  /// The next piece; nullopt at the end. Fails when reading fails.
  Result<std::optional<JsonPiece>> next();

  /// The text of a piece that is not released yet. The view is valid until next().
  std::string_view text(std::uint64_t start, std::size_t length) const { return text_.view(start, length); }
  /// Releases the text before that offset. Until then it is kept.
  void release(std::uint64_t end) { text_.release(end); }
  /// Of the next byte that will be read.
  std::uint64_t position() const { return text_.position(); }

 private:
  enum class In : std::uint8_t { stream, array_start, after_comma, after_element };

  /// What follows the blanks; `much`: only blanks so far, while the caller keeps text.
  enum class Next : std::uint8_t { character, end, much };

  Result<Next> skip_blanks(std::uint64_t since);
  Result<std::optional<JsonPiece>> object(JsonPiece piece);
  Result<std::optional<JsonPiece>> stop_at(JsonPiece piece, std::string_view broken);
  void pass(std::size_t count);

  TextStream text_;
  std::uint32_t number_ = 1;   // Of the line of the next unread byte.
  std::uint32_t element_ = 0;  // Index of the next element.
  In in_ = In::stream;
  bool begun_ = false;
  bool stopped_ = false;  // A piece was broken.
};

}  // namespace ipseckey::lang
