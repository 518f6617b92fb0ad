#pragma once
/// Parsed JSON: one value, split into nodes that point into its text. The text may contain keys, so no part of it is
/// copied here and no error message quotes it.
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
  bool plain = true;                           ///< For a string: it has no escapes.
  std::uint32_t at = 0, length = 0;            ///< Its place in the text; for a string, without the quotes.
  std::uint32_t name_at = 0, name_length = 0;  ///< For a member of an object: its name, without quotes.
  std::uint32_t next = 0;                      ///< Index of the node after this one and everything inside it.
};

/// Why a text is not JSON (RFC 8259), or exceeds a limit.
struct JsonBreak {
  std::uint32_t at;  ///< Offset in the text.
  std::string_view message;
};

class JsonTree {
 public:
  static constexpr unsigned kDeepest = 16;              ///< Depth of nested arrays and objects.
  static constexpr std::size_t kMostNodes = 4096;       ///< Number of values in all.
  static constexpr std::size_t kLongestString = 65536;  ///< Bytes.

  /// The text must be one value, with white space around it. The caller owns it, and it outlives the tree. After a
  /// break there is no root.
  std::optional<JsonBreak> parse(std::string_view text);

  const JsonNode& root() const { return nodes_.front(); }
  /// The value as in the text: digits, true or false; the contents of a string between its quotes, escapes unresolved.
  std::string_view raw(const JsonNode& node) const { return text_.substr(node.at, node.length); }
  /// The text of a string, escapes resolved.
  std::string string(const JsonNode& node) const;
  /// The name of a member as in the text: a name written with escapes matches none of ours.
  std::string_view name(const JsonNode& node) const { return text_.substr(node.name_at, node.name_length); }

  /// Calls f(child) for each member of an object, each element of an array.
  template <class F>
  void for_each(const JsonNode& parent, F f) const {
    for (std::size_t i = index_of(parent) + 1; i < parent.next; i = nodes_[i].next) f(nodes_[i]);
  }
  /// The member of an object with that name; nullptr: there is none.
  const JsonNode* find(const JsonNode& object, std::string_view name) const;
  /// The node to which the pointer (RFC 6901, names only) leads from the root; if it does not exist, the last node on
  /// the way.
  const JsonNode& on_the_way(std::string_view pointer) const;
  /// The JSON pointer of a node; empty: the root.
  std::string pointer(const JsonNode& node) const;
  /// The node that contains this one; for the root, the root itself.
  const JsonNode& parent(const JsonNode& node) const;

 private:
  friend class JsonParser;
  std::size_t index_of(const JsonNode& node) const { return static_cast<std::size_t>(&node - nodes_.data()); }

  std::string_view text_;
  std::vector<JsonNode> nodes_;  // Each before its contents.
};

}  // namespace ipseckey
