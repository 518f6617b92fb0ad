// How a text becomes nodes:
// 1. JsonParser reads the text once; value() creates a node, then inside(), string(), number() or word() finds its end.
// 2. A node precedes those inside it; at its end it records how many there were (`next`).
// 3. The first break ends everything: each step checks for one.
// 4. Strings stay unchanged in the text; string() resolves their escapes on request.
// 5. pointer() and on_the_way() convert a node to its JSON pointer and back.
#include "base/json_tree.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace ipseckey {

namespace {

constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
// In a string it represents itself, and is one octet.
constexpr bool is_plain(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }
constexpr unsigned octet(char c) { return static_cast<unsigned char>(c); }

// Four hexadecimal digits.
std::optional<unsigned> code_unit(std::string_view digits) {
  if (digits.size() < 4) return std::nullopt;
  unsigned unit = 0;
  for (const char c : digits.substr(0, 4)) {
    const int digit = text::hex_digit(c);
    if (digit < 0) return std::nullopt;
    unit = unit * 16 + static_cast<unsigned>(digit);
  }
  return unit;
}

constexpr bool is_high_surrogate(unsigned unit) { return unit >= 0xd800 && unit < 0xdc00; }
constexpr bool is_low_surrogate(unsigned unit) { return unit >= 0xdc00 && unit < 0xe000; }

struct Escape {
  unsigned character = 0;  // Its number in Unicode.
  std::size_t length = 0;  // Length of the escape, including its backslash.
};

// The escape at the start of the text; nullopt: it is not a JSON escape.
std::optional<Escape> escape_at(std::string_view text) {
  constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  if (text.size() < 2) return std::nullopt;
  if (const auto letter = kLetters.find(text[1]); letter != std::string_view::npos)
    return Escape{octet(kMeanings[letter]), 2};
  const auto first = text[1] == 'u' ? code_unit(text.substr(2)) : std::nullopt;
  if (!first || is_low_surrogate(*first)) return std::nullopt;
  if (!is_high_surrogate(*first)) return Escape{*first, 6};
  const auto second = text.substr(6).starts_with("\\u") ? code_unit(text.substr(8)) : std::nullopt;
  if (!second || !is_low_surrogate(*second)) return std::nullopt;
  return Escape{0x10000 + ((*first - 0xd800) << 10) + (*second - 0xdc00), 12};
}

void append_utf8(std::string& out, unsigned character) {
  const auto put = [&](unsigned o) { out += static_cast<char>(o); };
  if (character < 0x80) return put(character);
  if (character < 0x800) {
    put(0xc0 | (character >> 6));
  } else {
    if (character < 0x10000) {
      put(0xe0 | (character >> 12));
    } else {
      put(0xf0 | (character >> 18));
      put(0x80 | ((character >> 12) & 0x3f));
    }
    put(0x80 | ((character >> 6) & 0x3f));
  }
  put(0x80 | (character & 0x3f));
}

// Length in octets of the UTF-8 character (RFC 3629) at the start of the text; 0: there is none.
std::size_t utf8_length(std::string_view text) {
  const unsigned first = octet(text[0]);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((octet(text[i]) & 0xc0) != 0x80) return 0;
  if (length < 3) return length;
  const unsigned second = octet(text[1]);
  const bool out_of_range = (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) ||
                            (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90);
  return out_of_range ? 0 : length;
}

}  // namespace

/// Reads a text once.
class JsonParser {
 public:
  JsonParser(std::string_view text, std::vector<JsonNode>& nodes) : text_(text), nodes_(nodes) {}

  std::optional<JsonBreak> parse() {
    value({}, 0);
    skip_space();
    if (!break_ && at_ < text_.size()) stop("nothing may follow the value");
    return break_;
  }

 private:
  using Kind = JsonNode::Kind;

  struct Text {
    std::uint32_t at = 0, length = 0;
    bool plain = true;  // No escapes.
  };

