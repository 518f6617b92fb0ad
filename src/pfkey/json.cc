// A message as one JSON object a line:
// 1. value() has a function for each kind of extension.
// 2. extension_members() adds those that the message has; extensions of ours whose rows say how they are shown are a
//    loop (own_members()).
// 3. finish() adds the keys past the JSON library, whose strings would leave copies of them in freed memory.
// 4. json_sa(), json_message() and json_report() are the documents; share/schema describes them.
#include "pfkey/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <nlohmann/json.hpp>
#include <string_view>
#include <tuple>

#include "base/hex.h"
#include "base/secret_text.h"
#include "pfkey/algorithms.h"
#include "pfkey/diagnostics.h"
#include "pfkey/extensions.h"
#include "pfkey/json_fields.h"
#include "pfkey/keyparts.h"
#include "pfkey/names.h"
#include "pfkey/notices.h"

namespace ipseckey::pfkey {
namespace {

using Json = nlohmann::ordered_json;

Json algorithm(AlgorithmKind kind, std::uint8_t number) {
  return {{"number", number}, {"name", algorithm_name(kind, number)}};
}

Json value(const Address& address) { return to_string(address); }
Json value(std::unsigned_integral auto number) { return number; }
Json value(const std::string& text) { return text; }
Json value(const std::vector<std::uint64_t>& numbers) { return numbers; }
template <class T>
  requires std::is_enum_v<T>
Json value(T number) {
  return name(number);
}

// What a structure says besides its fields; null: nothing.
Json echo(const Identity& identity) {
  if (std::ranges::none_of(identity.text, [](char c) { return static_cast<unsigned char>(c) > 0x7f; })) return {};
  SecretText hex;
  append_hex(hex, std::as_bytes(std::span(identity.text)));
  return std::string_view(hex);
}
Json echo(const KmCookie& c) { return manager_name(c.proto); }

template <class T, class M>
void field(const T& x, const JsonField<T, M>& row, Json& out) {
  out[std::string(row.name)] = value(x.*row.place);
}
template <class T>
void field(const T& x, const JsonEcho& row, Json& out) {
  if (Json said = echo(x); !said.is_null()) out[std::string(row.name)] = std::move(said);
}

template <HasJsonFields T>
Json value(const T& x) {
  Json out = Json::object();
  std::apply([&](const auto&... row) { (field(x, row, out), ...); }, kJsonFields<T>);
  return out;
}

Json value(const ReplayValue& r) { return r.low != 0 ? Json(r.low) : Json(r.wide); }

Json value(const Proposal& proposal) {
  Json combinations = Json::array();
  for (const Combination& c : proposal.combinations)
    combinations.push_back({{"auth_alg", algorithm(AlgorithmKind::auth, c.auth)},
                            {"auth_min_bits", c.auth_minbits},
                            {"auth_max_bits", c.auth_maxbits},
                            {"encr_alg", algorithm(AlgorithmKind::encrypt, c.encrypt)},
                            {"encr_min_bits", c.encrypt_minbits},
                            {"encr_max_bits", c.encrypt_maxbits},
                            {"encr_salt_bits", c.encrypt_saltbits},
                            {"flags", c.flags},
                            {"soft", value(c.soft)},
                            {"hard", value(c.hard)}});
  return {{"replay_window", proposal.replay}, {"combinations", std::move(combinations)}};
}

Json value(const AlgorithmDescription& a) {
  Json out = {{"satype", name(a.satype)}, {"kind", a.kind}, {"number", a.algorithm}};
  const auto kind = static_cast<AlgorithmKind>(a.kind);
  if (kind == AlgorithmKind::auth || kind == AlgorithmKind::encrypt) out["name"] = algorithm_name(kind, a.algorithm);
  out.update({{"min_bits", a.minbits}, {"max_bits", a.maxbits}, {"salt_bits", a.saltbits}});
  return out;
}

Json value(const ExtendedProposal& proposal) {
  Json combinations = Json::array();
  for (const ExtendedCombination& c : proposal.combinations) {
    Json algorithms = Json::array();
    for (const AlgorithmDescription& a : c.algorithms) algorithms.push_back(value(a));
    combinations.push_back(
        {{"algorithms", std::move(algorithms)}, {"flags", c.flags}, {"soft", value(c.soft)}, {"hard", value(c.hard)}});
  }
  return {{"replay_window", proposal.replay}, {"combinations", std::move(combinations)}};
}

Json value(const Supported& supported, AlgorithmKind kind) {
  Json out = Json::array();
  for (const SupportedAlgorithm& a : supported.algorithms)
    out.push_back({{"number", a.id},
                   {"name", algorithm_name(kind, a.id)},
                   {"min_bits", a.minbits},
                   {"max_bits", a.maxbits},
                   {"step_bits", a.increment},
                   {"salt_bits", a.saltbits},
                   {"iv_bytes", a.ivlen}});
  return out;
}

Json value(const ExtendedRegister& registration) {
  Json out = Json::array();
  for (const std::uint8_t satype : registration.satypes) {
    if (satype == 0) break;
    out.push_back(name(static_cast<SaType>(satype)));
  }
  return out;
}

Json value(const ExtendedDump& dump) { return dump.timeout; }

Json value(const Number& number) { return number.value; }

Json value(const Device& device) { return device.name; }

Json value(const Remark& remark) { return remark.text; }

// A number that has a word is the word.
void extension(Json& out, const Message& m, std::string_view label, const Slot& slot, JsonWords words = nullptr) {
  std::visit(
      [&](auto place) {
        if (!(m.*place)) return;
        if constexpr (std::is_same_v<decltype(place), Boxed<Supported> Message::*>) {
          const bool auth = place == &Message::supported_auth;
          out[std::string(label)] = value(*(m.*place), auth ? AlgorithmKind::auth : AlgorithmKind::encrypt);
        } else if constexpr (std::is_same_v<decltype(place), std::optional<Number> Message::*>) {
          const Word* const word = words ? find_word(words(), (m.*place)->value) : nullptr;
          out[std::string(label)] = word ? Json(word->name()) : value(*(m.*place));
        } else if constexpr (requires { value(*(m.*place)); }) {
          out[std::string(label)] = value(*(m.*place));
        }
      },
      slot);
}

void extension_members(Json& out, const Message& m) {
  if (m.sa)
    for (const JsonSaMember& row : json_sa_members())
      if (Json said; row.write(m, said)) out[std::string(row.name)] = std::move(said);
  for (const JsonExtension& row : kJsonExtensions) extension(out, m, row.name, row.slot);
  for (const Extension& row : extensions())
    if (!row.shown.json.empty()) extension(out, m, row.shown.json, row.slot, row.shown.words);
  for (const JsonExtension& row : kJsonLast) extension(out, m, row.name, row.slot);
}

// Keys are written past the JSON library, whose strings would leave copies of them in freed memory.
void append_part(SecretText& out, const JsonKeyPart& row, unsigned bits, Bytes octets, bool show) {
  out += fmt::format("\"{}\":{}", row.bits, bits);
  if (!show) return;
  out += fmt::format(",\"{}\":\"", row.digits);
  append_hex(out, octets);
  out += "\"";
}

void append_key(SecretText& out, std::string_view label, const KeyParts& parts, bool show) {
  out += fmt::format(",\"{}\":{{", label);
  append_part(out, kJsonKeyItself, parts.key_bits, parts.key, show);
  if (!parts.salt.empty()) {
    out += ",";
    append_part(out, kJsonSalt, parts.salt_bits, parts.salt, show);
  }
  if (!parts.iv.empty()) {
    out += ",";
    append_part(out, kJsonIv, parts.iv_bits, parts.iv, show);
  }
  out += "}";
}

KeyParts parts_of(const Message& m, const JsonKey& row) {
  if (row.place == &Message::auth_key) return split_key(m, AlgorithmKind::auth);
  if (row.place == &Message::encrypt_key) return split_key(m, AlgorithmKind::encrypt);
  KeyParts whole;
  whole.key = (m.*row.place)->material.bytes(), whole.key_bits = (m.*row.place)->bits;
  return whole;
}

// Only ASCII comes out, so that nothing in it can steer a terminal.
std::string text_of(const Json& object) { return object.dump(-1, ' ', true, Json::error_handler_t::replace); }

void finish(const Json& object, const Message& m, const JsonOptions& options, SecretText& out) {
  const bool show = options.keys && !options.paranoid;
  std::string text = text_of(object);
  text.pop_back();  // The closing brace, until the keys are in.
  out += text;
  for (const JsonKey& row : kJsonKeys)
    if (m.*row.place) append_key(out, row.name, parts_of(m, row), show);
  out += "}\n";
}

void time_member(Json& out, const JsonOptions& options) {
  if (options.now) out["time"] = options.now->wall.time_since_epoch().count();
}

}  // namespace

namespace json_out {

bool spi(const Message& m, Json& out) {
  out = m.sa->spi;
  return true;
}

bool state(const Message& m, Json& out) {
  out = name(m.sa->state);
  return true;
}

bool mode(const Message& m, Json& out) {
  out = m.sa->flags & kFlagTunnel || m.inner_src || m.inner_dst ? kJsonTunnel : kJsonTransport;
  return true;
}

bool flags(const Message& m, Json& out) {
  out = m.sa->flags;
  return true;
}

bool flag_names(const Message& m, Json& out) {
  out = Json::array();
  for (const Word& word : flag_words())
    if (m.sa->flags & word.number) out.push_back(word.name());
  return true;
}

bool auth_alg(const Message& m, Json& out) {
  out = algorithm(AlgorithmKind::auth, m.sa->auth);
  return true;
}

bool encr_alg(const Message& m, Json& out) {
  out = algorithm(AlgorithmKind::encrypt, m.sa->encrypt);
  return true;
}

bool replay_window(const Message& m, Json& out) {
  out = m.window();
  return true;
}

bool esn(const Message& m, Json& out) {
  out = m.extended();
  return m.replay_window.has_value();
}

}  // namespace json_out

void json_sa(const Message& m, const JsonOptions& options, SecretText& out) {
  Json object = {{"kind", kJsonSa}, {"sadb", options.sadb}, {"satype", name(m.satype)}};
  extension_members(object, m);
  finish(object, m, options, out);
}

void json_message(const Message& m, const JsonOptions& options, SecretText& out) {
  const auto lost = messages_lost(m);
  Json object = {{"kind", lost ? "gap" : "message"}, {"sadb", options.sadb}};
  time_member(object, options);
  if (lost) {
    object["lost"] = *lost;
  } else {
    object.update({{"type", name(m.type)}, {"satype", name(m.satype)}, {"seq", m.seq}, {"pid", m.pid}});
    object["errno"] = m.error;
    if (m.error != 0) object["error"] = error_name(m.error);
    object["diagnostic"] = m.diagnostic;
    if (m.diagnostic != 0) object["diagnostic_text"] = text_of(static_cast<Diagnostic>(m.diagnostic));
    extension_members(object, m);
  }
  finish(object, m, options, out);
}

void json_report(const Report& report, std::string& out) {
  const bool check = report.kind == Report::Kind::check;
  Json faults = Json::array();
  for (const ReportedFault& f : report.faults) {
    Json& fault = faults.emplace_back(Json{{"severity", f.warning ? "warning" : "error"},
                                           {"file", f.file},
                                           {"line", f.line},
                                           {"column", f.column},
                                           {"length", f.length}});
    if (!f.pointer.empty()) fault["pointer"] = f.pointer;
    fault["message"] = f.message;
  }
  const Json object = {{"kind", check ? "check" : "load"},
                       {"sadb", report.sadb},
                       {"file", report.file},
                       {"commands", report.commands},
                       {check ? "valid" : "succeeded", report.succeeded},
                       {"failed", report.failed},
                       {"faults", std::move(faults)}};
  out += text_of(object) + '\n';
}

}  // namespace ipseckey::pfkey
