#pragma once
/// JSON that is read: one value, cut into nodes that point into its text. The text may hold keys, so nothing of it is
/// copied here and no fault quotes it.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ipseckey {

/// One value.
struct JsonNode {
  enum class Kind : std::uint8_t { null, boolean, number, string, array, object };
  Kind kind = Kind::null;
  bool plain = true;                           ///< Of a string: it has no escapes.
  std::uint32_t at = 0, length = 0;            ///< Where it stands in the text; a string without its quotes.
  std::uint32_t name_at = 0, name_length = 0;  ///< Of a member of an object: its name, without quotes.
  std::uint32_t next = 0;                      ///< Index of the node behind this one and all that is in it.
};

/// Why a text is no JSON (RFC 8259), or more of it than is taken.
struct JsonBreak {
  std::uint32_t at;  ///< Offset in the text.
  std::string_view message;
};

class JsonTree {
 public:
  static constexpr unsigned kDeepest = 16;              ///< Arrays and objects in one another.
  static constexpr std::size_t kMostNodes = 4096;       ///< Values in all.
  static constexpr std::size_t kLongestString = 65536;  ///< Bytes.

  /// The text is one value, with white space around it. It is the caller's and outlives the tree. After a break there
  /// is no root.
  std::optional<JsonBreak> parse(std::string_view text);

  const JsonNode& root() const { return nodes_.front(); }
  /// As it stands in the text: digits, true or false; what is between the quotes of a string, escapes and all.
  std::string_view raw(const JsonNode& node) const { return text_.substr(node.at, node.length); }
  /// The text of a string, escapes resolved.
  std::string string(const JsonNode& node) const;
  /// The name of a member as it stands in the text: one that is written with escapes is no name of ours.
  std::string_view name(const JsonNode& node) const { return text_.substr(node.name_at, node.name_length); }

  /// Calls f(child) for each member of an object, each element of an array.
  template <class F>
  void for_each(const JsonNode& parent, F f) const {
    for (std::size_t i = index_of(parent) + 1; i < parent.next; i = nodes_[i].next) f(nodes_[i]);
  }
  /// The member of an object; nullptr: it has none of that name.
  const JsonNode* find(const JsonNode& object, std::string_view name) const;
  /// What the pointer (RFC 6901, of names alone) leads to from the root; where that is not there, the last
  /// node on the way.
  const JsonNode& on_the_way(std::string_view pointer) const;
  /// The JSON pointer of a node; empty: the root.
  std::string pointer(const JsonNode& node) const;
  /// What a node is in; the root is in itself.
  const JsonNode& parent(const JsonNode& node) const;

 private:
  friend class JsonParser;
  std::size_t index_of(const JsonNode& node) const { return static_cast<std::size_t>(&node - nodes_.data()); }

  std::string_view text_;
  std::vector<JsonNode> nodes_;  // Each before what is in it.
};

}  // namespace ipseckey
