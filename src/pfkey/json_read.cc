// How an SA is read:
// 1. rows() joins the tables of json_fields.h: what may be in the object, and which function reads it.
// 2. JsonSaReader goes through the members. Structures are read by their own tables, keys from their digits.
// 3. settle() checks what several members say together: flags and their names, both ends, mode, window.
#include "pfkey/json_read.h"

#include <fmt/format.h>

#include <algorithm>
#include <concepts>

#include "base/text.h"
#include "pfkey/extensions.h"
#include "pfkey/json.h"
#include "pfkey/json_fields.h"
#include "pfkey/json_values.h"
#include "pfkey/names.h"

namespace ipseckey::pfkey {
using Kind = JsonNode::Kind;

/// Reads one object.
class JsonSaReader : private JsonValues {
 public:
  JsonSaReader(const JsonTree& tree, Message& m, std::vector<JsonFault>& faults) : JsonValues(tree, faults), m_(m) {}

  void read(std::span<const std::string_view> beside);

  // For the tables.
  void spi(const JsonNode& node) { take(node, m_.sa->spi); }
  void state(const JsonNode& node) { take(node, m_.sa->state); }
  void mode(const JsonNode& node);
  void flags(const JsonNode& node) { take(node, flags_.emplace()); }
  void flag_names(const JsonNode& node);
  void auth_alg(const JsonNode& node) { take_algorithm(node, AlgorithmKind::auth, m_.sa->auth); }
  void encr_alg(const JsonNode& node) { take_algorithm(node, AlgorithmKind::encrypt, m_.sa->encrypt); }
  void replay_window(const JsonNode& node) { take(node, window_); }
  void esn(const JsonNode& node);
  void text(const JsonNode& node) { expect(node, Kind::string, "a string"); }
  void satype(const JsonNode& node) { take(node, m_.satype); }
  void extension(const JsonNode& node, const Slot& slot, JsonWords words);
  void key(const JsonNode& node, std::optional<Key> Message::* place);

 private:
  struct Part {
    const JsonNode* digits = nullptr;
    std::size_t octets = 0;
    unsigned bits = 0;
  };

  bool take_part(const JsonNode& key, const JsonKeyPart& row, Part& out);
  Secret material(std::initializer_list<Part> parts);

  void settle();
  void settle_flags();
  void settle_ends(std::optional<Endpoint>& src, std::optional<Endpoint>& dst, const char* src_proto);
  void settle_tunnel();

  Message& m_;
  std::optional<std::uint32_t> flags_, named_flags_;
  std::optional<bool> tunnel_, esn_;
  std::uint32_t window_ = 0;
};

namespace {

/// What may be in an object; one of the readers is set.
struct Row {
  std::string_view name;
  void (JsonSaReader::*read)(const JsonNode& node) = nullptr;
  const Slot* slot = nullptr;
  const JsonKey* key = nullptr;
  JsonWords words = nullptr;
};

bool readable(const Slot& slot) {
  return std::visit(
      [](auto place) {
        using Value = std::remove_cvref_t<decltype(*(std::declval<Message&>().*place))>;
        return kReadsJson<Value>;
      },
      slot);
}

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows = [] {
    std::vector<Row> rows{
        {"kind", &JsonSaReader::text}, {"sadb", &JsonSaReader::text}, {"satype", &JsonSaReader::satype}};
    const auto extension = [&](std::string_view name, const Slot& slot, JsonWords words = nullptr) {
      if (!name.empty() && readable(slot)) rows.push_back({name, nullptr, &slot, nullptr, words});
    };
    for (const JsonSaMember& row : json_sa_members()) rows.push_back({row.name, row.read});
    for (const JsonExtension& row : kJsonExtensions) extension(row.name, row.slot);
    for (const Extension& row : extensions()) extension(row.shown.json, row.slot, row.shown.words);
    for (const JsonExtension& row : kJsonLast) extension(row.name, row.slot);
    for (const JsonKey& row : kJsonKeys) rows.push_back({row.name, nullptr, nullptr, &row});
    std::ranges::sort(rows, {}, &Row::name);
    return rows;
  }();
  return kRows;
}

}  // namespace

std::span<const JsonSaMember> json_sa_members() {
  using R = JsonSaReader;
  static constexpr std::array kMembers = {
      JsonSaMember{"spi", json_out::spi, &R::spi},
      JsonSaMember{"state", json_out::state, &R::state},
      JsonSaMember{"mode", json_out::mode, &R::mode},
      JsonSaMember{"flags", json_out::flags, &R::flags},
      JsonSaMember{"flag_names", json_out::flag_names, &R::flag_names},
      JsonSaMember{"auth_alg", json_out::auth_alg, &R::auth_alg},
      JsonSaMember{"encr_alg", json_out::encr_alg, &R::encr_alg},
      JsonSaMember{"replay_window", json_out::replay_window, &R::replay_window},
      JsonSaMember{"esn", json_out::esn, &R::esn},
  };
  return kMembers;
}

