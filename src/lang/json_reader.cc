// How a stream is cut into objects:
// 1. more() reads more, and drops released text. peek() is the next byte.
// 2. next() skips blanks, and the commas and brackets of an array, whose state is in_.
// 3. object() lets Braces find the brace that ends an object; its contents are checked elsewhere.
// 4. Where there is no object, or no end of one, stop_at() ends the reading.
#include "lang/json_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/cast.h"
#include "base/text.h"

namespace ipseckey::lang {
namespace {

constexpr bool is_json_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// Finds the end of an object in pieces of text.
class Braces {
 public:
  enum class State : std::uint8_t { inside, whole, no_end, open_string };

  /// Continues from `at`, up to the end of the text or behind the brace it finds.
  State take(std::string_view text, std::size_t& at) {
    while (at < text.size()) {
      const State state = in_string_ ? take_string(text, at) : take_outside(text[at], at);
      if (state != State::inside) return state;
    }
    return State::inside;
  }

 private:
  State take_string(std::string_view text, std::size_t& at) {
    for (; at < text.size(); ++at) {
      const char c = text[at];
      if (static_cast<unsigned char>(c) < 0x20) return State::open_string;
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false, ++at;
        break;
      }
    }
    return State::inside;
  }

  State take_outside(char c, std::size_t& at) {
    const bool opens = c == '{' || c == '[';
    // A value begins after one of these; an object that begins elsewhere shows that the one before it has no end.
    if (opens && depth_ > 0 && last_ != ':' && last_ != ',' && last_ != '[') return State::no_end;
    ++at;
    if (is_json_blank(c)) return State::inside;
    in_string_ = c == '"';
    depth_ += opens;
    depth_ -= c == '}' || c == ']';
    last_ = c;
    return depth_ == 0 ? State::whole : State::inside;
  }

  std::uint32_t depth_ = 0;
  char last_ = '\0';
  bool in_string_ = false, escaped_ = false;
};

}  // namespace

std::string_view JsonReader::text(std::uint64_t start, std::size_t length) const {
  return chars_of(buffer_.bytes().subspan(start - base_, length));
}

// Makes room, dropping released text, and reads more. False at the end of the file.
Result<bool> JsonReader::more() {
  if (end_) return false;
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
  end_ = *got == 0;
  return !end_;
}

// False at the end of the file.
Result<bool> JsonReader::peek(char& c) {
  while (position_ == base_ + filled_) {
    const auto more_came = more();
    if (!more_came || !*more_came) return more_came;
  }
  c = text(position_, 1)[0];
  return true;
}

Result<bool> JsonReader::peek_past_blanks(char& c) {
  while (true) {
    const auto there = peek(c);
    if (!there || !*there || !is_json_blank(c)) return there;
    step(c);
  }
}

// Editors on other systems write a byte order mark; it has no meaning here.
Result<void> JsonReader::skip_mark() {
  begun_ = true;
  while (filled_ < text::kByteOrderMark.size()) {
    const auto more_came = more();
    if (!more_came) return std::unexpected(more_came.error());
    if (!*more_came) return {};
  }
  if (text(0, text::kByteOrderMark.size()) == text::kByteOrderMark) position_ = text::kByteOrderMark.size();
  return {};
}

Result<std::optional<JsonPiece>> JsonReader::next() {
  if (stopped_) return std::nullopt;
  if (!begun_)
    if (const auto skipped = skip_mark(); !skipped) return std::unexpected(skipped.error());
  if (keep_ >= returned_) keep_ = position_;  // The text of earlier pieces is no longer needed.
  while (true) {
    char c = '\0';
    const auto there = peek_past_blanks(c);
    if (!there) return std::unexpected(there.error());
    JsonPiece here;
    here.number = number_, here.start = position_;
    if (!*there) {
      if (std::exchange(in_, In::stream) == In::stream) return std::nullopt;
      here.broken = "the array has no end: ] is missing";
      return here;
    }
    const bool object_may_begin = in_ != In::after_element;
    if (c == '{' && object_may_begin) return object(here);
    if (c == '[' && in_ == In::stream) {
      in_ = In::array_start, element_ = 0;
    } else if (c == ',' && in_ == In::after_element) {
      in_ = In::after_comma;
    } else if (c == ']' && (in_ == In::after_element || in_ == In::array_start)) {
      in_ = In::stream;
    } else {
      return stop_at(here, in_ == In::stream  ? "an object is expected here, or an array of objects"
                           : object_may_begin ? "an object is expected here, as an element of the array"
                                              : "a comma or ] is expected here, after an element of the array");
    }
    step(c);
  }
}

Result<std::optional<JsonPiece>> JsonReader::object(JsonPiece piece) {
  if (in_ != In::stream) piece.element = element_++, in_ = In::after_element;
  Braces braces;
  while (true) {
    const std::size_t room = Source::kLongest - (position_ - piece.start);
    const std::string_view rest = text(position_, std::min(base_ + filled_ - position_, room));
    std::size_t taken = 0;
    const auto state = braces.take(rest, taken);
    position_ += taken;
    number_ += static_cast<std::uint32_t>(std::ranges::count(rest.substr(0, taken), '\n'));
    if (state == Braces::State::no_end)
      return stop_at(piece, "the object has no end before another one begins: } is missing");
    if (state == Braces::State::open_string)
      return stop_at(piece, "a string of the object has no end on its line: a quotation mark is missing");
    if (state == Braces::State::whole) {
      piece.length = static_cast<std::uint32_t>(position_ - piece.start);
      returned_ = position_;
      return piece;
    }
    if (rest.size() == room) return stop_at(piece, "the object is longer than 1048576 bytes");
    keep_ = std::min(keep_, piece.start);
    const auto more_came = more();
    if (!more_came) return std::unexpected(more_came.error());
    if (!*more_came) return stop_at(piece, "the object has no end: } is missing");
  }
}

// The rest might be part of the broken object, so nothing of it becomes a command.
Result<std::optional<JsonPiece>> JsonReader::stop_at(JsonPiece piece, std::string_view broken) {
  piece.broken = broken;
  stopped_ = true;
  keep_ = std::max(keep_, position_);
  char c = '\0';
  const auto there = peek_past_blanks(c);
  if (!there) return std::unexpected(there.error());
  piece.unread = *there;
  return piece;
}

}  // namespace ipseckey::lang
