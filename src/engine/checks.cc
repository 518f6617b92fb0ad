// A request passes these checks, in this order:
// 1. the requirements for its contents and addresses, and among them the engine's own for NAT addresses, because it
//    knows which addresses are the host's (normalise);
// 2. those of an ADD (check_add), or, in update.cc, those of an UPDATE;
// 3. whatever depends on the SADB: another SA of its name, its partner (add.cc).
// The requirements are in pfkey/requirements.cc; the kernel's backend uses them, too.
#include "engine/checks.h"

#include <cerrno>

#include "pfkey/extensions.h"
#include "pfkey/refusals.h"
#include "pfkey/weak_keys.h"

namespace ipseckey::engine {
namespace {

using pfkey::Diagnostic;
using pfkey::Endpoint;
using pfkey::Message;
using pfkey::Part;
using D = Diagnostic;

// Solaris's address classes, as far as the engine must distinguish them.
enum class Class { unspecified, group, local, other };

Class class_of(const Address& a, const Options& options) {
  if (is_unspecified(a)) return Class::unspecified;
  if (is_multicast(a)) return Class::group;
  return options.is_local && options.is_local(a) ? Class::local : Class::other;
}

constexpr Refusal einval(D diagnostic) { return {EINVAL, diagnostic}; }

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

// Checked: the prefix is no longer than the address.
void settle(Endpoint& inner) {
  const Address plain = unmapped(inner.address);
  if (plain.family != inner.address.family) inner.prefix = static_cast<std::uint8_t>(inner.prefix - 96);
  inner.address = masked(plain, inner.prefix);
}

// If two fields do not contradict each other, an empty one is filled in from the other.
void agree(std::uint8_t& a, std::uint8_t& b) {
  if (a == 0) a = b;
  if (b == 0) b = a;
}

void settle_traffic(Message& m) {
  if (m.inner_src) {
    settle(*m.inner_src), settle(*m.inner_dst);
    agree(m.inner_src->proto, m.inner_dst->proto);
  }
  if (m.src && m.dst) agree(m.src->proto, m.dst->proto);
}

// The wildcard source is often written as ::, whatever the destination.
void settle_wildcard(Message& m) {
  if (m.src && m.dst && m.dst->address.family == Family::v4 && is_unspecified(m.src->address))
    m.src->address = unspecified(Family::v4);
}

// An algorithm that the table has and this engine does not support.
Refusal with_cure(Refusal wrong, const Message& m, const Options& options) {
  if (!m.sa) return wrong;
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

Check normalise(Message& m, const Options& options) {
  if (auto wrong = check<Part::contents>(m, options)) return wrong;
  unmap(m.src), unmap(m.dst), unmap(m.natt_local), unmap(m.natt_remote);
  if (auto wrong = check<Part::ends>(m, options)) return wrong;
  if (auto wrong = natt(m.natt_local, options, true, D::malformed_natt_loc, D::bad_natt_loc_af)) return wrong;
  if (auto wrong = natt(m.natt_remote, options, m.inner_src.has_value(), D::malformed_natt_rem, D::bad_natt_rem_af))
    return wrong;
  settle_wildcard(m);
  if (auto wrong = check<Part::traffic>(m, options)) return wrong;
  settle_traffic(m);
  return std::nullopt;
}

Check check_encapsulation(Message& m) {
  if (!m.inner_src) return std::nullopt;
  if (auto wrong = check<Part::tunnel>(pfkey::Asked{m, {}})) return wrong;
  if (m.src->proto == 0) m.src->proto = m.dst->proto = pfkey::tunnel_protocol(m.inner_src->address);
  return std::nullopt;
}

Check check_add(Message& m, const Options& options) {
  using enum pfkey::AlgorithmKind;
  pfkey::Asked asked{m, facts(options)};
  if (m.sa) {
    asked.auth = m.sa->auth ? usable(auth, m.sa->auth, options) : nullptr;
    asked.encrypt = m.sa->encrypt ? usable(encrypt, m.sa->encrypt, options) : nullptr;
  }
  asked.extended = m.extended();
  if (auto wrong = check<Part::source, Part::numbers>(asked)) return with_cure(*wrong, m, options);
  pfkey::leave_out_unsaid(m);
  if (m.encrypt_key && asked.encrypt->des)
    pfkey::correct_parity(m.encrypt_key->material.bytes().first(asked.encrypt->max_bits / 8u));
  return check_encapsulation(m);  // It is valid at this point, but may be incomplete.
}

// AH around ESP covers the outer addresses.
Check check_bundle(const Message& m) {
  if (!m.bundle) return std::nullopt;
  if (m.natt_local || m.natt_remote) return Refusal{EINVAL, D::none, pfkey::kNoBundleThroughNat};
  if (is_unspecified(m.src->address)) return Refusal{EINVAL, D::none, pfkey::kBundleNeedsSource};
  return std::nullopt;
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

}  // namespace ipseckey::engine
