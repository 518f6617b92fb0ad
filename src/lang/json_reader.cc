// How a stream is cut into objects:
// 1. text_ reads the file, and drops released text.
// 2. next() skips blanks, and the commas and brackets of an array, whose state is in_. If much is skipped while the
//    caller keeps text, next() returns an empty piece, so that the caller can release the text.
// 3. object() lets Braces find the brace that ends an object; its contents are checked elsewhere.
// 4. Where there is no object, or no end of one, stop_at() ends the reading.
#include "lang/json_reader.h"

#include <algorithm>
#include <utility>

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
      if (c == '\n') return State::open_string;
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

void JsonReader::pass(std::size_t count) {
  number_ += static_cast<std::uint32_t>(std::ranges::count(text_.ahead().substr(0, count), '\n'));
  text_.move_to(text_.position() + count);
}

Result<JsonReader::Next> JsonReader::skip_blanks(std::uint64_t since) {
  while (true) {
    const std::string_view ahead = text_.ahead();
    pass(static_cast<std::size_t>(std::ranges::find_if_not(ahead, is_json_blank) - ahead.begin()));
    text_.release_read();
    if (!text_.ahead().empty()) return Next::character;
    if (text_.burdened(since)) return Next::much;
    const auto more_came = text_.more();
    if (!more_came) return std::unexpected(more_came.error());
    if (!*more_came) return Next::end;
  }
}

Result<std::optional<JsonPiece>> JsonReader::next() {
  if (stopped_) return std::nullopt;
  if (!std::exchange(begun_, true))
    if (const auto skipped = text_.skip_mark(); !skipped) return std::unexpected(skipped.error());
  while (true) {
    const auto there = skip_blanks(text_.given());
    if (!there) return std::unexpected(there.error());
    JsonPiece here;
    here.number = number_, here.start = text_.position();
    here.nothing = *there == Next::much;
    if (here.nothing) text_.give_out(here.start);
    if (here.nothing) return here;
    if (*there == Next::end) {
      if (std::exchange(in_, In::stream) == In::stream) return std::nullopt;
      here.broken = "the array has no end: ] is missing";
      return here;
    }
    const char c = text_.ahead().front();
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
    pass(1);
  }
}

Result<std::optional<JsonPiece>> JsonReader::object(JsonPiece piece) {
  if (in_ != In::stream) piece.element = element_++, in_ = In::after_element;
  Braces braces;
  while (true) {
    const std::size_t room = Source::kLongest - (text_.position() - piece.start);
    const std::string_view rest = text_.ahead().substr(0, room);
    std::size_t taken = 0;
    const auto state = braces.take(rest, taken);
    pass(taken);
    if (state == Braces::State::no_end)
      return stop_at(piece, "the object has no end before another one begins: } is missing");
    if (state == Braces::State::open_string)
      return stop_at(piece, "a string of the object has no end on its line: a quotation mark is missing");
    if (state == Braces::State::whole) {
      piece.length = static_cast<std::uint32_t>(text_.position() - piece.start);
      text_.give_out(text_.position());
      return piece;
    }
    if (rest.size() == room) return stop_at(piece, "the object is longer than 1048576 bytes");
    const auto more_came = text_.more();
    if (!more_came) return std::unexpected(more_came.error());
    if (!*more_came) return stop_at(piece, "the object has no end: } is missing");
  }
}

// The rest might be part of the broken object, so no part of it becomes a command.
Result<std::optional<JsonPiece>> JsonReader::stop_at(JsonPiece piece, std::string_view broken) {
  piece.broken = broken;
  stopped_ = true;
  const auto there = skip_blanks(text_.position());
  if (!there) return std::unexpected(there.error());
  piece.unread = *there != Next::end;
  return piece;
}

}  // namespace ipseckey::lang
