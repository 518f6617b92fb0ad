// A message as text for a person:
// 1. print_message() begins with a line that says what it is; print_sa() with one that names the SA.
// 2. print_detail() adds a line or more for each part of the SA: mode, addresses, keys, numbers, lifetimes, traffic,
//    identities, labels.
// 3. Extensions of ours whose rows say how they are shown are a loop (print_own()).
// 4. Lines (pfkey/lines.h) aligns labels and values in a SecretText, because keys are among them.
#include "pfkey/print.h"

#include <fmt/format.h>

#include "pfkey/algorithms.h"
#include "pfkey/extensions.h"
#include "pfkey/icmp.h"
#include "pfkey/keyparts.h"
#include "pfkey/lifetimes.h"
#include "pfkey/lines.h"
#include "pfkey/names.h"
#include "pfkey/notices.h"
#include "pfkey/offers.h"
#include "pfkey/units.h"

namespace ipseckey::pfkey {
namespace {

std::string address_text(const std::optional<Endpoint>& e) {
  return !e || is_unspecified(e->address) ? "any" : to_string(e->address);
}

// "esp spi 0x2112  192.0.2.1 -> 192.0.2.2  mature", as far as the message says so.
void print_subject(const Message& m, Lines& lines) {
  lines.text(m.type == Type::x_promisc ? (m.satype == SaType::unspec ? "off" : "on") : name(m.satype));
  if (m.sa) {
    lines.text(" spi 0x");
    lines.number(m.sa->spi, 16);
  }
  if (m.src || m.dst) {
    lines.text("  ");
    lines.text(address_text(m.src));
    lines.text(" -> ");
    lines.text(address_text(m.dst));
  }
  // Requests carry a state that nobody set: larval is 0.
  if (!m.sa || (m.sa->state == State::larval && !m.current && m.type != Type::getspi)) return;
  lines.text("  ");
  lines.text(name(m.sa->state));
}

std::string protocol_text(std::uint8_t protocol, const PrintOptions& options) {
  if (protocol == 0) return "any";
  std::optional<std::string> word;
  if (!options.numeric && options.protocol_name) word = options.protocol_name(protocol);
  return word ? fmt::format("{} ({})", protocol, *word) : fmt::to_string(protocol);
}

void print_mode(const Message& m, Lines& lines) {
  if (!m.sa) return;
  const bool inbound = m.sa->flags & kFlagInbound, outbound = m.sa->flags & kFlagOutbound;
  if (!m.current && m.sa->flags == 0) return;  // A request that leaves both to the SADB.
  lines.begin("mode");
  lines.text(m.sa->flags & kFlagTunnel || m.inner_src || m.inner_dst ? "tunnel" : "transport");
  if (inbound || outbound)
    lines.text(inbound && outbound ? ", inbound and outbound" : inbound ? ", inbound" : ", outbound");
  lines.end();
}

// `always`: even if the summary line has said everything.
void print_endpoint(std::string_view label, const std::optional<Endpoint>& e, bool always, const PrintOptions& options,
                    Lines& lines) {
  if (!e) return;
  const bool named = !options.numeric && options.host_name && !is_unspecified(e->address);
  if (!always && e->prefix == 0 && e->port == 0 && !named) return;
  std::string text = to_string(e->address);
  if (e->prefix != 0 || (always && is_unspecified(e->address))) text += fmt::format("/{}", e->prefix);
  if (const auto number = is_icmp(e->proto) ? icmp_of_port(e->port) : std::nullopt) {
    text += fmt::format(" ICMP {} {}", label.ends_with("src") ? "type" : "code", *number);
  } else if (e->port != 0) {
    text += fmt::format(" port {}", e->port);
  }
  std::optional<std::string> host;
  if (named) host = options.host_name(e->address);
  if (host) text += fmt::format(" ({})", escaped(*host));
  if (always || e->prefix != 0 || e->port != 0 || host) lines.line(label, text);
}

void print_protocol(std::string_view label, const std::optional<Endpoint>& from, const std::optional<Endpoint>& to,
                    const PrintOptions& options, Lines& lines) {
  const std::uint8_t a = from ? from->proto : std::uint8_t{0}, b = to ? to->proto : std::uint8_t{0};
  if (a == 0 && b == 0) return;
  if (!from || !to || a == b) return lines.line(label, protocol_text(from ? a : b, options));
  lines.line(label, fmt::format("{} at the source, {} at the destination", protocol_text(a, options),
                                protocol_text(b, options)));
}

void print_addresses(const Message& m, const PrintOptions& options, Lines& lines) {
  print_endpoint("src", m.src, false, options, lines);
  print_endpoint("dst", m.dst, false, options, lines);
  print_protocol("proto", m.src, m.dst, options, lines);
  print_endpoint("inner src", m.inner_src, true, options, lines);
  print_endpoint("inner dst", m.inner_dst, true, options, lines);
  print_protocol("iproto", m.inner_src, m.inner_dst, options, lines);
  print_endpoint("nat local", m.natt_local, true, options, lines);
  print_endpoint("nat peer", m.natt_remote, true, options, lines);
}

void print_part(std::string_view label, Bytes octets, unsigned bits, const PrintOptions& options, Lines& lines) {
  if (octets.empty()) return;
  if (!options.keys) return lines.line(label, fmt::format("{} bits, not shown", bits));
  lines.begin(label);
  lines.hex(octets, options.paranoid);
  lines.text("/");
  lines.number(bits);
  lines.end();
}

void print_keys(const Message& m, const PrintOptions& options, Lines& lines) {
  if (m.sa && m.sa->auth != 0) lines.line("auth", algorithm_name(AlgorithmKind::auth, m.sa->auth));
  if (m.auth_key) {
    const KeyParts parts = split_key(m, AlgorithmKind::auth);
    print_part("auth key", parts.key, parts.key_bits, options, lines);
    print_part("salt", parts.salt, parts.salt_bits, options, lines);
    print_part("iv", parts.iv, parts.iv_bits, options, lines);
  }
  if (m.sa && m.sa->encrypt != 0) lines.line("encr", algorithm_name(AlgorithmKind::encrypt, m.sa->encrypt));
  if (m.encrypt_key) {
    const KeyParts parts = split_key(m, AlgorithmKind::encrypt);
    print_part("encr key", parts.key, parts.key_bits, options, lines);
    print_part("salt", parts.salt, parts.salt_bits, options, lines);
    print_part("iv", parts.iv, parts.iv_bits, options, lines);
  }
  if (m.initial_iv) print_part("iv", m.initial_iv->material.bytes(), m.initial_iv->bits, options, lines);
}

void print_replay(const Message& m, Lines& lines) {
  std::string text;
  if (m.replay_window) {
    text =
        fmt::format("window {}{}", m.replay_window->window, m.replay_window->esn ? ", extended sequence numbers" : "");
  } else if (m.sa && m.sa->replay != 0) {
    text = fmt::format("window {}", m.sa->replay);
  } else if (m.sa && m.current) {
    text = "no window";
  }
  if (m.replay_value) {
    const std::uint64_t value = m.replay_value->low != 0 ? m.replay_value->low : m.replay_value->wide;
    text += fmt::format("{}last number {}", text.empty() ? "" : ", ", value);
  }
  if (!text.empty()) lines.line("replay", text);
}

void print_traffic(const Message& m, Lines& lines) {
  if (!m.traffic) return;
  const Traffic& t = *m.traffic;
  std::string text = fmt::format("{} packet{}", t.packets, t.packets == 1 ? "" : "s");
  if (t.last_use != 0) text += fmt::format(", the last {}", local_time_text(t.last_use));
  lines.line("traffic", text);
  text.clear();
  for (const auto& [count, why] : {std::pair{t.replayed, "replayed"}, std::pair{t.late, "left of the window"},
                                   std::pair{t.corrupt, "with a wrong ICV"}, std::pair{t.mismatched, "not covered"},
                                   std::pair{t.malformed, "malformed"}})
    if (count != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, why);
  if (!text.empty()) lines.line("dropped", text);
}

void print_identity(std::string_view label, const Boxed<Identity>& identity, Lines& lines) {
  if (!identity) return;
  std::string text = name(identity->type) + ' ' + in_quotes(identity->text);
  if (identity->id != 0) text += fmt::format(", id {}", identity->id);
  lines.line(label, text);
}

void print_label(std::string_view label, const Boxed<Sensitivity>& sens, Lines& lines) {
  if (!sens) return;
  std::string text = fmt::format("level {}, integrity {}, domain {}", sens->level, sens->integrity, sens->dpd);
  if (sens->flags != 0)
    text += fmt::format(", flags {:#x}{}", sens->flags, sens->flags & kSensImplicit ? " (implicit)" : "");
  lines.line(label, text);
  for (const auto& [what, words] :
       {std::pair{"compartments", &sens->bitmap}, std::pair{"integrity compartments", &sens->integrity_bitmap}}) {
    if (words->empty()) continue;
    std::string row = what;
    for (const std::uint64_t word : *words) row += fmt::format(" {:016x}", word);
    lines.line("", row);
  }
}

void print_owner(const Message& m, Lines& lines) {
  print_identity("src id", m.src_identity, lines);
  print_identity("dst id", m.dst_identity, lines);
  print_label("label", m.sensitivity, lines);
  print_label("outer lbl", m.outer_sensitivity, lines);
  if (m.pair) lines.line("pair", fmt::format("spi {:#x}", m.pair->spi));
  if (m.km_cookie) {
    const KmCookie& c = *m.km_cookie;
    lines.line("manager", manager_name(c.proto) + (c.cookie ? fmt::format(", cookie {:#x}", c.cookie) : ""));
  }
}

std::string text_of(const Number& n, const Shown& shown) {
  const Word* const word = shown.words ? find_word(shown.words(), n.value) : nullptr;
  return word ? std::string(word->name()) : fmt::format(fmt::runtime(shown.text), n.value);
}
std::string text_of(const Mark& m, const Shown& shown) {
  return fmt::format(fmt::runtime(shown.text), m.value, m.mask);
}
std::string text_of(const Device& d, const Shown& shown) {
  return fmt::format(fmt::runtime(shown.text), escaped(d.name));
}
std::string text_of(const Offload& o, const Shown& shown) {
  return fmt::format(fmt::runtime(shown.text), name(o.mode), escaped(o.device));
}

// The extensions of ours whose rows say how they are shown. Of a type that has no text_of() none does.
void print_own(const Message& m, Lines& lines) {
  for_each_extension([&]<class Row>(Row) {
    if constexpr (constexpr const Shown& shown = Row::kRow.shown; !shown.label.empty())
      if (const auto& value = m.*Row::kMember) lines.line(shown.label, text_of(*value, shown));
  });
}

void print_detail(const Message& m, const PrintOptions& options, Lines& lines) {
  print_mode(m, lines);
  print_addresses(m, options, lines);
  print_keys(m, options, lines);
  print_replay(m, lines);
  print_owner(m, lines);
  print_own(m, lines);
  if (m.sa && m.sa->flags != 0) {
    lines.begin("flags");
    lines.text(flag_names(m.sa->flags));
    lines.text(" (0x");
    lines.number(m.sa->flags, 16);
    lines.text(")\n");
  }
  print_offers(m, lines);
  print_lifetimes(m, options, lines);
  print_traffic(m, lines);
  if (m.remark) lines.line("remark", escaped(m.remark->text));
}

// What the type alone does not say.
std::string_view remark(const Message& m) {
  if (m.type == Type::expire) return m.hard ? "hard " : m.soft ? "soft " : m.idle ? "idle " : "";
  return m.type == Type::dump && m.seq == 0 && !m.sa ? "end " : "";
}

}  // namespace

void print_sa(const Message& m, const PrintOptions& options, SecretText& out) {
  Lines lines(out);
  print_subject(m, lines);
  lines.end();
  print_detail(m, options, lines);
}

void print_message(const Message& m, const PrintOptions& options, SecretText& out) {
  Lines lines(out);
  if (options.timestamp && options.now) lines.text(local_time_text(seconds_since_1970(*options.now)) + "  ");
  if (const auto lost = messages_lost(m))
    return lines.text(
        *lost == 0 ? std::string("GAP an unknown number of messages was lost: this listener is too slow\n")
                   : fmt::format("GAP {} message{} lost: this listener is too slow\n", *lost, *lost == 1 ? "" : "s"));
  lines.text(name(m.type));
  lines.text(" ");
  lines.text(remark(m));
  print_subject(m, lines);
  lines.text("  seq ");
  lines.number(m.seq);
  lines.text(" pid ");
  lines.number(m.pid);
  lines.end();
  if (m.error != 0) lines.line("error", refusal_text(m));
  print_detail(m, options, lines);
}

}  // namespace ipseckey::pfkey
