// How a rule becomes a message, and a message a rule:
// 1. The pattern is one extension for each of its members.
// 2. An alternative becomes attributes: its type, the flags that say what protects, and a row of the table for each
//    value; kNext parts alternatives.
// 3. to_rule() reads them in one pass, a State that follows the alternatives, and then checks what must hold between
//    the parts: nothing that the message says is ignored.
#include "pfpolicy/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "pfkey/algorithms.h"
#include "pfkey/icmp.h"
#include "pfpolicy/attributes.h"

namespace ipseckey::pfpolicy {
namespace {

using pfkey::AlgorithmKind;
using policy::Action;
using policy::Alternative;
using policy::Choice;
using policy::Protection;
using policy::Rule;

constexpr std::uint8_t kAny = 255;  // Of ICMP numbers.

/// The three things that protect, their flags, and what is wrong about them.
struct Part {
  std::optional<Choice> Protection::* choice;
  std::uint32_t flag;
  AlgorithmKind kind;
  Diagnostic unsupported, key_size;
};
constexpr std::array kParts = {
    Part{&Protection::ah, kFlagAh, AlgorithmKind::auth, Diagnostic::unsupported_ah, Diagnostic::ah_key_size},
    Part{&Protection::cipher, kFlagEsp, AlgorithmKind::encrypt, Diagnostic::unsupported_cipher,
         Diagnostic::cipher_key_size},
    Part{&Protection::integrity, kFlagEspAuth, AlgorithmKind::auth, Diagnostic::unsupported_integrity,
         Diagnostic::integrity_key_size},
};

// ---- to attributes

std::uint32_t word(const Address& a, unsigned number) {
  std::array<std::byte, 4> octets;
  std::ranges::copy(Bytes(a.octets).subspan(std::size_t{number} * 4, 4), octets.begin());
  return big_endian(std::bit_cast<std::uint32_t>(octets));
}
void set_word(Address& a, unsigned number, std::uint32_t value) {
  const auto octets = std::bit_cast<std::array<std::byte, 4>>(big_endian(value));
  std::ranges::copy(octets, a.octets.begin() + static_cast<std::ptrdiff_t>(number) * 4);
}

std::uint32_t flags_of(const Rule& rule, const Protection& p) {
  std::uint32_t flags = p.unique ? kFlagUnique : 0;
  for (const Part& part : kParts)
    if (p.*part.choice) flags |= part.flag;
  if (in_tunnel_mode(rule, p)) flags |= kFlagSelf;
  return flags;
}

/// The value of an attribute; nullopt: the alternative does not say it.
struct ValueOf {
  const Protection& p;

  std::optional<std::uint32_t> operator()(const ChoiceRow& row) const {
    if (!(p.*row.of)) return std::nullopt;
    return std::visit(
        [&](auto member) -> std::optional<std::uint32_t> {
          const auto& value = *(p.*row.of).*member;
          return value ? std::optional<std::uint32_t>(*value) : std::nullopt;
        },
        row.member);
  }
  std::optional<std::uint32_t> operator()(ReqidRow) const { return p.reqid; }
  std::optional<std::uint32_t> operator()(SpiRow) const { return p.spi; }
  std::optional<std::uint32_t> operator()(LevelRow) const {
    return p.may_be_clear ? std::optional<std::uint32_t>(1) : std::nullopt;
  }
  std::optional<std::uint32_t> operator()(EndFamilyRow) const {
    if (!p.ends) return std::nullopt;
    return p.ends->local.family == Family::v4 ? 4u : 6u;
  }
  std::optional<std::uint32_t> operator()(const EndRow& row) const {
    if (!p.ends || (row.word > 0 && p.ends->local.family == Family::v4)) return std::nullopt;
    return word(row.remote ? p.ends->remote : p.ends->local, row.word);
  }
  std::optional<std::uint32_t> operator()(IgnoredRow) const { return std::nullopt; }
};

void append(const Rule& rule, const Alternative& a, std::vector<Attribute>& out) {
  out.push_back({kType, a.action == Action::drop ? kDrop : a.action == Action::pass ? kPass : kIpsec});
  if (a.action != Action::ipsec) return;
  out.push_back({kFlags, flags_of(rule, a.protection)});
  for (const AttributeRow& row : attributes())
    if (const auto value = std::visit(ValueOf{a.protection}, row.what)) out.push_back({row.tag, *value});
}

// ---- from attributes

struct State {
  Alternative alternative;
  std::optional<std::uint32_t> type, flags, level, end_family;
  policy::TunnelEnds ends;
  std::uint8_t words = 0;  ///< Bits: which words of the ends were there.
};

/// False: the value is not one of the attribute's, or it is there twice.
struct Take {
  State& s;
  std::uint32_t value;

