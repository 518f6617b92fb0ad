// How values are read:
// 1. Each take() checks the kind of the node, then its value; an error becomes a fault at that node.
// 2. A word is looked up in the table that names it in the output, letter by letter: no program writes it otherwise.
// 3. Structures are read by take_fields() of json_values.h, row by row of json_fields.h.
// 4. An algorithm has a number and a name, which must agree.
#include "pfkey/json_values.h"

#include <charconv>

#include "base/hex.h"
#include "base/text.h"

namespace ipseckey::pfkey {

using Kind = JsonNode::Kind;

namespace {

std::optional<std::uint64_t> whole_number(std::string_view digits) {
  std::uint64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  return error == std::errc() && stop == end && !digits.empty() ? std::optional(number) : std::nullopt;
}

std::vector<std::string_view> algorithm_words(AlgorithmKind kind) {
  std::vector<std::string_view> words;
  text::for_each_word(none_names(kind), [&](std::string_view n) { words.push_back(n); });
  for (const Algorithm& a : algorithms())
    if (a.kind == kind) text::for_each_word(a.names, [&](std::string_view n) { words.push_back(n); });
  return words;
}

}  // namespace

bool json_octets(std::string_view digits, MutableBytes out) { return read_hex(digits.substr(0, 2 * out.size()), out); }

bool JsonValues::expect(const JsonNode& node, Kind kind, std::string_view what) {
  if (node.kind == kind) return true;
  fault(node, fmt::format("{} is expected here", what));
  return false;
}

void JsonValues::unknown_member(const JsonNode& node, std::vector<std::string_view> known) {
  faults_.push_back({&node, true, "unknown member", tree_.name(node), std::move(known)});
}

bool JsonValues::is_own(const JsonNode& parent, const JsonNode& node, std::vector<std::string_view> known) {
  const bool is_known = std::ranges::find(known, tree_.name(node)) != known.end();
  if (!is_known) unknown_member(node, std::move(known));
  return is_known && !twice(parent, node);
}

bool JsonValues::twice(const JsonNode& parent, const JsonNode& node) {
  if (tree_.find(parent, tree_.name(node)) == &node) return false;
  fault(node, "this member appears twice; remove one");
  return true;
}

bool JsonValues::take_number(const JsonNode& node, std::uint64_t& out, std::uint64_t most) {
  const auto number = node.kind == Kind::number ? whole_number(tree_.raw(node)) : std::nullopt;
  if (!number || *number > most) {
    fault(node, fmt::format("a whole number from 0 to {} is expected here{}", most,
                            node.kind == Kind::string ? ", without quotes" : ""));
    return false;
  }
  out = *number;
  return true;
}

bool JsonValues::take(const JsonNode& node, std::string& out, std::uint64_t /*most*/) {
  if (!expect(node, Kind::string, "a string")) return false;
  out = tree_.string(node);
  if (out.find('\0') == std::string::npos) return true;
  fault(node, "a text must not contain the character \\u0000");
  return false;
}

bool JsonValues::take(const JsonNode& node, std::vector<std::uint64_t>& out, std::uint64_t /*most*/) {
  if (!expect(node, Kind::array, "an array of numbers")) return false;
  bool good = true;
  tree_.for_each(node, [&](const JsonNode& child) { good = take(child, out.emplace_back()) && good; });
  return good;
}

bool JsonValues::take(const JsonNode& node, Address& out, std::uint64_t /*most*/) {
  const auto address = node.kind == Kind::string ? parse_address(tree_.raw(node)) : std::nullopt;
  if (address) out = unmapped(*address);
  if (!address) fault(node, "an IPv4 or IPv6 address is expected here, as a string; names of hosts are not looked up");
  return address.has_value();
}

bool JsonValues::take(const JsonNode& node, ReplayValue& out) {
  std::uint64_t number = 0;
  if (!take(node, number)) return false;
  out = ReplayValue::of(number);
  return true;
}

std::optional<std::uint32_t> JsonValues::word(const JsonNode& node, std::span<const Word> words,
                                              std::string_view unknown, std::vector<std::string_view> known) {
  if (node.kind == Kind::string) {
    for (const Word& row : words)
      if (text::list_has_exactly(row.names, tree_.raw(node))) return row.number;
    unknown_word(node, std::string(unknown), std::move(known));
  } else {
    faults_.push_back({&node, false, "a word, as a string, is expected here", {}, std::move(known)});
  }
  return std::nullopt;
}

template <class T>
bool JsonValues::take_word(const JsonNode& node, std::span<const Word> words, T& out) {
  const auto number = word(node, words, "unknown word", all_names(words));
  if (number) out = static_cast<T>(*number);
  return number.has_value();
}

// A number that has a word must be given as that word.
bool JsonValues::take(const JsonNode& node, Number& out, JsonWords words) {
  if (!words || node.kind == Kind::string) return words ? take_word(node, words(), out.value) : take(node, out);
  if (!take(node, out)) return false;
  return find_word(words(), out.value) ? take_word(node, words(), out.value) : true;
}

bool JsonValues::take(const JsonNode& node, State& out, std::uint64_t /*most*/) {
  return take_word(node, state_words(), out);
}
bool JsonValues::take(const JsonNode& node, SaType& out, std::uint64_t /*most*/) {
  std::vector<std::string_view> known;  // Of the types those that have keys.
  for (const SaType type : {SaType::ah, SaType::esp})
    known.push_back(find_word(satype_words(), static_cast<std::uint8_t>(type))->name());
  const auto number = word(node, satype_words(), "unknown word", std::move(known));
  if (number) out = static_cast<SaType>(*number);
  return number.has_value();
}
// The language takes types that have no word, by number; the output has them as their number, in a string.
bool JsonValues::take(const JsonNode& node, IdentityType& out, std::uint64_t /*most*/) {
  const auto number = node.kind == Kind::string ? whole_number(tree_.raw(node)) : std::nullopt;
  if (number && *number <= UINT16_MAX && tree_.raw(node) == name(static_cast<IdentityType>(*number))) {
    out = static_cast<IdentityType>(*number);
    return true;
  }
  return take_word(node, identity_words(), out);
}
bool JsonValues::take(const JsonNode& node, Offload::Mode& out, std::uint64_t /*most*/) {
  return take_word(node, offload_words(), out);
}

// Where there are octets, the text is the part that JSON could hold.
bool JsonValues::take(const JsonNode& node, Identity& out) {
  if (!take_fields(node, out)) return false;
  const JsonNode* const hex = tree_.find(node, "hex");
  if (!hex && !tree_.find(node, "text")) fault(node, "\"text\" is missing");
  if (!hex) return tree_.find(node, "text") != nullptr;
  out.text.assign(hex->length / 2, '\0');
  const bool good = hex->length % 2 == 0 && json_octets(tree_.raw(*hex), std::as_writable_bytes(std::span(out.text)));
  if (!good || out.text.find('\0') != std::string::npos)
    fault(*hex, "an even number of hexadecimal digits is expected here, without an octet 00");
  return good;
}

std::optional<std::uint8_t> JsonValues::algorithm_named(const JsonNode& node, AlgorithmKind kind) {
  if (!expect(node, Kind::string, "the name of an algorithm")) return std::nullopt;
  const std::string_view name = tree_.raw(node);
  if (text::list_has_exactly(none_names(kind), name) || name == algorithm_name(kind, 0)) return std::uint8_t{0};
  // The output has an algorithm without a row as its number, in a string.
  if (const auto number = whole_number(name);
      number && *number <= UINT8_MAX && name == algorithm_name(kind, static_cast<std::uint8_t>(*number)))
    return static_cast<std::uint8_t>(*number);
  const Algorithm* const row = find_algorithm(kind, name);
  if (row && text::list_has_exactly(row->names, name)) return row->number;
  unknown_word(node, "unknown algorithm", algorithm_words(kind));
  return std::nullopt;
}

// Number and name, of which one is enough.
void JsonValues::take_algorithm(const JsonNode& node, AlgorithmKind kind, std::uint8_t& out) {
  constexpr std::string_view kNumber = "number", kName = "name";
  if (!expect(node, Kind::object, "an object with \"name\" or \"number\"")) return;
  std::optional<std::uint8_t> number, named;
  tree_.for_each(node, [&](const JsonNode& child) {
    if (!is_own(node, child, {kNumber, kName})) return;
    if (tree_.name(child) == kName) {
      named = algorithm_named(child, kind);
    } else if (std::uint8_t said = 0; take(child, said)) {
      number = said;
    }
  });
  if (named && number.value_or(*named) != *named)
    return fault(node, "\"number\" and \"name\" are different algorithms: remove one of them");
  if (!tree_.find(node, kNumber) && !tree_.find(node, kName)) fault(node, "\"name\" or \"number\" is missing");
  out = named.value_or(number.value_or(0));
}

}  // namespace ipseckey::pfkey