  void stop(std::string_view message) {
    if (!break_) break_ = JsonBreak{static_cast<std::uint32_t>(at_), message};
  }
  static std::string_view control_character(char c) {
    if (c == '\n' || c == '\r')
      return "control character in a string; close the string on its line, and write \\n for a line break";
    if (c == '\t') return "this string contains a tab; write \\t instead";
    return "this string contains a control character; remove it, or write it as \\u00XX";
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  // Skips the character, and white space before it.
  bool take(char c) {
    skip_space();
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  void value(const Text& name, unsigned depth) {
    skip_space();
    if (nodes_.size() == JsonTree::kMostNodes) return stop("too many values in one object (at most 4096)");
    const std::size_t index = nodes_.size();
    JsonNode node;
    node.name_at = name.at, node.name_length = name.length;
    node.at = static_cast<std::uint32_t>(at_);
    nodes_.push_back(node);
    const char c = peek();
    if (c == '{' || c == '[') {
      node.kind = c == '{' ? Kind::object : Kind::array;
      if (depth == JsonTree::kDeepest) return stop("values are nested too deeply (at most 16 levels)");
      inside(node.kind, depth + 1);
    } else if (c == '"') {
      const Text text = string();
      node.kind = Kind::string, node.at = text.at, node.plain = text.plain;
      node.length = text.length;
    } else if (c == '-' || is_digit(c)) {
      node.kind = Kind::number;
      number();
    } else {
      node.kind = c == 'n' ? Kind::null : Kind::boolean;
      word();
    }
    if (node.kind != Kind::string) node.length = static_cast<std::uint32_t>(at_) - node.at;
    node.next = static_cast<std::uint32_t>(nodes_.size());
    nodes_[index] = node;
  }

  void inside(Kind kind, unsigned depth) {
    const bool object = kind == Kind::object;
    const char end = object ? '}' : ']';
    ++at_;
    if (take(end)) return;
    do {
      Text name;
      if (object) {
        skip_space();
        if (peek() != '"') return stop("a name in quotes is expected here");
        name = string();
        if (!break_ && !take(':')) return stop("a colon is expected here, between a name and its value");
      }
      if (!break_) value(name, depth);
      if (break_) return;
    } while (take(','));
    if (!take(end)) stop(object ? "a comma or } is expected here" : "a comma or ] is expected here");
  }

  Text string() {
    Text text{static_cast<std::uint32_t>(++at_), 0, true};
    while (!break_) {
      while (at_ < text_.size() && is_plain(text_[at_])) ++at_;
      if (peek() == '"') break;
      if (at_ == text_.size()) {
        stop("this string has no closing quote");
      } else if (octet(text_[at_]) < 0x20) {
        stop(control_character(text_[at_]));
      } else if (text_[at_] == '\\') {
        text.plain = false;
        const auto escape = escape_at(text_.substr(at_));
        if (!escape) stop("this is not a JSON escape");
        if (escape) at_ += escape->length;
      } else {
        const std::size_t length = utf8_length(text_.substr(at_));
        if (length == 0) stop("this is not UTF-8; write octets in \"hex\"");
        at_ += length;
      }
    }
    text.length = static_cast<std::uint32_t>(at_) - text.at;
    if (text.length > JsonTree::kLongestString) stop("this string is too long (at most 65536 bytes)");
    ++at_;
    return text;
  }

  void digits() {
    if (!is_digit(peek())) stop("a digit is expected here");
    while (is_digit(peek())) ++at_;
  }

  void number() {
    if (peek() == '-') ++at_;
    if (peek() == '0') {
      ++at_;
      if (is_digit(peek())) return stop("a number must not begin with 0");
    } else {
      digits();
    }
    if (peek() == '.') {
      ++at_;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
  }

  void word() {
    for (const std::string_view word : {"true", "false", "null"})
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return;
      }
    stop("a value is expected here: a number, a string in quotes, true, false, an object or an array");
  }

  std::string_view text_;
  std::vector<JsonNode>& nodes_;
  std::size_t at_ = 0;
  std::optional<JsonBreak> break_;
};

std::optional<JsonBreak> JsonTree::parse(std::string_view text) {
  text_ = text;
  nodes_.clear();
  return JsonParser(text, nodes_).parse();
}

std::string JsonTree::string(const JsonNode& node) const {
  std::string out;
  for (std::string_view rest = raw(node); !rest.empty();) {
    const auto escape = rest[0] == '\\' ? escape_at(rest) : std::nullopt;
    if (escape) append_utf8(out, escape->character);
    if (!escape) out += rest[0];
    rest.remove_prefix(escape ? escape->length : 1);
  }
  return out;
}

const JsonNode* JsonTree::find(const JsonNode& object, std::string_view name) const {
  const JsonNode* found = nullptr;
  if (object.kind != JsonNode::Kind::object) return found;
  for_each(object, [&](const JsonNode& child) {
    if (!found && this->name(child) == name) found = &child;
  });
  return found;
}

const JsonNode& JsonTree::on_the_way(std::string_view pointer) const {
  const JsonNode* node = &root();
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const auto end = std::min(pointer.find('/'), pointer.size());
    const JsonNode* const child = find(*node, pointer.substr(0, end));
    if (!child) break;
    node = child;
    pointer.remove_prefix(end);
  }
  return *node;
}

const JsonNode& JsonTree::parent(const JsonNode& node) const {
  std::size_t i = index_of(node);
  while (i > 0)
    if (nodes_[--i].next > index_of(node)) break;
  return nodes_[i];
}

std::string JsonTree::pointer(const JsonNode& node) const {
  if (&node == &root()) return {};
  const JsonNode& above = parent(node);
  if (above.kind == JsonNode::Kind::object) return fmt::format("{}/{}", pointer(above), name(node));
  std::size_t before = 0;
  for_each(above, [&](const JsonNode& child) { before += &child < &node; });
  return fmt::format("{}/{}", pointer(above), before);
}

}  // namespace ipseckey