void JsonSaReader::read(std::span<const std::string_view> beside) {
  const JsonNode& root = tree_.root();
  if (!expect(root, Kind::object, "an object")) return;
  m_.sa.emplace().state = State::mature;
  std::vector<bool> seen(rows().size());
  tree_.for_each(root, [&](const JsonNode& node) {
    const std::string_view name = tree_.name(node);
    const auto row = std::ranges::lower_bound(rows(), name, {}, &Row::name);
    const bool known = row != rows().end() && row->name == name;
    if (!known && std::ranges::find(beside, name) == beside.end()) {
      std::vector<std::string_view> names(beside.begin(), beside.end());
      for (const Row& r : rows()) names.push_back(r.name);
      return unknown_member(node, std::move(names));
    }
    if (!known) return void(twice(root, node));
    const auto place = static_cast<std::size_t>(row - rows().begin());
    if (seen[place]) return void(twice(root, node));
    seen[place] = true;
    if (row->read) (this->*row->read)(node);
    if (row->slot) extension(node, *row->slot, row->words);
    if (row->key) key(node, row->key->place);
  });
  settle();
}

// False: it is not there, or wrong.
bool JsonSaReader::take_part(const JsonNode& key, const JsonKeyPart& row, Part& out) {
  const JsonNode *const bits = tree_.find(key, row.bits), *const digits = tree_.find(key, row.digits);
  if (!digits && bits)
    fault(key, fmt::format("\"{}\" is missing: this JSON was written without keys, for example with -p or by monitor",
                           row.digits));
  if (!digits || !expect(*digits, Kind::string, "hexadecimal digits, as a string,")) return false;
  if (digits->length % 2 != 0 || digits->length / 2 > Secret::kMaxSize || !digits->plain || digits->length == 0) {
    fault(*digits,
          fmt::format("an even number of hexadecimal digits, at most {}, is expected here", 2 * Secret::kMaxSize));
    return false;
  }
  out.digits = digits, out.octets = digits->length / 2, out.bits = digits->length * 4;
  std::uint16_t said = 0;
  if (!bits) return true;
  if (!take(*bits, said)) return false;
  if ((said + 7u) / 8 != out.octets) {
    fault(*bits, fmt::format("\"{}\" has {} bits, but this says {}: remove this member or correct it", row.digits,
                             out.bits, said));
    return false;
  }
  out.bits = said;
  return true;
}

Secret JsonSaReader::material(std::initializer_list<Part> parts) {
  std::size_t octets = 0;
  for (const Part& part : parts) octets += part.octets;
  Secret out(octets);
  std::size_t at = 0;
  for (const Part& part : parts) {
    if (part.digits && !json_octets(tree_.raw(*part.digits), out.bytes().subspan(at, part.octets)))
      fault(*part.digits, "only hexadecimal digits are expected here");
    at += part.octets;
  }
  return out;
}

void JsonSaReader::key(const JsonNode& node, std::optional<Key> Message::* place) {
  if (!expect(node, Kind::object, "an object with \"hex\"")) return;
  const bool whole = place != &Message::encrypt_key;  // It has no parts.
  std::vector<std::string_view> known;
  for (const JsonKeyPart& row : {kJsonKeyItself, kJsonSalt, kJsonIv}) known.insert(known.end(), {row.bits, row.digits});
  if (whole) known.resize(2);
  const std::size_t before = faults_.size();
  tree_.for_each(node, [&](const JsonNode& child) { is_own(node, child, known); });
  Part itself, salt, iv;
  if (!tree_.find(node, kJsonKeyItself.digits) && !tree_.find(node, kJsonKeyItself.bits))
    fault(node, "\"hex\" is missing");
  take_part(node, kJsonKeyItself, itself);
  if (!whole) take_part(node, kJsonSalt, salt), take_part(node, kJsonIv, iv);
  if (faults_.size() > before) return;
  if (itself.octets + salt.octets + iv.octets > Secret::kMaxSize)
    return fault(node, fmt::format("a key, with salt and IV, has at most {} octets", Secret::kMaxSize));
  if ((salt.bits > 0 || iv.bits > 0) && (itself.bits % 8 != 0 || salt.bits % 8 != 0))
    return fault(node, "a key that is followed by a salt or an IV must be whole octets");
  m_.*place =
      Key{static_cast<std::uint16_t>(itself.bits), static_cast<std::uint16_t>(salt.bits), material({itself, salt})};
  if (iv.bits > 0) m_.initial_iv = Key{static_cast<std::uint16_t>(iv.bits), 0, material({iv})};
}

// ---- members of sadb_sa

