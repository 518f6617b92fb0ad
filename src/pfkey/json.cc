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

#include "base/hex.h"
#include "base/secret_text.h"
#include "pfkey/algorithms.h"
#include "pfkey/diagnostics.h"
#include "pfkey/extensions.h"
#include "pfkey/keyparts.h"
#include "pfkey/names.h"
#include "pfkey/notices.h"

namespace pfkey {
namespace {

using Json = nlohmann::ordered_json;

Json algorithm(AlgorithmKind kind, std::uint8_t number) {
  return {{"number", number}, {"name", algorithm_name(kind, number)}};
}

Json value(const Endpoint& e) {
  return {{"address", to_string(e.address)}, {"prefix", e.prefix}, {"proto", e.proto}, {"port", e.port}};
}

Json value(const Lifetime& limits) {
  return {{"allocations", limits.allocations},
          {"bytes", limits.bytes},
          {"addtime", limits.addtime},
          {"usetime", limits.usetime}};
}

// Text that is no ASCII may be no UTF-8 either, and then JSON cannot hold it: the octets stand beside it.
Json value(const Identity& identity) {
  Json out = {{"type", name(identity.type)}, {"text", identity.text}, {"id", identity.id}};
  if (std::ranges::any_of(identity.text, [](char c) { return static_cast<unsigned char>(c) > 0x7f; })) {
    SecretText hex;
    append_hex(hex, std::as_bytes(std::span(identity.text)));
    out["hex"] = std::string_view(hex);
  }
  return out;
}

Json value(const Sensitivity& s) {
  return {{"domain", s.dpd},  {"level", s.level},         {"integrity", s.integrity},
          {"flags", s.flags}, {"compartments", s.bitmap}, {"integrity_compartments", s.integrity_bitmap}};
}

Json value(const KmCookie& c) { return {{"protocol", c.proto}, {"name", manager_name(c.proto)}, {"cookie", c.cookie}}; }

Json value(const Pair& pair) { return {{"spi", pair.spi}}; }

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

Json value(const SpiRange& range) { return {{"min", range.min}, {"max", range.max}}; }

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

Json value(const Mark& mark) { return {{"value", mark.value}, {"mask", mark.mask}}; }

Json value(const Offload& offload) { return {{"mode", name(offload.mode)}, {"device", offload.device}}; }

Json value(const Device& device) { return device.name; }

Json value(const Remark& remark) { return remark.text; }

Json value(const Traffic& t) {
  return {{"packets", t.packets}, {"last_use", t.last_use},     {"replayed", t.replayed},  {"late", t.late},
          {"corrupt", t.corrupt}, {"mismatched", t.mismatched}, {"malformed", t.malformed}};
}

template <class Maybe>
void member(Json& out, std::string_view label, const Maybe& x) {
  if (x) out[std::string(label)] = value(*x);
}

// A number that has a word is the word.
template <class T>
Json own_value(const T& x, const Shown& shown) {
  if constexpr (std::same_as<T, Number>)
    if (const Word* const word = shown.words ? find_word(shown.words(), x.value) : nullptr) return word->name();
  return value(x);
}

// The extensions of ours whose rows say how they are shown. Of a type that has no value() none does.
void own_members(Json& out, const Message& m) {
  for_each_extension([&]<class Row>(Row) {
    if constexpr (constexpr const Shown& shown = Row::kRow.shown; !shown.json.empty())
      if (const auto& x = m.*Row::kMember) out[std::string(shown.json)] = own_value(*x, shown);
  });
}

void sa_members(Json& out, const Message& m) {
  if (!m.sa) return;
  const Sa& sa = *m.sa;
  Json flags = Json::array();
  for (const Word& word : flag_words())
    if (sa.flags & word.number) flags.push_back(word.name());
  out["spi"] = sa.spi;
  out["state"] = name(sa.state);
  out["mode"] = sa.flags & kFlagTunnel || m.inner_src || m.inner_dst ? "tunnel" : "transport";
  out["flags"] = sa.flags;
  out["flag_names"] = std::move(flags);
  out["auth_alg"] = algorithm(AlgorithmKind::auth, sa.auth);
  out["encr_alg"] = algorithm(AlgorithmKind::encrypt, sa.encrypt);
  out["replay_window"] = m.replay_window ? m.replay_window->window : sa.replay;
  if (m.replay_window) out["esn"] = m.replay_window->esn;
}

void extension_members(Json& out, const Message& m) {
  sa_members(out, m);
  member(out, "replay_value", m.replay_value);
  member(out, "src", m.src);
  member(out, "dst", m.dst);
  member(out, "inner_src", m.inner_src);
  member(out, "inner_dst", m.inner_dst);
  member(out, "nat_loc", m.natt_local);
  member(out, "nat_rem", m.natt_remote);
  member(out, "current", m.current);
  member(out, "soft", m.soft);
  member(out, "hard", m.hard);
  member(out, "idle", m.idle);
  member(out, "src_identity", m.src_identity);
  member(out, "dst_identity", m.dst_identity);
  member(out, "label", m.sensitivity);
  member(out, "outer_label", m.outer_sensitivity);
  member(out, "pair", m.pair);
  member(out, "km_cookie", m.km_cookie);
  member(out, "proposal", m.proposal);
  member(out, "extended_proposal", m.extended_proposal);
  if (m.supported_auth) out["supported_auth"] = value(*m.supported_auth, AlgorithmKind::auth);
  if (m.supported_encrypt) out["supported_encr"] = value(*m.supported_encrypt, AlgorithmKind::encrypt);
  member(out, "spi_range", m.spi_range);
  member(out, "extended_register", m.extended_register);
  member(out, "dump_timeout", m.extended_dump);
  own_members(out, m);
  member(out, "remark", m.remark);
  member(out, "traffic", m.traffic);
}

// Keys are written past the JSON library, whose strings would leave copies of them in freed memory.
void append_part(SecretText& out, std::string_view bits_label, unsigned bits, std::string_view label, Bytes octets,
                 bool show) {
  out += fmt::format("\"{}\":{}", bits_label, bits);
  if (!show) return;
  out += fmt::format(",\"{}\":\"", label);
  append_hex(out, octets);
  out += "\"";
}

void append_key(SecretText& out, std::string_view label, const KeyParts& parts, bool show) {
  out += fmt::format(",\"{}\":{{", label);
  append_part(out, "bits", parts.key_bits, "hex", parts.key, show);
  if (!parts.salt.empty()) {
    out += ",";
    append_part(out, "salt_bits", parts.salt_bits, "salt", parts.salt, show);
  }
  if (!parts.iv.empty()) {
    out += ",";
    append_part(out, "iv_bits", parts.iv_bits, "iv", parts.iv, show);
  }
  out += "}";
}

// Only ASCII comes out, so that nothing in it can steer a terminal.
std::string text_of(const Json& object) { return object.dump(-1, ' ', true, Json::error_handler_t::replace); }

void finish(const Json& object, const Message& m, const JsonOptions& options, SecretText& out) {
  const bool show = options.keys && !options.paranoid;
  std::string text = text_of(object);
  text.pop_back();  // The closing brace, until the keys are in.
  out += text;
  if (m.auth_key) append_key(out, "auth_key", split_key(m, AlgorithmKind::auth), show);
  if (m.encrypt_key) append_key(out, "encr_key", split_key(m, AlgorithmKind::encrypt), show);
  if (m.initial_iv) {
    KeyParts iv;
    iv.key = m.initial_iv->material.bytes(), iv.key_bits = m.initial_iv->bits;
    append_key(out, "initial_iv", iv, show);
  }
  out += "}\n";
}

void time_member(Json& out, const JsonOptions& options) {
  if (options.now) out["time"] = options.now->wall.time_since_epoch().count();
}

}  // namespace

void json_sa(const Message& m, const JsonOptions& options, SecretText& out) {
  Json object = {{"kind", "sa"}, {"sadb", options.sadb}, {"satype", name(m.satype)}};
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
  for (const ReportedFault& f : report.faults)
    faults.push_back({{"severity", f.warning ? "warning" : "error"},
                      {"file", f.file},
                      {"line", f.line},
                      {"column", f.column},
                      {"length", f.length},
                      {"message", f.message}});
  const Json object = {{"kind", check ? "check" : "load"},
                       {"sadb", report.sadb},
                       {"file", report.file},
                       {"commands", report.commands},
                       {check ? "valid" : "succeeded", report.succeeded},
                       {"failed", report.failed},
                       {"faults", std::move(faults)}};
  out += text_of(object) + '\n';
}

}  // namespace pfkey
