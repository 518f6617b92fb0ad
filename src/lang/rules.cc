#include "lang/rules.h"

#include <fmt/format.h>

#include <array>

#include "pfkey/algorithms.h"

namespace lang {
namespace {

using S = SaSpec;
using pfkey::Algorithm;
using pfkey::AlgorithmKind;
using pfkey::SaType;
using Message = std::optional<std::string>;  // Nothing: the rule is kept.

const Algorithm* auth_of(const Facts& f) {
  return f.spec.auth ? pfkey::find_algorithm(AlgorithmKind::auth, f.spec.auth->number) : nullptr;
}
const Algorithm* encrypt_of(const Facts& f) {
  return f.spec.encrypt ? pfkey::find_algorithm(AlgorithmKind::encrypt, f.spec.encrypt->number) : nullptr;
}
bool encrypts(const Facts& f) { return encrypt_of(f) && encrypt_of(f)->takes_key(); }
bool adds(const Facts& f) { return f.verb == Verb::add; }
bool is_ah(const Facts& f) { return f.satype == SaType::ah; }
bool has_inner(const S& s) { return s.inner_src || s.inner_dst || s.inner_sport || s.inner_dport || s.inner_proto; }
bool port_given(const std::optional<Port>& port) { return port && port->value != 0; }

Message when(bool broken, std::string_view sentence) { return broken ? Message(std::string(sentence)) : std::nullopt; }

// Limits of which 0 means none.
template <class T>
Message not_above(const std::optional<T>& low, const std::optional<T>& high, std::string_view low_name,
                  std::string_view high_name) {
  if (!low || !high || low->value == 0 || high->value == 0 || low->value <= high->value) return std::nullopt;
  return fmt::format("{} {} is above {} {}", low_name, low->value, high_name, high->value);
}

Message auth_key_length(const Facts& f) {
  const Algorithm* a = auth_of(f);
  if (!a || !f.spec.auth_key || a->key_fits(f.spec.auth_key->bits)) return std::nullopt;
  return fmt::format("{} needs {}; {} were given", a->name(), key_sizes(*a), f.spec.auth_key->bits);
}

Message encrypt_key_length(const Facts& f) {
  const Algorithm* a = encrypt_of(f);
  if (!a || !a->takes_key() || !f.spec.encrypt_key) return std::nullopt;
  const int given = f.spec.encrypt_key->bits, reserved = f.spec.reserved_bits ? f.spec.reserved_bits->value : 0;
  const int key = given - reserved - a->salt_bits;
  if (key > 0 && a->key_fits(static_cast<unsigned>(key))) return std::nullopt;
  const std::string iv = reserved ? fmt::format(" and the {} reserved bits", reserved) : "";
  return fmt::format("{} needs {}{}; {} were given", a->name(), key_sizes(*a), iv, given);
}

// RFC 4303 and 4302 know sequence numbers from 1; a peer that restarts begins there again.
constexpr std::string_view kReplay =
    "a replay window with manual keys is considered harmful: after a restart of the peer its packets are dropped as "
    "replays";

Message counter_mode(const Facts& f) {
  const Algorithm* a = encrypt_of(f);
  if (!adds(f) || !a || !a->counter()) return std::nullopt;
  return fmt::format("{} with a manual key may be insecure: a key must never see the same IV twice", a->name());
}

struct Rule {
  Severity severity;
  Slot about;
  Slot beside;   // The other keyword that the rule needs to be sound.
  bool absence;  // The rule misses something: not checked when a keyword could not be understood.
  Message (*broken)(const Facts&);
};

constexpr auto kError = Severity::error, kWarning = Severity::warning;

constexpr std::array kRules = {
    Rule{kError, &S::auth, &S::encrypt, true,
         [](const Facts& f) {
           return when(adds(f) && !is_ah(f) && !f.spec.auth && !f.spec.encrypt, "add esp needs encr_alg, auth_alg or both");
         }},
    Rule{kError, &S::auth, &S::auth, true,
         [](const Facts& f) { return when(adds(f) && is_ah(f) && (!f.spec.auth || f.spec.auth->number == 0), "add ah needs auth_alg"); }},
    Rule{kError, &S::encrypt, &S::auth, true,
         [](const Facts& f) {
           const bool nothing = (!f.spec.encrypt || f.spec.encrypt->number == 0 || f.spec.encrypt->number == pfkey::kEalgNull) &&
                                (!f.spec.auth || f.spec.auth->number == 0);
           return when(adds(f) && !is_ah(f) && (f.spec.encrypt || f.spec.auth) && nothing,
                       "an SA with neither encryption nor authentication protects nothing");
         }},
    Rule{kError, &S::encrypt, &S::encrypt, false,
         [](const Facts& f) { return when(is_ah(f) && f.spec.encrypt && f.spec.encrypt->number != 0, "AH does not encrypt: encr_alg is for esp"); }},
    Rule{kError, &S::encrypt_key, &S::encrypt_key, false,
         [](const Facts& f) { return when(is_ah(f) && f.spec.encrypt_key, "AH does not encrypt: encrkey is for esp"); }},
    Rule{kError, &S::encap, &S::encap, false,
         [](const Facts& f) { return when(is_ah(f) && f.spec.encap, "AH does not pass a NAT: encap is for esp"); }},

    Rule{kError, &S::auth_key, &S::auth, true,
         [](const Facts& f) -> Message {
           if (!adds(f) || !auth_of(f) || f.spec.auth_key) return std::nullopt;
           return fmt::format("{} needs authkey", auth_of(f)->name());
         }},
    Rule{kError, &S::auth_key, &S::auth, true,
         [](const Facts& f) { return when(f.spec.auth_key && (!f.spec.auth || f.spec.auth->number == 0), "authkey needs auth_alg"); }},
    Rule{kError, &S::encrypt_key, &S::encrypt, true,
         [](const Facts& f) -> Message {
           if (!adds(f) || !encrypts(f) || f.spec.encrypt_key) return std::nullopt;
           return fmt::format("{} needs encrkey", encrypt_of(f)->name());
         }},
    Rule{kError, &S::encrypt_key, &S::encrypt, true,
         [](const Facts& f) {
           return when(f.spec.encrypt_key && !is_ah(f) && (!f.spec.encrypt || f.spec.encrypt->number == 0), "encrkey needs encr_alg");
         }},
    Rule{kError, &S::encrypt_key, &S::encrypt, false,
         [](const Facts& f) { return when(f.spec.encrypt_key && f.spec.encrypt && f.spec.encrypt->number == pfkey::kEalgNull, "encr_alg null takes no encrkey"); }},
    Rule{kError, &S::auth_key, &S::auth, false, auth_key_length},
    Rule{kError, &S::encrypt_key, &S::encrypt, false, encrypt_key_length},
    Rule{kError, &S::auth, &S::encrypt, false,
         [](const Facts& f) -> Message {
           const Algorithm* a = encrypt_of(f);
           if (!a || !a->combined() || !f.spec.auth || f.spec.auth->number == 0) return std::nullopt;
           return fmt::format("{} authenticates by itself and takes no auth_alg", a->name());
         }},
    Rule{kError, &S::reserved_bits, &S::encrypt_key, true,
         [](const Facts& f) { return when(f.spec.reserved_bits && f.spec.reserved_bits->value != 0 && !f.spec.encrypt_key, "reserved_bits needs encrkey"); }},
    Rule{kError, &S::reserved_bits, &S::encrypt_key, false,
         [](const Facts& f) { return when(f.spec.reserved_bits && f.spec.reserved_bits->value % 8 != 0, "reserved_bits must be a multiple of 8"); }},

    Rule{kWarning, &S::spi, &S::spi, false,
         [](const Facts& f) { return when(adds(f) && f.spec.spi && f.spec.spi->value < 256, "SPIs from 1 to 255 are reserved by IANA (RFC 4303 section 2.1)"); }},
    Rule{kError, &S::pair_spi, &S::spi, false,
         [](const Facts& f) { return when(f.spec.pair_spi && f.spec.spi && f.spec.pair_spi->value == f.spec.spi->value, "an SA cannot be its own pair"); }},
    Rule{kWarning, &S::replay, &S::replay, false,
         [](const Facts& f) { return when(f.spec.replay && f.spec.replay->value != 0, kReplay); }},
    Rule{kWarning, &S::encrypt, &S::encrypt, false, counter_mode},
    Rule{kError, &S::state, &S::state, false,
         [](const Facts& f) { return when(f.spec.state == pfkey::State::larval, "the larval state cannot be set: SAs get it by GETSPI alone"); }},
    Rule{kError, &S::state, &S::state, false,
         [](const Facts& f) {
           return when(f.spec.state == pfkey::State::dying || f.spec.state == pfkey::State::dead,
                       "the dying and dead states cannot be set: limits and delete bring them about");
         }},

    Rule{kError, &S::proto, &S::proto, false,
         [](const Facts& f) {
           const std::uint8_t p = f.spec.proto ? f.spec.proto->value : 0;
           return when(has_inner(f.spec) && p != 0 && p != pfkey::kProtoIpip && p != pfkey::kProtoIpv6,
                       "in tunnel mode proto is 4 (IPv4 inside) or 41 (IPv6 inside); iproto names the protocol inside");
         }},
    Rule{kError, &S::inner_sport, &S::sport, false,
         [](const Facts& f) {
           const bool inner = port_given(f.spec.inner_sport) || port_given(f.spec.inner_dport);
           const bool outer = port_given(f.spec.sport) || port_given(f.spec.dport);
           return when(inner && outer, "an SA has inner ports (tunnel mode) or outer ports (transport mode), not both");
         }},
    Rule{kError, &S::nat_local, &S::encap, true,
         [](const Facts& f) { return when(f.spec.nat_local && !f.spec.encap, "nat_loc needs encap udp"); }},
    Rule{kError, &S::nat_remote, &S::encap, true,
         [](const Facts& f) { return when(f.spec.nat_remote && !f.spec.encap, "nat_rem needs encap udp"); }},
    Rule{kError, &S::nat_local_port, &S::encap, true,
         [](const Facts& f) { return when(f.spec.nat_local_port && !f.spec.encap, "nat_lport needs encap udp"); }},
    Rule{kError, &S::nat_remote_port, &S::encap, true,
         [](const Facts& f) { return when(f.spec.nat_remote_port && !f.spec.encap, "nat_rport needs encap udp"); }},
    Rule{kError, &S::encap, &S::nat_local, true,
         [](const Facts& f) {
           return when(f.spec.encap && !f.spec.nat_local && !f.spec.nat_remote && !f.spec.nat_local_port && !f.spec.nat_remote_port,
                       "encap udp needs at least one of nat_loc, nat_rem, nat_lport and nat_rport");
         }},

    Rule{kError, &S::soft_bytes, &S::hard_bytes, false,
         [](const Facts& f) { return not_above(f.spec.soft_bytes, f.spec.hard_bytes, "soft_bytes", "hard_bytes"); }},
    Rule{kError, &S::soft_addtime, &S::hard_addtime, false,
         [](const Facts& f) { return not_above(f.spec.soft_addtime, f.spec.hard_addtime, "soft_addtime", "hard_addtime"); }},
    Rule{kError, &S::soft_usetime, &S::hard_usetime, false,
         [](const Facts& f) { return not_above(f.spec.soft_usetime, f.spec.hard_usetime, "soft_usetime", "hard_usetime"); }},
    Rule{kError, &S::soft_alloc, &S::hard_alloc, false,
         [](const Facts& f) { return not_above(f.spec.soft_alloc, f.spec.hard_alloc, "soft_alloc", "hard_alloc"); }},
    Rule{kError, &S::idle_addtime, &S::hard_addtime, false,
         [](const Facts& f) { return not_above(f.spec.idle_addtime, f.spec.hard_addtime, "idle_addtime", "hard_addtime"); }},
    Rule{kError, &S::idle_usetime, &S::hard_usetime, false,
         [](const Facts& f) { return not_above(f.spec.idle_usetime, f.spec.hard_usetime, "idle_usetime", "hard_usetime"); }},

    Rule{kError, &S::implicit_label, &S::outer_label, false,
         [](const Facts& f) { return when(f.spec.outer_label && f.spec.implicit_label, "an SA has an outer-label or an implicit-label, not both"); }},
};

}  // namespace

void check_rules(const Facts& facts, absl::FunctionRef<bool(const Slot&)> faulty, Objections out) {
  for (const Rule& rule : kRules) {
    auto message = rule.broken(facts);
    if (!message || faulty(rule.about) || faulty(rule.beside)) continue;
    if (rule.absence && faulty(Slot(&S::unusable))) continue;
    out({rule.severity, rule.about, std::move(*message)});
  }
}

}  // namespace lang
