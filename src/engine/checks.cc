#include "engine/checks.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/weak_keys.h"
#include "pfkey/refusals.h"

namespace engine {
namespace {

using pfkey::Diagnostic;
using pfkey::Endpoint;
using pfkey::Key;
using pfkey::Message;
using D = Diagnostic;

// Solaris' classes, as far as the engine needs to tell them apart.
enum class Class { unspecified, group, local, other };

Class class_of(const Address& a, const Options& options) {
  if (is_unspecified(a)) return Class::unspecified;
  if (is_multicast(a)) return Class::group;
  return options.is_local && options.is_local(a) ? Class::local : Class::other;
}

// A rule is broken or not; the first broken one of a table is the answer.
template <class Subject>
struct Rule {
  Refusal answer;
  bool (*broken)(const Subject&);
};

constexpr Refusal einval(D diagnostic) { return {EINVAL, diagnostic}; }

template <class Subject, std::size_t n>
Check first_broken(const std::array<Rule<Subject>, n>& rules, const Subject& subject) {
  for (const Rule<Subject>& rule : rules)
    if (rule.broken(subject)) return rule.answer;
  return std::nullopt;
}

bool malformed(const std::optional<Key>& key) {
  if (!key) return false;
  return key->bits == 0 || (key->bits + 7u) / 8 != key->material.size() || all_zero(key->material.bytes());
}

// ---- addresses

void unmap(std::optional<Endpoint>& e) {
  if (e && e->address.family == Family::v6) e->address = unmapped(e->address);
}

Check natt(const std::optional<Endpoint>& e, const Options& options, bool unspecified_fits, D malformed_code,
           D family_code) {
  if (!e) return std::nullopt;
  if (options.as_linux) return is_multicast(e->address) ? Check(einval(malformed_code)) : std::nullopt;
  switch (class_of(e->address, options)) {
    case Class::group:
      return einval(malformed_code);
    case Class::local:
      if (e->port == 0) return einval(malformed_code);
      break;
    case Class::unspecified:
      if (!unspecified_fits && e->port == 0) return einval(malformed_code);
      break;
    case Class::other:
      break;
  }
  if (e->address.family != Family::v4) return einval(family_code);
  return std::nullopt;
}

// A mapped address counts its prefix from the first of 128 bits.
Check inner(Endpoint& e, D prefix_code) {
  const Address plain = unmapped(e.address);
  unsigned prefix = e.prefix;
  if (plain.family != e.address.family) {
    if (prefix < 96) return einval(prefix_code);
    prefix -= 96;
  }
  if (prefix > plain.bits()) return einval(prefix_code);
  e.address = masked(plain, prefix);
  e.prefix = static_cast<std::uint8_t>(prefix);
  return std::nullopt;
}

// Two fields that must say the same; one that says nothing learns from the other.
Check agree(std::uint8_t& a, std::uint8_t& b, D code) {
  if (a == 0) a = b;
  if (b == 0) b = a;
  if (a != b) return einval(code);
  return std::nullopt;
}

Check inner_pair(Message& m) {
  if (!m.inner_src && !m.inner_dst) return std::nullopt;
  if (!m.inner_dst) return einval(D::missing_inner_dst);
  if (!m.inner_src) return einval(D::missing_inner_src);
  if (auto wrong = inner(*m.inner_dst, D::prefix_inner_dst)) return wrong;
  if (auto wrong = inner(*m.inner_src, D::prefix_inner_src)) return wrong;
  if (m.inner_src->address.family != m.inner_dst->address.family) return einval(D::inner_af_mismatch);
  return agree(m.inner_src->proto, m.inner_dst->proto, D::inner_proto_mismatch);
}

Check outer_pair(Message& m) {
  if (!m.src || !m.dst) return std::nullopt;
  if (m.inner_src && (m.inner_src->port || m.inner_dst->port) && (m.src->port || m.dst->port))
    return einval(D::dual_port_sets);
  if (auto wrong = agree(m.src->proto, m.dst->proto, D::proto_mismatch)) return wrong;
  if (m.src->address.family == m.dst->address.family) return std::nullopt;
  // The wildcard source is often written as ::, whatever the destination.
  if (m.dst->address.family != Family::v4 || !is_unspecified(m.src->address)) return einval(D::af_mismatch);
  m.src->address = unspecified(Family::v4);
  return std::nullopt;
}

constexpr std::array kPresence = {
    Rule<Message>{einval(D::ekey_present),
                  [](const Message& m) { return m.satype == pfkey::SaType::ah && m.encrypt_key; }},
    Rule<Message>{einval(D::prop_present), [](const Message& m) { return m.proposal || m.extended_proposal; }},
    Rule<Message>{einval(D::supp_present), [](const Message& m) { return m.supported_auth || m.supported_encrypt; }},
};

// ---- ADD

struct Add {
  const Message& m;
  const Options& options;
  const pfkey::Algorithm* auth;     // Null: none asked for, or none such.
  const pfkey::Algorithm* encrypt;  // The same.
  bool esp() const { return m.satype == pfkey::SaType::esp; }
  bool flag(std::uint32_t bit) const { return m.sa->flags & bit; }
};

bool bad_auth_key(const Add& a) {
  return a.m.auth_key && (a.m.auth_key->reserved != 0 || !a.auth->key_works(a.m.auth_key->bits));
}

// Bits of the key alone: without salt and explicit IV. Negative: not even those fit.
int key_bits(const Add& a) { return a.m.encrypt_key->bits - a.m.encrypt_key->reserved - a.encrypt->salt_bits; }

bool bad_encrypt_key(const Add& a) {
  if (!a.m.encrypt_key) return false;
  if (!a.encrypt->takes_key()) return true;
  const unsigned reserved = a.m.encrypt_key->reserved;
  if (reserved != 0 && reserved != a.encrypt->iv * 8u) return true;
  const int bits = key_bits(a);
  return bits <= 0 || !a.encrypt->key_fits(static_cast<unsigned>(bits));
}

bool zero_encrypt_key(const Add& a) {
  return a.m.encrypt_key &&
         all_zero(a.m.encrypt_key->material.bytes().first(static_cast<std::size_t>(key_bits(a)) / 8));
}

bool weak_encrypt_key(const Add& a) {
  return a.m.encrypt_key && pfkey::weak_key(a.encrypt->number, a.m.encrypt_key->material.bytes());
}

constexpr std::array kBeforeKeys = {
    Rule<Add>{einval(D::missing_src), [](const Add& a) { return !a.m.src; }},
    Rule<Add>{einval(D::missing_dst), [](const Add& a) { return !a.m.dst; }},
    Rule<Add>{einval(D::missing_sa), [](const Add& a) { return !a.m.sa; }},
    Rule<Add>{einval(D::malformed_sa), [](const Add& a) { return a.m.sa->spi == 0; }},
    Rule<Add>{einval(D::missing_ekey),
              [](const Add& a) { return a.esp() && !a.m.encrypt_key && a.m.sa->encrypt != pfkey::kEalgNull; }},
    Rule<Add>{einval(D::missing_akey), [](const Add& a) { return !a.esp() && !a.m.auth_key; }},
    Rule<Add>{einval(D::bad_sastate),
              [](const Add& a) {
                return a.m.sa->state != pfkey::State::mature && a.m.sa->state != pfkey::State::active_elsewhere;
              }},
    Rule<Add>{einval(D::bad_ealg), [](const Add& a) { return a.esp() && a.m.sa->encrypt == 0; }},
    Rule<Add>{einval(D::encr_notsupp), [](const Add& a) { return !a.esp() && a.m.sa->encrypt != 0; }},
    Rule<Add>{einval(D::bad_aalg),
              [](const Add& a) { return a.m.sa->encrypt == pfkey::kEalgNull && a.m.sa->auth == 0; }},
    Rule<Add>{einval(D::bad_saflags),
              [](const Add& a) { return (a.m.sa->flags & ~settable_flags(a.m.satype, false)) != 0; }},
};

constexpr std::array kAfterLifetimes = {
    Rule<Add>{einval(D::malformed_natt_loc), [](const Add& a) { return !a.esp() && a.m.natt_local; }},
    Rule<Add>{einval(D::malformed_natt_rem), [](const Add& a) { return !a.esp() && a.m.natt_remote; }},
    Rule<Add>{einval(D::missing_natt_loc),
              [](const Add& a) { return a.flag(pfkey::kFlagNattLocal) && !a.m.natt_local; }},
    Rule<Add>{einval(D::missing_natt_rem),
              [](const Add& a) { return a.flag(pfkey::kFlagNattRemote) && !a.m.natt_remote; }},
    Rule<Add>{{EOPNOTSUPP, D::none}, [](const Add& a) { return a.m.current.has_value(); }},
};

constexpr std::array kKeys = {
    Rule<Add>{einval(D::missing_akey), [](const Add& a) { return a.m.sa->auth != 0 && !a.m.auth_key; }},
    Rule<Add>{einval(D::bad_aalg), [](const Add& a) { return a.m.auth_key && !a.auth; }},
    Rule<Add>{einval(D::bad_aalg), [](const Add& a) { return a.auth && a.encrypt && a.encrypt->combined(); }},
    Rule<Add>{einval(D::bad_akeybits), bad_auth_key},
    Rule<Add>{{EINVAL, D::bad_aalg, pfkey::kNoSuchIcv},
              [](const Add& a) { return a.m.icv && (!a.auth || !a.auth->icv_fits(a.m.icv->value)); }},
    Rule<Add>{einval(D::bad_ealg), [](const Add& a) { return a.esp() && !a.encrypt; }},
    Rule<Add>{einval(D::bad_ekeybits), bad_encrypt_key},
    Rule<Add>{einval(D::malformed_ekey), zero_encrypt_key},
};

// RFC 4303 sections 1 and 3.4.3: numbers that nothing vouches for cannot be believed.

bool checks_numbers(const Message& m) {
  return m.sa->replay != 0 || (m.replay_window && (m.replay_window->window != 0 || m.replay_window->esn));
}

constexpr Rule<Add> kCounterAlone{
    {EINVAL, D::bad_aalg, pfkey::kCounterNeedsIntegrity},
    [](const Add& a) { return a.esp() && pfkey::without_integrity(a.encrypt, a.auth) && a.encrypt->counter(); }};

constexpr Rule<Add> kWeakKey{einval(D::weak_ekey), weak_encrypt_key};

bool above(std::uint64_t soft, std::uint64_t hard) { return soft != 0 && hard != 0 && soft > hard; }

constexpr std::array kLifetimes = {
    Rule<Message>{einval(D::alloc_hserr),
                  [](const Message& m) { return above(m.soft->allocations, m.hard->allocations); }},
    Rule<Message>{einval(D::bytes_hserr), [](const Message& m) { return above(m.soft->bytes, m.hard->bytes); }},
    Rule<Message>{einval(D::addtime_hserr), [](const Message& m) { return above(m.soft->addtime, m.hard->addtime); }},
    Rule<Message>{einval(D::usetime_hserr), [](const Message& m) { return above(m.soft->usetime, m.hard->usetime); }},
    Rule<Message>{einval(D::addtime_hserr),
                  [](const Message& m) {
                    return m.idle &&
                           (above(m.idle->addtime, m.hard->addtime) || above(m.idle->addtime, m.soft->addtime));
                  }},
    Rule<Message>{einval(D::usetime_hserr),
                  [](const Message& m) {
                    return m.idle &&
                           (above(m.idle->usetime, m.hard->usetime) || above(m.idle->usetime, m.soft->usetime));
                  }},
};

// An algorithm that the table has and this engine has not.
Refusal with_cure(Refusal wrong, const Message& m, const Options& options) {
  const auto look = [&](D diagnostic, pfkey::AlgorithmKind kind, std::uint8_t number) {
    const pfkey::Algorithm* const row = pfkey::find_algorithm(kind, number);
    if (wrong.diagnostic == diagnostic && row && options.cure && !usable(kind, number, options))
      wrong.remark = options.cure(*row);
  };
  look(D::bad_aalg, pfkey::AlgorithmKind::auth, m.sa->auth);
  look(D::bad_ealg, pfkey::AlgorithmKind::encrypt, m.sa->encrypt);
  return wrong;
}

}  // namespace

Refusal invalid(Diagnostic diagnostic) { return einval(diagnostic); }

const pfkey::Algorithm* usable(pfkey::AlgorithmKind kind, std::uint8_t number, const Options& options) {
  const pfkey::Algorithm* const row = pfkey::find_algorithm(kind, number);
  return row && (!options.usable || options.usable(*row)) ? row : nullptr;
}

std::uint32_t settable_flags(pfkey::SaType satype, bool update) {
  if (satype == pfkey::SaType::ah) return update ? 0x03c1c002 : 0x33c3c002;
  return update ? 0x03d9d002 : 0x3fdbd002;
}

Check check_contents(const Message& m, const Options& options) {
  const bool carries_keys =
      m.type == pfkey::Type::add || m.type == pfkey::Type::update || m.type == pfkey::Type::x_updatepair;
  if (carries_keys && malformed(m.encrypt_key)) return einval(D::malformed_ekey);
  if (carries_keys && malformed(m.auth_key)) return einval(D::malformed_akey);
  if (m.spi_range && (m.spi_range->min > m.spi_range->max || m.spi_range->max == 0)) return einval(D::malformed_range);
  if (m.initial_iv || m.remark || m.traffic) return einval(D::unknown_ext);  // They are for replies.
  if (m.offload && !options.as_linux) return Refusal{EOPNOTSUPP, D::none};
  if (m.ah_align && m.ah_align->value != 4 && m.ah_align->value != 8) return einval(D::bad_saflags);
  if (m.icv && m.icv->value < pfkey::kShortIcv) return Refusal{EINVAL, D::bad_aalg, pfkey::kNoSuchIcv};
  return std::nullopt;
}

Check normalise(Message& m, const Options& options) {
  unmap(m.src), unmap(m.dst), unmap(m.natt_local), unmap(m.natt_remote);
  if (m.src && is_multicast(m.src->address)) return einval(D::bad_src);
  if (m.dst && is_unspecified(m.dst->address)) return einval(D::bad_dst);
  if (auto wrong = natt(m.natt_local, options, true, D::malformed_natt_loc, D::bad_natt_loc_af)) return wrong;
  if (auto wrong = natt(m.natt_remote, options, m.inner_src.has_value(), D::malformed_natt_rem, D::bad_natt_rem_af))
    return wrong;
  if (auto wrong = inner_pair(m)) return wrong;
  if (auto wrong = outer_pair(m)) return wrong;
  return first_broken(kPresence, m);
}

Check check_lifetimes(const Message& m) { return m.hard && m.soft ? first_broken(kLifetimes, m) : std::nullopt; }

Check check_labels(const Message& m, const Options& options) {
  if ((m.sensitivity || m.outer_sensitivity) && !options.label_policy) return einval(D::bad_label);
  return std::nullopt;
}

Check check_extended(const Message& m) {
  if (m.replay_window && m.replay_window->esn && m.replay_window->window == 0)
    return Refusal{EINVAL, D::invalid_replay, pfkey::kExtendedNeedsWindow};
  return std::nullopt;
}

Check check_replay_width(const Message& m, bool esn) {
  const bool wide = m.replay_value && m.replay_value->number() > UINT32_MAX;
  if (wide && !esn && !(m.replay_window && m.replay_window->esn)) return Refusal{EOPNOTSUPP, D::invalid_replay};
  if (m.replay_window && m.replay_window->window > pfkey::ReplayWindow::kMost)
    return Refusal{EOPNOTSUPP, D::invalid_replay};
  return std::nullopt;
}

Check check_window(const Message& m, const pfkey::Algorithm* cipher, const pfkey::Algorithm* mac) {
  if (m.satype == pfkey::SaType::esp && pfkey::without_integrity(cipher, mac) && checks_numbers(m))
    return Refusal{EINVAL, D::invalid_replay, pfkey::kNoWindow};
  return std::nullopt;
}

Check check_encapsulation(Message& m) {
  if (!m.inner_src) return std::nullopt;
  const bool v4 = m.inner_src->address.family == Family::v4;
  const std::uint8_t encapsulation = v4 ? pfkey::kProtoIpip : pfkey::kProtoIpv6;
  if (m.src->proto == 0) m.src->proto = m.dst->proto = encapsulation;
  if (m.src->proto != encapsulation) return Refusal{EPROTOTYPE, D::inner_af_mismatch};
  return std::nullopt;
}

Check check_add(Message& m, const Options& options) {
  using enum pfkey::AlgorithmKind;
  Add add{m, options, nullptr, nullptr};
  if (auto wrong = first_broken(kBeforeKeys, add)) return wrong;
  if (auto wrong = check_lifetimes(m)) return wrong;
  if (auto wrong = first_broken(kAfterLifetimes, add)) return wrong;
  if (auto wrong = check_labels(m, options)) return wrong;
  add.auth = m.sa->auth ? usable(auth, m.sa->auth, options) : nullptr;
  add.encrypt = m.sa->encrypt ? usable(encrypt, m.sa->encrypt, options) : nullptr;
  if (auto wrong = first_broken(kKeys, add)) return with_cure(*wrong, m, options);
  if (m.icv && m.icv->value == add.auth->icv * 8u) m.icv.reset();  // What it would be by default.
  if (kCounterAlone.broken(add)) return kCounterAlone.answer;
  if (auto wrong = check_window(m, add.encrypt, add.auth)) return wrong;
  if (m.encrypt_key && add.encrypt && pfkey::has_parity(add.encrypt->number))
    correct_parity(m.encrypt_key->material.bytes().first(add.encrypt->max_bits / 8u));
  if (kWeakKey.broken(add)) return kWeakKey.answer;
  if (auto wrong = check_encapsulation(m)) return wrong;
  if ((m.sa->flags & pfkey::kFlagTunnel) && !m.inner_src) return einval(D::missing_inner_src);
  if (auto wrong = check_extended(m)) return wrong;
  return check_replay_width(m, false);
}

std::uint32_t direction_of(const Message& m, const Options& options) {
  const std::uint32_t asked = m.sa->flags & (pfkey::kFlagInbound | pfkey::kFlagOutbound);
  return asked ? asked : direction_by_addresses(m.src->address, m.dst->address, options);
}

std::uint32_t direction_by_addresses(const Address& source, const Address& destination, const Options& options) {
  constexpr std::uint32_t kIn = pfkey::kFlagInbound, kOut = pfkey::kFlagOutbound;
  const Class dst = class_of(destination, options), src = class_of(source, options);
  if (dst == Class::group) return kIn | kOut;
  if (!options.is_local) return 0;
  if (dst == Class::local) return src == Class::other ? kIn : kIn | kOut;
  return src == Class::local ? kOut : kIn | kOut;
}

}  // namespace engine
