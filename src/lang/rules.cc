// What keywords demand of one another:
// 1. check_rules() makes a RuleView of the command: the spec, the rows of its algorithms, which keys there are.
// 2. kRules has a row for each rule: the verbs and SA types that it is for, what breaks it, which keyword is at fault,
//    how severe that is, and what to say.
// 3. A Sentence is the same each time or made from the command.
// 4. Rules of one form (a limit above another, a word that an update cannot change) are built by functions; those of
//    plain numbers (kPlainRules) from the needs that the rows of pfkey/extensions.h list.
// 5. A keyword whose value is at fault already is not blamed again.
#include "lang/rules.h"

#include <fmt/format.h>

#include <array>
#include <concepts>

#include "lang/detail/rule_view.h"
#include "pfkey/algorithms.h"
#include "pfkey/icmp.h"
#include "pfkey/limits.h"

namespace ipseckey::lang {
namespace {

using S = SaSpec;
using pfkey::Algorithm;
using pfkey::AlgorithmKind;
using pfkey::SaType;

bool given(const std::optional<Port>& port) { return port && port->value != 0; }
// Of the traffic: iproto in a tunnel, else proto.
bool is_icmp(const S& s) {
  return (s.inner_proto && pfkey::is_icmp(s.inner_proto->value)) || (s.proto && pfkey::is_icmp(s.proto->value));
}
// A number that cannot be a type or code of ICMP, which has no ports. (0 is saved as a port if no keyword has it.)
bool too_large(const std::optional<Port>& port) { return port && port->value > pfkey::kIcmpZero; }
bool has_inner(const S& s) { return s.inner_src || s.inner_dst || s.inner_sport || s.inner_dport || s.inner_proto; }

// RFC 2119's words, and the one to take.
std::string standing_of(const Algorithm& a) {
  return fmt::format("{} {} be used (RFC 8221): use {}", a.name(), words(a.standing),
                     pfkey::recommended(a.kind).name());
}

// Limits of which 0 means none.
template <auto low, auto high>
bool above(const RuleView& v) {
  const auto &l = v.spec.*low, &h = v.spec.*high;
  return l && h && pfkey::above(l->value, h->value);
}
template <auto low, auto high>
std::string which_is_above(const RuleView& v) {
  return fmt::format("{} {} is above {} {}", keyword_for(low).name(), (v.spec.*low)->value, keyword_for(high).name(),
                     (v.spec.*high)->value);
}

// The message of a broken rule: fixed text, with {} for the keyword at fault, or built from the command.
struct Sentence {
  std::string_view text;
  std::string (*made)(const RuleView&) = nullptr;