  bool operator()(const ChoiceRow& row) const {
    auto& choice = s.alternative.protection.*row.of;
    if (!choice) choice.emplace();
    return std::visit(
        [&](auto member) {
          auto& slot = *choice.*member;
          using Number = std::remove_reference_t<decltype(slot)>::value_type;
          if (slot || value > std::numeric_limits<Number>::max()) return false;
          slot = static_cast<Number>(value);
          return true;
        },
        row.member);
  }
  bool operator()(ReqidRow) const { return once(s.alternative.protection.reqid); }
  bool operator()(SpiRow) const { return once(s.alternative.protection.spi); }
  bool operator()(LevelRow) const { return once(s.level) && value <= 1; }
  bool operator()(EndFamilyRow) const { return once(s.end_family) && (value == 4 || value == 6); }
  bool operator()(const EndRow& row) const {
    const auto bit = static_cast<std::uint8_t>(1u << (row.word + (row.remote ? 4u : 0u)));
    if (s.words & bit) return false;
    s.words |= bit;
    set_word(row.remote ? s.ends.remote : s.ends.local, row.word, value);
    return true;
  }
  bool operator()(IgnoredRow) const { return true; }

  bool once(std::optional<std::uint32_t>& slot) const {
    if (slot) return false;
    slot = value;
    return true;
  }
};

bool take_ends(State& s) {
  constexpr std::uint8_t kV4 = 0x11, kV6 = 0xff;
  if (!s.end_family) return s.words == 0;
  if (s.words != (*s.end_family == 4 ? kV4 : kV6)) return false;
  s.ends.local.family = s.ends.remote.family = *s.end_family == 4 ? Family::v4 : Family::v6;
  s.alternative.protection.ends = s.ends;
  return true;
}

std::optional<NoRule> fault_of(const Part& part, const Choice& choice) {
  if (choice.min_bits && choice.max_bits && *choice.min_bits > *choice.max_bits)
    return NoRule{part.key_size, "its least length is above its greatest"};
  if (!choice.number) return std::nullopt;
  const pfkey::Algorithm* const row = find_algorithm(part.kind, *choice.number);
  if (!row) return NoRule{part.unsupported, fmt::format("there is no algorithm {}", *choice.number)};
  return std::nullopt;
}

/// Flags and attributes must say the same: a flag without an attribute is any algorithm.
std::optional<NoRule> finish_ipsec(const Rule& rule, State& s) {
  constexpr std::uint32_t kKnown = kFlagAh | kFlagEsp | kFlagSelf | kFlagUnique | kFlagEspAuth;
  const std::uint32_t flags = s.flags.value_or(0);
  Protection& p = s.alternative.protection;
  if (flags & ~kKnown) return NoRule{Diagnostic::bad_flags, "flags of an action are AH, ESP, SE, UNIQUE and ESPA"};
  if (!(flags & (kFlagAh | kFlagEsp | kFlagEspAuth)))
    return NoRule{Diagnostic::bad_flags, "an action of type ipsec needs AH, ESP or ESPA"};
  for (const Part& part : kParts) {
    auto& choice = p.*part.choice;
    const bool wanted = (flags & part.flag) != 0;
    if (choice && !wanted) return NoRule{Diagnostic::inconsistent_flags, "an algorithm is given without its flag"};
    if (wanted && !choice) choice.emplace();
    if (!choice) continue;
    if (auto fault = fault_of(part, *choice)) return fault;
  }
  p.unique = (flags & kFlagUnique) != 0;
  p.may_be_clear = s.level.value_or(0) == 1;
  if (!take_ends(s))
    return NoRule{Diagnostic::malformed_action, "the ends of a tunnel are two addresses of one family"};
  const bool tunnel = in_tunnel_mode(rule, p);
  if (tunnel != ((flags & kFlagSelf) != 0))
    return NoRule{Diagnostic::inconsistent_flags, "SE is for tunnel mode, and only that has it"};
  if (tunnel && p.unique)
    return NoRule{Diagnostic::inconsistent_flags, "an SA in tunnel mode serves all connections: UNIQUE is for others"};
  return std::nullopt;
}

std::optional<NoRule> finish(Rule& rule, State& s) {
  const std::uint32_t type = s.type.value_or(0);
  if (type != kDrop && type != kPass && type != kIpsec) return NoRule{Diagnostic::bad_type, ""};
  s.alternative.action = type == kDrop ? Action::drop : type == kPass ? Action::pass : Action::ipsec;
  if (type == kIpsec) {
    if (auto fault = finish_ipsec(rule, s)) return fault;
  } else if (s.alternative.protection != Protection{} || s.flags || s.level || s.end_family || s.words != 0) {
    return NoRule{Diagnostic::inconsistent_flags, "only an action of type ipsec has flags, algorithms and ends"};
  }
  rule.alternatives.push_back(s.alternative);
  s = {};
  return std::nullopt;
}

std::optional<NoRule> take(const Attribute& a, State& s) {
  const NoRule twice{Diagnostic::malformed_action, "an attribute is there twice, or has an impossible value"};
  const Take taker{s, a.value};
  if (a.tag == kType) return taker.once(s.type) ? std::nullopt : std::optional(twice);
  if (a.tag == kFlags) return taker.once(s.flags) ? std::nullopt : std::optional(twice);
  const auto row = std::ranges::find(attributes(), a.tag, &AttributeRow::tag);
  if (row == attributes().end())
    return NoRule{Diagnostic::malformed_action, fmt::format("attribute {} is unknown", a.tag)};
  return std::visit(taker, row->what) ? std::nullopt : std::optional(twice);
}

std::optional<NoRule> read_action(const ActionList& list, Rule& rule) {
  State s;
  bool ended = false;
  for (const Attribute& a : list.attributes) {
    if (a.tag == kNop || a.tag == kEmpty) continue;
    if (ended) return NoRule{Diagnostic::malformed_action, "there are attributes behind the end"};
    std::optional<NoRule> fault;
    if (a.tag == kNext || a.tag == kEnd) {
      fault = finish(rule, s);
      ended = a.tag == kEnd;
    } else {
      fault = take(a, s);
    }
    if (fault) return fault;
  }
  if (!ended) return NoRule{Diagnostic::malformed_action, "the last attribute must be END"};
  return std::nullopt;
}

// ---- patterns

policy::NumberRange range(std::uint8_t first, std::uint8_t last) { return {.first = first, .last = last}; }

std::optional<NoRule> read_pattern(const Message& m, Rule& rule) {
  policy::Selector& s = rule.selector;
  if (m.local && m.remote && m.local->address.family != m.remote->address.family)
    return NoRule{Diagnostic::mixed_families, ""};
  s.local = m.local, s.remote = m.remote;
  // 0 is absent, as in a file and on Solaris: a rule about it would never match.
  if (m.protocol && m.protocol->value != 0) s.protocol = m.protocol->value;
  if (m.local_port && m.local_port->value != 0) s.local_port = m.local_port->value;
  if (m.remote_port && m.remote_port->value != 0) s.remote_port = m.remote_port->value;
  if ((s.local_port || s.remote_port) && s.protocol && !policy::has_ports(*s.protocol))
    return NoRule{Diagnostic::inconsistent_flags, "only TCP, UDP and SCTP have ports"};
  if (!m.type_code) return std::nullopt;
  if (!s.protocol || !pfkey::is_icmp(*s.protocol))
    return NoRule{Diagnostic::malformed_type_code, "ICMP_TYPECODE needs PROTO of ICMP or ICMPv6"};
  const TypeCode& t = *m.type_code;
  if (t.type != kAny) s.icmp_type = range(t.type, t.type_end);
  if (t.code != kAny) s.icmp_code = range(t.code, t.code_end);
  return std::nullopt;
}

}  // namespace

Message from_rule(const Rule& rule, std::uint32_t priority) {
  Message m;
  const policy::Selector& s = rule.selector;
  if (s.local_port) m.local_port = Port{*s.local_port};
  if (s.remote_port) m.remote_port = Port{*s.remote_port};
  if (s.protocol) m.protocol = Protocol{*s.protocol};
  m.local = s.local, m.remote = s.remote;
  if (s.icmp_type || s.icmp_code) {
    const auto type = s.icmp_type.value_or(range(kAny, kAny)), code = s.icmp_code.value_or(range(kAny, kAny));
    m.type_code = TypeCode{type.first, type.last, code.first, code.last};
  }
  m.rule = RuleData{.priority = priority, .flags = 0, .index = 0};
  if (rule.in) m.rule->flags |= kFlagIn;
  if (rule.out) m.rule->flags |= kFlagOut;
  if (rule.tunnel && rule.tunnel->whole_packets) m.rule->flags |= kFlagTunnel;
  if (rule.tunnel) m.tunnel = Text{rule.tunnel->name};
  m.action.emplace();
  for (const Alternative& a : rule.alternatives) {
    if (!m.action->attributes.empty()) m.action->attributes.push_back({kNext, 0});
    append(rule, a, m.action->attributes);
  }
  m.action->attributes.push_back({kEnd, 0});
  m.mark = rule.mark;
  if (rule.if_id) m.if_id = pfkey::Number{*rule.if_id};
  if (rule.line != 0) m.line = pfkey::Number{rule.line};
  return m;
}

std::expected<Rule, NoRule> to_pattern(const Message& m) {
  if (!m.rule) return std::unexpected(NoRule{Diagnostic::no_rule, ""});
  if (m.rule->flags & ~(kFlagIn | kFlagOut | kFlagTunnel)) return std::unexpected(NoRule{Diagnostic::bad_flags, ""});
  Rule rule;
  rule.in = (m.rule->flags & kFlagIn) != 0, rule.out = (m.rule->flags & kFlagOut) != 0;
  if (!rule.in && !rule.out)
    return std::unexpected(NoRule{Diagnostic::bad_flags, "a rule without a direction would do nothing: set IN or OUT"});
  const bool whole = (m.rule->flags & kFlagTunnel) != 0;
  if (m.tunnel && m.tunnel->text.empty()) return std::unexpected(NoRule{Diagnostic::not_global, ""});
  if (whole && !m.tunnel)
    return std::unexpected(NoRule{Diagnostic::inconsistent_flags, "TUNNEL needs the name of the tunnel"});
  if (m.tunnel) rule.tunnel = policy::Tunnel{m.tunnel->text, whole};
  if (auto fault = read_pattern(m, rule)) return std::unexpected(std::move(*fault));
  if (rule.tunnel && !whole && rule.selector != policy::Selector{})
    return std::unexpected(NoRule{Diagnostic::no_tunnel_selectors, ""});
  rule.mark = m.mark;
  if (m.if_id) rule.if_id = m.if_id->value;
  if (m.line) rule.line = m.line->value;
  return rule;
}

std::expected<Rule, NoRule> to_rule(const Message& m) {
  auto rule = to_pattern(m);
  if (!rule) return rule;
  if (!m.action) return std::unexpected(NoRule{Diagnostic::no_action, ""});
  if (auto fault = read_action(*m.action, *rule)) return std::unexpected(std::move(*fault));
  return rule;
}

}  // namespace ipseckey::pfpolicy
