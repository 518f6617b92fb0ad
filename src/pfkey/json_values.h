#pragma once
/// Values of JSON, one function for each type, and faults for those that are of another. Structures are read by the
/// tables of json_fields.h.
#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/bytes.h"
#include "base/json_tree.h"
#include "pfkey/json_fields.h"
#include "pfkey/json_read.h"
#include "pfkey/names.h"

namespace ipseckey::pfkey {

/// The octets of hexadecimal digits, two for each: out.size() is half of their number. False: they are none.
bool json_octets(std::string_view digits, MutableBytes out);

class JsonValues {
 public:
  JsonValues(const JsonTree& tree, std::vector<JsonFault>& faults) : tree_(tree), faults_(faults) {}

  // What is wrong.
  void fault(const JsonNode& node, std::string message) { faults_.push_back({&node, false, std::move(message)}); }
  void unknown_word(const JsonNode& node, std::string message, std::vector<std::string_view> known) {
    faults_.push_back({&node, false, std::move(message), tree_.raw(node), std::move(known)});
  }
  void unknown_member(const JsonNode& node, std::vector<std::string_view> known);
  /// Whether a member's name is one of those, and no other member has it; else that is a fault. A name is looked up
  /// before any other fault of its member: a fault's pointer consists of names that are known.
  bool is_own(const JsonNode& parent, const JsonNode& node, std::vector<std::string_view> known);
  /// Whether a member of that name, which is a known one, is before this one; that is a fault.
  bool twice(const JsonNode& parent, const JsonNode& node);
  /// Whether the value is of that kind; if not, that is a fault.
  bool expect(const JsonNode& node, JsonNode::Kind kind, std::string_view what);

  // Values. False: it is of another kind or out of range, which is a fault. `most`: the greatest number that is taken.
  template <std::unsigned_integral T>
  bool take(const JsonNode& node, T& out, std::uint64_t most = UINT64_MAX) {
    std::uint64_t number = 0;
    if (!take_number(node, number, std::min<std::uint64_t>(most, std::numeric_limits<T>::max()))) return false;
    out = static_cast<T>(number);
    return true;
  }
  bool take(const JsonNode& node, std::string& out, std::uint64_t most = UINT64_MAX);
  bool take(const JsonNode& node, std::vector<std::uint64_t>& out, std::uint64_t most = UINT64_MAX);
  bool take(const JsonNode& node, Address& out, std::uint64_t most = UINT64_MAX);
  bool take(const JsonNode& node, Number& out) { return take(node, out.value); }
  /// A number that may be said by a word.
  bool take(const JsonNode& node, Number& out, JsonWords words);
  bool take(const JsonNode& node, Device& out) { return take(node, out.name); }
  bool take(const JsonNode& node, Remark& out) { return take(node, out.text); }
  bool take(const JsonNode& node, ReplayValue& out);
  bool take(const JsonNode& node, State& out, std::uint64_t most = UINT64_MAX);
  bool take(const JsonNode& node, SaType& out, std::uint64_t most = UINT64_MAX);
  bool take(const JsonNode& node, IdentityType& out, std::uint64_t most = UINT64_MAX);
  bool take(const JsonNode& node, Offload::Mode& out, std::uint64_t most = UINT64_MAX);
  template <HasJsonFields T>
  bool take(const JsonNode& node, T& out) {
    return take_fields(node, out);
  }
  bool take(const JsonNode& node, Identity& out);
  /// The number of a word of the table; nullopt: it is none, or no string, which is a fault. `known`: the words that
  /// the fault names.
  std::optional<std::uint32_t> word(const JsonNode& node, std::span<const Word> words, std::string_view unknown,
                                    std::vector<std::string_view> known);
  /// Number and name of an algorithm, of which one is enough.
  void take_algorithm(const JsonNode& node, AlgorithmKind kind, std::uint8_t& out);

 protected:
  const JsonTree& tree_;
  std::vector<JsonFault>& faults_;

 private:
  bool take_number(const JsonNode& node, std::uint64_t& out, std::uint64_t most);
  template <class T>
  bool take_word(const JsonNode& node, std::span<const Word> words, T& out);
  std::optional<std::uint8_t> algorithm_named(const JsonNode& node, AlgorithmKind kind);

  template <class T>
  bool take_fields(const JsonNode& node, T& out) {
    if (!expect(node, JsonNode::Kind::object, "an object")) return false;
    constexpr const auto& kRows = kJsonFields<T>;
    const std::size_t before = faults_.size();
    tree_.for_each(node, [&](const JsonNode& child) {
      if (is_own(node, child, std::apply([](const auto&... row) { return std::vector{row.name...}; }, kRows)))
        std::apply([&](const auto&... row) { (void)(is_field(child, row, out) || ...); }, kRows);
    });
    std::apply([&](const auto&... row) { (look_for(node, row), ...); }, kRows);
    return faults_.size() == before;
  }
  template <class T, class M>
  bool is_field(const JsonNode& node, const JsonField<T, M>& row, T& out) {
    if (tree_.name(node) != row.name) return false;
    take(node, out.*row.place, row.most);
    return true;
  }
  template <class T>
  bool is_field(const JsonNode& node, const JsonEcho& row, T& /*out*/) {
    if (tree_.name(node) != row.name) return false;
    expect(node, JsonNode::Kind::string, "a string");
    return true;
  }
  template <class T, class M>
  void look_for(const JsonNode& node, const JsonField<T, M>& row) {
    if (row.required && !tree_.find(node, row.name)) fault(node, fmt::format("\"{}\" is missing", row.name));
  }
  void look_for(const JsonNode& /*node*/, const JsonEcho& /*row*/) {}
};

/// What take() reads of the values of extensions.
template <class T>
inline constexpr bool kReadsJson = HasJsonFields<T> || std::same_as<T, Number> || std::same_as<T, Device> ||
                                   std::same_as<T, Remark> || std::same_as<T, ReplayValue>;

}  // namespace ipseckey::pfkey