  constexpr Sentence(const char* fixed) : text(fixed) {}
  template <std::convertible_to<std::string (*)(const RuleView&)> F>
  constexpr Sentence(F make) : made(make) {}
  std::string of(const RuleView& v, const Slot& about) const {
    return made ? made(v) : fmt::format(fmt::runtime(text), keyword_for(about).name());
  }
};

struct Rule {
  Severity severity;
  Slot about;
  Slot beside;   // The other keyword that the rule needs to be sound.
  bool absence;  // The rule misses something: not checked when a keyword could not be understood.
  bool (*broken)(const RuleView&);
  Sentence sentence;
  bool fresh_keys_end_it = false;  // Keys that have never been used do not break it.
};

constexpr auto kIcv = kPlain<&pfkey::Message::icv>;
constexpr auto kDscp = kPlain<&pfkey::Message::dscp>;

constexpr auto kError = Severity::error, kWarning = Severity::warning;

template <auto low, auto high>
constexpr Rule not_above() {
  return {kError, low, high, false, above<low, high>, which_is_above<low, high>};
}

constexpr Sentence kEncapsulation = "{} needs encap udp";

// NAT keywords without encapsulation.
template <auto natted>
constexpr Rule encapsulated() {
  return {kError,        natted, &S::encap, true, [](const RuleView& v) { return v.spec.*natted && !v.spec.encap; },
          kEncapsulation};
}

bool only_inbound(const RuleView& v) { return v.spec.inbound && !v.spec.outbound; }
bool only_outbound(const RuleView& v) { return v.spec.outbound && !v.spec.inbound; }

bool outside_is_v6(const S& s) {
  return s.dst && ((s.dst->literal && s.dst->literal->family == Family::v6) || s.dst->v6_only);
}

// ---- what plain numbers need: the columns of their rows in extensions()

template <auto place>
bool of_ah(const RuleView& v) {
  return v.is_ah() && v.spec.*kPlain<place>;
}
template <auto place>
bool without_tunnel(const RuleView& v) {
  return v.adds() && v.spec.*kPlain<place> && !v.spec.inner_src && !v.spec.inner_dst;
}
template <auto place>
bool around_v6(const RuleView& v) {
  return v.spec.*kPlain<place> && outside_is_v6(v.spec);
}
template <auto place>
bool without_encapsulation(const RuleView& v) {
  return v.spec.*kPlain<place> && !v.spec.encap;
}
template <auto place>
bool sends_nothing(const RuleView& v) {
  return v.spec.*kPlain<place> && only_inbound(v);
}

constexpr std::size_t kMostNeeds = 3;  // Rules that one row makes.

template <auto place>
constexpr std::array<std::optional<Rule>, kMostNeeds> rules_of_plain() {
  using enum pfkey::Needs;
  constexpr const pfkey::Kept& kRow = *pfkey::kRowOf<place>.kept;
  constexpr Slot kWord = kPlain<place>;
  std::array<std::optional<Rule>, kMostNeeds> rules{};
  if (kRow.needs == esp_tunnel || kRow.needs == encapsulation)
    rules[0] =
        Rule{kError, kWord, kWord, false, of_ah<place>, "AH does not encrypt and does not pass a NAT: {} is for esp"};
  if (kRow.needs == encapsulation)
    rules[1] = Rule{kError, kWord, &S::encap, true, without_encapsulation<place>, kEncapsulation};
  if (kRow.needs == esp_tunnel || kRow.needs == tunnel || kRow.needs == ipv4_tunnel)
    rules[1] = Rule{kError, kWord, &S::inner_dst, true, without_tunnel<place>, "{} needs a tunnel: give isrc and idst"};
  if (kRow.needs == ipv4_tunnel)
    rules[0] = Rule{kError,           kWord,
                    &S::dst,          false,
                    around_v6<place>, "{} is for tunnels with IPv4 outside: IPv6 headers have no such bit"};
  if (kRow.sent_only)
    rules[2] = Rule{kWarning,
                    kWord,
                    &S::inbound,
                    true,
                    sends_nothing<place>,
                    "{} is for outgoing packets, and an inbound SA sends none"};
  return rules;
}

constexpr auto kRulesOfEach = []<std::size_t... i>(std::index_sequence<i...>) {
  return std::array{rules_of_plain<pfkey::ExtensionRow<kPlainRows[i]>::kMember>()...};
}(std::make_index_sequence<kPlainRows.size()>());

// The n-th of the existing ones.
constexpr const Rule* plain_rule(std::size_t n) {
  for (const auto& rules : kRulesOfEach)
    for (const std::optional<Rule>& rule : rules)
      if (rule && n-- == 0) return &*rule;
  return nullptr;
}
constexpr std::size_t kPlainRuleCount = [] {
  std::size_t count = 0;
  while (plain_rule(count)) ++count;
  return count;
}();
constexpr auto kPlainRules = []<std::size_t... n>(std::index_sequence<n...>) {
  return std::array{*plain_rule(n)...};
}(std::make_index_sequence<kPlainRuleCount>());

// What an update cannot change. Every SADB refuses keywords about the inside of a tunnel.
template <auto kept>
constexpr Rule kept_by_update() {
  return {kWarning,
          kept,
          kept,
          true,
          [](const RuleView& v) { return v.updates() && v.spec.*kept && !has_inner(v.spec); },
          "{} is ignored: an update cannot change it"};
}

// As in Linux and setkey, the port words name ICMP's type and code too. An update ignores all these words.
constexpr Sentence kNoPorts = "ICMP has no ports: give icmp-type and icmp-code (0 to 255) instead";
template <auto port>
constexpr Rule no_port_of_icmp() {
  return {kError,
          port,
          port,
          false,
          [](const RuleView& v) { return !v.updates() && is_icmp(v.spec) && too_large(v.spec.*port); },
          kNoPorts};
}

constexpr std::array kRules = {
    // What an SA must have, and what AH cannot have.
    Rule{kError, &S::auth, &S::encrypt, true,
         [](const RuleView& v) { return v.adds_esp() && !v.spec.auth && !v.spec.encrypt; },
         "add esp needs encr_alg, auth_alg or both"},
    Rule{kError, &S::auth, &S::auth, true, [](const RuleView& v) { return v.adds() && v.is_ah() && v.no_auth(); },
         "add ah needs auth_alg"},
    Rule{kError, &S::encrypt, &S::auth, true,
         [](const RuleView& v) {
           return v.adds_esp() && (v.spec.encrypt || v.spec.auth) && (v.no_cipher() || v.null_cipher()) && v.no_auth();
         },
         "an SA with neither encryption nor authentication protects nothing"},
    Rule{kError, &S::encrypt, &S::encrypt, false, [](const RuleView& v) { return v.is_ah() && !v.no_cipher(); },
         "AH does not encrypt: encr_alg is for esp"},
    Rule{kError, &S::encrypt_key, &S::encrypt_key, false,
         [](const RuleView& v) { return v.is_ah() && v.spec.encrypt_key.has_value(); },
         "AH does not encrypt: encrkey is for esp"},
    Rule{kError, &S::encap, &S::encap, false, [](const RuleView& v) { return v.is_ah() && v.spec.encap.has_value(); },
         "AH does not pass a NAT: encap is for esp"},
    Rule{kError, &S::align8, &S::align8, false, [](const RuleView& v) { return v.spec.align8 && !v.is_ah(); },
         "ESP has only one alignment: align8 is for ah"},

    // Keys and algorithms.
    Rule{kError, &S::auth_key, &S::auth, true,
         [](const RuleView& v) { return v.adds() && v.auth && !v.spec.auth_key; },
         [](const RuleView& v) { return fmt::format("{} needs authkey", v.auth->name()); }},
    Rule{kError, &S::auth_key, &S::auth, true, [](const RuleView& v) { return v.spec.auth_key && v.no_auth(); },
         "authkey needs auth_alg"},
    Rule{kError, &S::encrypt_key, &S::encrypt, true,
         [](const RuleView& v) { return v.adds() && v.encrypt && v.encrypt->takes_key() && !v.spec.encrypt_key; },
         [](const RuleView& v) { return fmt::format("{} needs encrkey", v.encrypt->name()); }},
    Rule{kError, &S::encrypt_key, &S::encrypt, true,
         [](const RuleView& v) { return v.spec.encrypt_key && !v.is_ah() && v.no_cipher(); }, "encrkey needs encr_alg"},
    Rule{kError, &S::encrypt_key, &S::encrypt, false,
         [](const RuleView& v) { return v.spec.encrypt_key && v.null_cipher(); }, "encr_alg null takes no encrkey"},
    Rule{kError, &S::auth_key, &S::auth, false, wrong_auth_key, auth_key_sizes},
    Rule{kWarning, &S::auth_key, &S::auth, false, unusual_auth_key, unusual_size},
    Rule{kError, &S::encrypt_key, &S::encrypt, false, wrong_encrypt_key, encrypt_key_sizes},
    Rule{kError, &S::auth, &S::encrypt, false,
         [](const RuleView& v) { return v.encrypt && v.encrypt->combined() && !v.no_auth(); },
         [](const RuleView& v) { return fmt::format("{} authenticates by itself and takes no auth_alg", v.encrypt->name()); }},
    Rule{kError, kIcv, &S::auth, true,
         [](const RuleView& v) { return v.spec.*kIcv && v.no_auth() && !v.updates(); },
         "icv needs auth_alg; the name of a combined cipher includes its ICV length, as in aes-gcm8"},
    Rule{kError, kIcv, &S::auth, false,
         [](const RuleView& v) { return v.spec.*kIcv && v.auth && !v.auth->icv_fits((v.spec.*kIcv)->value); },
         [](const RuleView& v) {
           return fmt::format("{} has an ICV of {}, not of {} bits", v.auth->name(), icv_sizes(*v.auth),
                              (v.spec.*kIcv)->value);
         }},
    Rule{kWarning, &S::auth, &S::auth, false,
         [](const RuleView& v) { return (v.adds() || v.spec.auth_key) && v.auth && v.auth->discouraged(); },
         [](const RuleView& v) { return standing_of(*v.auth); }},
    Rule{kWarning, &S::encrypt, &S::encrypt, false,
         [](const RuleView& v) { return (v.adds() || v.spec.encrypt_key) && v.encrypt && v.encrypt->discouraged(); },
         [](const RuleView& v) { return standing_of(*v.encrypt); }},
    Rule{kError, &S::encrypt, &S::auth, true,
         [](const RuleView& v) { return v.unvouched() && counter_alone(v.encrypt, nullptr); },
         [](const RuleView& v) {
           return fmt::format("{} needs auth_alg: without it any bit of a packet can be flipped in transit (RFC 3686 "
                              "section 7)",
                              v.encrypt->name());
         }},
    Rule{kWarning, &S::encrypt, &S::auth, true,
         [](const RuleView& v) { return v.unvouched() && !v.encrypt->counter(); },
         [](const RuleView& v) {
           return fmt::format("{} without auth_alg: packets can be changed in transit and forged; RFC 8221 section 4 "
                              "forbids it: add auth_alg {}",
                              v.encrypt->name(), pfkey::recommended(AlgorithmKind::auth).name());
         }},
    Rule{kError, &S::replay, &S::auth, true,
         [](const RuleView& v) { return v.unvouched() && v.spec.replay && v.spec.replay->value != 0; },
         "a replay window needs auth_alg: without it one forged sequence number disables the SA (RFC 4303 section 1)"},
    Rule{kError, &S::reserved_bits, &S::encrypt_key, true,
         [](const RuleView& v) { return reserved_bits(v) != 0 && !v.spec.encrypt_key; }, "reserved_bits needs encrkey"},
    Rule{kError, &S::reserved_bits, &S::encrypt_key, false,
         [](const RuleView& v) { return reserved_bits(v) % 8 != 0; }, "reserved_bits must be a multiple of 8"},

    // The SA's name, partner and state.
    Rule{kWarning, &S::spi, &S::spi, false,
         [](const RuleView& v) { return v.adds() && v.spec.spi && v.spec.spi->value < 256; },
         "SPIs from 1 to 255 are reserved by IANA (RFC 4303 section 2.1)"},
    Rule{kError, &S::pair_spi, &S::spi, false,
         [](const RuleView& v) { return v.spec.pair_spi && v.spec.spi && v.spec.pair_spi->value == v.spec.spi->value; },
         "an SA cannot be its own pair"},
    // In RFC 4303 and 4302 sequence numbers start at 1; a peer that restarts begins there again.
    Rule{kWarning, &S::replay, &S::replay, false,
         [](const RuleView& v) { return v.spec.replay && v.spec.replay->value != 0; },
         "a replay window with manual keys is considered harmful: after the peer restarts, its packets are dropped "
         "as replays",
         true},
    Rule{kWarning, &S::encrypt, &S::encrypt, false,
         [](const RuleView& v) { return (v.adds() || v.spec.encrypt_key) && v.encrypt && v.encrypt->counter(); },
         [](const RuleView& v) {
           return fmt::format("{} with a manual key may be insecure: a key must never see the same IV twice",
                              v.encrypt->name());
         },
         true},
    Rule{kError, &S::state, &S::state, false, [](const RuleView& v) { return v.spec.state == pfkey::State::larval; },
         "the larval state cannot be set: only GETSPI creates larval SAs"},
    Rule{kError, &S::state, &S::state, false,
         [](const RuleView& v) { return v.spec.state == pfkey::State::dying || v.spec.state == pfkey::State::dead; },
         "the dying and dead states cannot be set: they follow from lifetime limits and delete"},
    kept_by_update<&S::sport>(),
    kept_by_update<&S::dport>(),
    kept_by_update<&S::proto>(),
    kept_by_update<&S::icmp_type>(),
    kept_by_update<&S::icmp_code>(),
    kept_by_update<&S::encap>(),
    kept_by_update<&S::encrypt>(),
    kept_by_update<&S::auth>(),

    // Tunnels and ports.
    Rule{kError, &S::proto, &S::proto, false,
         [](const RuleView& v) {
           const std::uint8_t p = v.spec.proto ? v.spec.proto->value : 0;
           return p != 0 && p != pfkey::kProtoIpip && p != pfkey::kProtoIpv6 && has_inner(v.spec);
         },
         "in tunnel mode proto is 4 (IPv4 inside) or 41 (IPv6 inside); iproto names the protocol inside"},
    Rule{kWarning, kDscp, &S::inbound, true,
         [](const RuleView& v) { return v.spec.*kDscp && (v.spec.*kDscp)->value <= pfkey::kDscpMost && only_inbound(v); },
         "a DSCP is for outgoing packets, and an inbound SA sends none; use copy or keep"},
    Rule{kWarning, kDscp, &S::outbound, true,
         [](const RuleView& v) { return v.spec.*kDscp && (v.spec.*kDscp)->value == pfkey::kDscpCopy && only_outbound(v); },
         "dscp copy is for incoming packets; outbound, the outer header has the inner DSCP by default"},
    Rule{kError, &S::inner_sport, &S::sport, false,
         [](const RuleView& v) {
           return (given(v.spec.inner_sport) || given(v.spec.inner_dport)) &&
                  (given(v.spec.sport) || given(v.spec.dport));
         },
         "an SA has inner ports (tunnel mode) or outer ports (transport mode), not both"},
    Rule{kError, &S::icmp_type, &S::proto, true,
         [](const RuleView& v) { return !v.updates() && (v.spec.icmp_type || v.spec.icmp_code) && !is_icmp(v.spec); },
         "icmp-type and icmp-code need proto icmp or ipv6-icmp (1 or 58); in a tunnel, iproto"},
    Rule{kError, &S::icmp_code, &S::icmp_type, true,
         [](const RuleView& v) { return !v.updates() && v.spec.icmp_code && !v.spec.icmp_type; }, "icmp-code needs icmp-type"},
    Rule{kError, &S::icmp_type, &S::sport, false,
         [](const RuleView& v) {
           const S& s = v.spec;
           return !v.updates() && (s.icmp_type || s.icmp_code) &&
                  (given(s.sport) || given(s.dport) || given(s.inner_sport) || given(s.inner_dport));
         },
         kNoPorts},
    no_port_of_icmp<&S::sport>(),
    no_port_of_icmp<&S::dport>(),
    no_port_of_icmp<&S::inner_sport>(),
    no_port_of_icmp<&S::inner_dport>(),

    // NAT traversal.
    encapsulated<&S::nat_local>(),
    encapsulated<&S::nat_remote>(),
    encapsulated<&S::nat_local_port>(),
    encapsulated<&S::nat_remote_port>(),
    Rule{kError, &S::encap, &S::nat_local, true,
         [](const RuleView& v) {
           const S& s = v.spec;
           return s.encap && !s.nat_local && !s.nat_remote && !s.nat_local_port && !s.nat_remote_port;
         },
         "encap udp needs at least one of nat_loc, nat_rem, nat_lport and nat_rport"},

    // Limits.
    not_above<&S::soft_bytes, &S::hard_bytes>(),
    not_above<&S::soft_addtime, &S::hard_addtime>(),
    not_above<&S::soft_usetime, &S::hard_usetime>(),
    not_above<&S::soft_alloc, &S::hard_alloc>(),
    not_above<&S::idle_addtime, &S::hard_addtime>(),
    not_above<&S::idle_usetime, &S::hard_usetime>(),

    Rule{kError, &S::implicit_label, &S::outer_label, false,
         [](const RuleView& v) { return v.spec.outer_label && v.spec.implicit_label; },
         "an SA has an outer-label or an implicit-label, not both"},
};

}  // namespace

void check_rules(const Facts& facts, absl::FunctionRef<bool(const Slot&)> faulty, Objections out) {
  const SaSpec& spec = facts.spec;
  const RuleView view{facts.verb,
                      facts.satype,
                      spec,
                      spec.auth ? pfkey::find_algorithm(AlgorithmKind::auth, spec.auth->number) : nullptr,
                      spec.encrypt ? pfkey::find_algorithm(AlgorithmKind::encrypt, spec.encrypt->number) : nullptr,
                      spec.auth_key || spec.encrypt_key || faulty(&S::auth_key) || faulty(&S::encrypt_key)};
  const auto check = [&](const Rule& rule) {
    if (!rule.broken(view) || faulty(rule.about) || faulty(rule.beside)) return;
    if (rule.absence && faulty(Slot(&S::unusable))) return;
    if (rule.fresh_keys_end_it && facts.fresh) return;
    out({rule.severity, rule.about, rule.sentence.of(view, rule.about), rule.fresh_keys_end_it});
  };
  for (const Rule& rule : kRules) check(rule);
  for (const Rule& rule : kPlainRules) check(rule);
}

}  // namespace ipseckey::lang