void JsonSaReader::mode(const JsonNode& node) {
  constexpr std::array kWords = {Word{0, kJsonTransport}, Word{1, kJsonTunnel}};
  if (const auto mode = word(node, kWords, "unknown mode", all_names(kWords))) tunnel_ = *mode == 1;
}

void JsonSaReader::flag_names(const JsonNode& node) {
  if (!expect(node, Kind::array, "an array of words")) return;
  named_flags_ = 0;
  tree_.for_each(node, [&](const JsonNode& child) {
    const auto flag = word(child, flag_words(), "unknown flag", all_names(flag_words()));
    if (flag && (*named_flags_ & *flag)) return fault(child, "this flag is repeated; give it once");
    if (flag) *named_flags_ |= *flag;
  });
}

void JsonSaReader::esn(const JsonNode& node) {
  if (expect(node, Kind::boolean, "true or false")) esn_ = tree_.raw(node) == "true";
}

void JsonSaReader::extension(const JsonNode& node, const Slot& slot, JsonWords words) {
  std::visit(
      [&](auto place) {
        using Value = std::remove_cvref_t<decltype(*(m_.*place))>;
        if constexpr (kReadsJson<Value>) {
          Value value{};
          if constexpr (std::same_as<Value, Endpoint>) value.prefix = UINT8_MAX;  // Not said.
          bool good = false;
          if constexpr (std::same_as<Value, Number>) {
            good = take(node, value, words);
          } else {
            good = take(node, value);
          }
          if (good) m_.*place = std::move(value);
        }
      },
      slot);
}

// ---- what several members say together

void JsonSaReader::settle() {
  settle_flags();
  for (auto* const end : {&m_.src, &m_.dst, &m_.natt_local, &m_.natt_remote, &m_.inner_src, &m_.inner_dst})
    if (*end && (*end)->prefix == UINT8_MAX) (*end)->prefix = static_cast<std::uint8_t>((*end)->address.bits());
  settle_ends(m_.src, m_.dst, "/src/proto");
  settle_ends(m_.inner_src, m_.inner_dst, "/inner_src/proto");
  settle_tunnel();
  m_.sa->replay = static_cast<std::uint8_t>(std::min<std::uint32_t>(window_, UINT8_MAX));
  if (esn_ || window_ > UINT8_MAX) m_.replay_window = ReplayWindow{window_, esn_.value_or(false)};
}

void JsonSaReader::settle_flags() {
  std::uint32_t with_names = 0;
  for (const Word& word : flag_words()) with_names |= word.number;
  if (flags_ && named_flags_ && (*flags_ & with_names) != *named_flags_)
    fault(*tree_.find(tree_.root(), "flags"), "\"flags\" and \"flag_names\" differ: remove one of them");
  m_.sa->flags = flags_ ? *flags_ : named_flags_.value_or(0);
}

// Both ends have the protocol; one that says it is enough.
void JsonSaReader::settle_ends(std::optional<Endpoint>& src, std::optional<Endpoint>& dst, const char* src_proto) {
  if (!src || !dst || src->proto == dst->proto) return;
  if (src->proto != 0 && dst->proto != 0)
    return fault(tree_.on_the_way(src_proto), "both ends must have the same protocol");
  src->proto = dst->proto = std::max(src->proto, dst->proto);
}

void JsonSaReader::settle_tunnel() {
  constexpr std::array kOuter = {&Message::src, &Message::dst, &Message::natt_local, &Message::natt_remote};
  for (const auto place : kOuter) {
    if (!(m_.*place)) continue;
    Endpoint& end = *(m_.*place);
    if (end.prefix != 0 && end.prefix != end.address.bits()) {
      const auto* const row = std::ranges::find(kJsonExtensions, Slot(place), &JsonExtension::slot);
      fault(*tree_.find(tree_.root(), row->name),
            "an outer address has no prefix; a tunnel's prefixes are in inner_src and inner_dst");
    }
    end.prefix = 0;
  }
  const bool inner = m_.inner_src || m_.inner_dst;
  if (tunnel_ && *tunnel_ != inner)
    fault(*tree_.find(tree_.root(), "mode"),
          inner ? "an SA with inner_src or inner_dst is a tunnel" : "a tunnel needs inner_src or inner_dst, or both");
  if (inner && !m_.inner_src)
    m_.inner_src = Endpoint{m_.inner_dst->proto, 0, unspecified(m_.inner_dst->address.family)};
  if (inner && !m_.inner_dst)
    m_.inner_dst = Endpoint{m_.inner_src->proto, 0, unspecified(m_.inner_src->address.family)};
}

void read_json_sa(const JsonTree& tree, std::span<const std::string_view> beside, Message& m,
                  std::vector<JsonFault>& faults) {
  m.type = Type::get;
  JsonSaReader(tree, m, faults).read(beside);
}

}  // namespace ipseckey::pfkey
