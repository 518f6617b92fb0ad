// 1. facts() takes from a PF_KEY message what rules ask about.
// 2. compare() holds an algorithm and the length of its key against a Choice.
// 3. objections() collects everything that an alternative objects to: algorithms, mode, addresses, and what Linux has
//    besides. It never ends at the first objection: a person wants to know all of them.
#include "policy/judge.h"

#include <algorithm>

#include "pfkey/algorithms.h"

namespace ipseckey::policy {
namespace {

using pfkey::SaType;

Prefix prefix_of(const pfkey::Endpoint& end) { return {masked(end.address, end.prefix), end.prefix}; }

std::optional<std::uint16_t> bits_of(const std::optional<pfkey::Key>& key) {
  return key && key->bits > 0 ? std::optional(key->bits) : std::nullopt;
}

// What the parts of a Choice are called if they are not met.
struct Names {
  Objection algorithm, too_short, too_long;
};

// A length that is not known is not as demanded: nobody can tell.
void compare(const Choice& choice, std::uint8_t number, const std::optional<std::uint16_t>& bits, Names say,
             Objections& out) {
  if (choice.number ? number != *choice.number : number == 0) return out.add(say.algorithm);
  if (choice.min_bits && (!bits || *bits < *choice.min_bits)) out.add(say.too_short);
  if (choice.max_bits && (!bits || *bits > *choice.max_bits)) out.add(say.too_long);
}

void compare_algorithms(const Protection& p, const SaFacts& sa, Objections& out) {
  using enum Objection;
  if (sa.type == SaType::ah) {
    if (!p.ah) return out.add(protocol);
    return compare(*p.ah, sa.auth, sa.auth_bits, {ah_algorithm, ah_short, ah_long}, out);
  }
  if (!p.esp()) return out.add(protocol);
  const Choice null{.number = pfkey::kEalgNull, .min_bits = {}, .max_bits = {}};
  compare(p.cipher.value_or(null), sa.encrypt, sa.encrypt_bits, {cipher, cipher_short, cipher_long}, out);
  if (!p.integrity) return;
  // Combined ciphers are their own integrity: `any` takes them.
  const pfkey::Algorithm* const row = find_algorithm(pfkey::AlgorithmKind::encrypt, sa.encrypt);
  if (row && row->combined() && sa.auth == 0 && !p.integrity->number) return;
  compare(*p.integrity, sa.auth, sa.auth_bits, {integrity, integrity_short, integrity_long}, out);
}

// Equal on the shorter of both prefixes, as Solaris compares them.
bool meet(const std::optional<Prefix>& a, const std::optional<Prefix>& b) {
  return !a || !b || a->contains(*b) || b->contains(*a);
}

void compare_addresses(const Rule& rule, const Protection& p, Direction direction, const SaFacts& sa, Objections& out) {
  const bool outbound = direction == Direction::out;
  // AH around ESP goes between the tunnel's ends, too, and has no tunnel of its own.
  const bool around = sa.type == SaType::ah && p.esp();
  if (sa.tunnel != (in_tunnel_mode(rule, p) && !around)) out.add(Objection::mode);
  const bool any_src = !sa.src || is_unspecified(*sa.src);
  if (p.ends) {
    const Address& from = outbound ? p.ends->local : p.ends->remote;
    const Address& to = outbound ? p.ends->remote : p.ends->local;
    if (sa.dst != to || (!any_src && *sa.src != from)) out.add(Objection::ends);
  }
  const std::optional<Prefix>& from = outbound ? rule.selector.local : rule.selector.remote;
  const std::optional<Prefix>& to = outbound ? rule.selector.remote : rule.selector.local;
  if (sa.tunnel) {
    if (!meet(from, sa.inner_src) || !meet(to, sa.inner_dst)) out.add(Objection::inner_addresses);
  } else if (!in_tunnel_mode(rule, p)) {
    if ((to && !to->contains(sa.dst)) || (from && !any_src && !from->contains(*sa.src))) out.add(Objection::addresses);
  }
}

}  // namespace

SaFacts facts(const pfkey::Message& m) {
  SaFacts sa;
  sa.type = m.satype, sa.spi = m.sa->spi;
  sa.auth = m.sa->auth, sa.encrypt = m.sa->encrypt;
  sa.auth_bits = bits_of(m.auth_key), sa.encrypt_bits = bits_of(m.encrypt_key);
  if (m.src) sa.src = m.src->address;
  sa.dst = m.dst->address;
  sa.tunnel = (m.sa->flags & pfkey::kFlagTunnel) != 0;
  if (m.inner_src) sa.inner_src = prefix_of(*m.inner_src);
  if (m.inner_dst) sa.inner_dst = prefix_of(*m.inner_dst);
  if (m.reqid) sa.reqid = m.reqid->value;
  if (m.if_id) sa.if_id = m.if_id->value;
  sa.mark = m.mark;
  return sa;
}

std::string_view words(Objection objection) {
  switch (objection) {
    case Objection::protocol:
      return "it is of the other protocol: AH instead of ESP, or ESP instead of AH";
    case Objection::ah_algorithm:
      return "its AH algorithm is not the one demanded";
    case Objection::ah_short:
      return "its AH key is too short";
    case Objection::ah_long:
      return "its AH key is too long";
    case Objection::cipher:
      return "its cipher is not the one demanded";
    case Objection::cipher_short:
      return "the key of its cipher is too short";
    case Objection::cipher_long:
      return "the key of its cipher is too long";
    case Objection::integrity:
      return "its ESP integrity algorithm is not the one demanded";
    case Objection::integrity_short:
      return "its ESP integrity key is too short";
    case Objection::integrity_long:
      return "its ESP integrity key is too long";
    case Objection::mode:
      return "its mode differs: tunnel instead of transport, or transport instead of tunnel";
    case Objection::ends:
      return "its addresses are not those of the tunnel";
    case Objection::addresses:
      return "its addresses are not among those of the rule";
    case Objection::inner_addresses:
      return "its inner addresses are not those of the rule";
    case Objection::reqid:
      return "its reqid differs";
    case Objection::spi:
      return "the rule names another SPI";
    case Objection::mark:
      return "its mark differs";
    case Objection::if_id:
      return "its if_id differs";
  }
  return "";
}

Objections objections(const Rule& rule, const Protection& p, Direction direction, const SaFacts& sa) {
  Objections out;
  compare_algorithms(p, sa, out);
  compare_addresses(rule, p, direction, sa, out);
  if (p.reqid.value_or(0) != sa.reqid) out.add(Objection::reqid);
  if (p.spi.value_or(sa.spi) != sa.spi) out.add(Objection::spi);
  // The kernel compares the rule's mark with that of the SA, whose mask decides which bits count.
  if (sa.mark && (rule.mark.value_or(pfkey::Mark{0, 0}).value & sa.mark->mask) != sa.mark->value)
    out.add(Objection::mark);
  if (rule.if_id.value_or(0) != sa.if_id) out.add(Objection::if_id);
  return out;
}

std::vector<Verdict> judge(const Rule& rule, Direction direction, const SaFacts& sa) {
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < rule.alternatives.size(); ++i) {
    if (rule.alternatives[i].action != Action::ipsec) continue;
    const Objections against = objections(rule, rule.alternatives[i].protection, direction, sa);
    std::vector<Objection> listed;
    for (std::size_t o = 0; o < kObjections; ++o)
      if (against.has(static_cast<Objection>(o))) listed.push_back(static_cast<Objection>(o));
    verdicts.push_back({i, std::move(listed)});
  }
  return verdicts;
}

bool satisfies(std::span<const Verdict> verdicts) {
  return std::ranges::any_of(verdicts, [](const Verdict& v) { return v.objections.empty(); });
}

}  // namespace ipseckey::policy
