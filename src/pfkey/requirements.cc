// THE table: a row is broken or not, and the first broken one is the answer. The order is a contract
// (doc/reference/pf-key.md, "Input checks of ADD"), and rows rely on those above them: a key is measured when its
// algorithm is known.
//  1. Predicates that more than a line holds.
//  2. The rows, part by part.
//  3. The walk, which the compiler unrolls: a load of a million SAs asks all of them a million times.
#include "pfkey/requirements.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "pfkey/extensions.h"
#include "pfkey/limits.h"
#include "pfkey/refusals.h"
#include "pfkey/weak_keys.h"

namespace ipseckey::pfkey {
namespace {

using D = Diagnostic;

bool esp(const Asked& a) { return a.m.satype == SaType::esp; }
bool flag(const Asked& a, std::uint32_t bit) { return a.m.sa->flags & bit; }

// ---- contents and addresses

bool carries_keys(const Message& m) {
  return m.type == Type::add || m.type == Type::update || m.type == Type::x_updatepair;
}

bool malformed(const std::optional<Key>& key) {
  return key && (key->bits == 0 || (key->bits + 7u) / 8 != key->material.size() || all_zero(key->material.bytes()));
}

bool odd_alignment(const Message& m) { return m.ah_align && m.ah_align->value != 4 && m.ah_align->value != 8; }

bool beyond_mask(const std::optional<Mark>& mark) { return mark && (mark->value & ~mark->mask) != 0; }

// A mapped address counts its prefix from the first of 128 bits.
bool too_long(const std::optional<Endpoint>& inner) {
  if (!inner) return false;
  const Address plain = unmapped(inner->address);
  const unsigned before = plain.family == inner->address.family ? 0 : 96;
  return inner->prefix < before || inner->prefix - before > plain.bits();
}

// Two fields that must say the same, unless one says nothing.
bool contradict(const Endpoint& a, const Endpoint& b) { return a.proto != 0 && b.proto != 0 && a.proto != b.proto; }

bool has_outside(const Message& m) { return m.src && m.dst; }
bool has_ports(const Endpoint& src, const Endpoint& dst) { return src.port != 0 || dst.port != 0; }

bool other_family_inside(const Message& m) {
  return m.inner_src && unmapped(m.inner_src->address).family != unmapped(m.inner_dst->address).family;
}

// ---- keys

// NULL encryption, whether or not this SADB has it.
bool encrypts_nothing(const Asked& a) {
  const Algorithm* const row = find_algorithm(AlgorithmKind::encrypt, a.m.sa->encrypt);
  return row && !row->takes_key();
}

bool bad_auth_key(const Asked& a) {
  return a.m.auth_key && (a.m.auth_key->reserved != 0 || !a.auth->key_works(a.m.auth_key->bits));
}

bool bad_encrypt_key(const Asked& a) {
  if (!a.m.encrypt_key) return false;
  const unsigned reserved = a.m.encrypt_key->reserved;
  return !a.encrypt->takes_key() || (reserved != 0 && reserved != a.encrypt->iv * 8u) ||
         !a.encrypt->material_fits(a.m.encrypt_key->bits, reserved);
}

// The key alone, without salt and explicit IV.
bool zero_encrypt_key(const Asked& a) {
  if (!a.m.encrypt_key) return false;
  const unsigned bits = a.m.encrypt_key->bits - a.m.encrypt_key->reserved - std::uint32_t{a.encrypt->salt_bits};
  return all_zero(a.m.encrypt_key->material.bytes().first(bits / 8));
}

// ---- lifetimes

template <auto part>
bool soft_above(const Asked& a) {
  return a.m.hard && a.m.soft && above((*a.m.soft).*part, (*a.m.hard).*part);
}

template <auto part>
bool idle_above(const Asked& a) {
  return a.m.hard && a.m.soft && a.m.idle &&
         (above((*a.m.idle).*part, (*a.m.hard).*part) || above((*a.m.idle).*part, (*a.m.soft).*part));
}

constexpr std::array kTable = {
    Requirement{Part::contents, EINVAL, D::malformed_ekey, "",
                [](const Asked& a) { return carries_keys(a.m) && malformed(a.m.encrypt_key); }},
    Requirement{Part::contents, EINVAL, D::malformed_akey, "",
                [](const Asked& a) { return carries_keys(a.m) && malformed(a.m.auth_key); }},
    Requirement{Part::contents, EINVAL, D::malformed_range, "",
                [](const Asked& a) {
                  return a.m.spi_range && (a.m.spi_range->min > a.m.spi_range->max || a.m.spi_range->max == 0);
                }},
    // They are for replies.
    Requirement{Part::contents, EINVAL, D::unknown_ext, "",
                [](const Asked& a) { return a.m.initial_iv || a.m.remark || a.m.traffic; }},
    // Numbers that an SA keeps, and what only one SADB keeps, by the table of extensions.
    Requirement{Part::contents, EINVAL, D::none, "", [](const Asked& a) { return !wrong_number(a.m).empty(); },
                [](const Asked& a) { return wrong_number(a.m); }},
    Requirement{Part::contents, EOPNOTSUPP, D::none, "",
                [](const Asked& a) { return !a.sadb.is_linux && !only_for_linux(a.m).empty(); },
                [](const Asked& a) { return only_for_linux(a.m); }},
    Requirement{Part::contents, EINVAL, D::none, kNoSuchAlignment,
                [](const Asked& a) { return odd_alignment(a.m); }},
    Requirement{Part::contents, EINVAL, D::bad_aalg, kNoSuchIcv,
                [](const Asked& a) { return a.m.icv && a.m.icv->value < kShortIcv; }},
    // Linux forgets such bits of what it sets, and never finds an SA by them.
    Requirement{Part::contents, EINVAL, D::none, kMarkBeyondMask,
                [](const Asked& a) { return beyond_mask(a.m.mark) || beyond_mask(a.m.output_mark); }},

    Requirement{Part::ends, EINVAL, D::bad_src, "",
                [](const Asked& a) { return a.m.src && is_multicast(a.m.src->address); }},
    Requirement{Part::ends, EINVAL, D::bad_dst, "",
                [](const Asked& a) { return a.m.dst && is_unspecified(a.m.dst->address); }},

    Requirement{Part::traffic, EINVAL, D::missing_inner_dst, "",
                [](const Asked& a) { return a.m.inner_src && !a.m.inner_dst; }},
    Requirement{Part::traffic, EINVAL, D::missing_inner_src, "",
                [](const Asked& a) { return a.m.inner_dst && !a.m.inner_src; }},
    Requirement{Part::traffic, EINVAL, D::prefix_inner_dst, "",
                [](const Asked& a) { return too_long(a.m.inner_dst); }},
    Requirement{Part::traffic, EINVAL, D::prefix_inner_src, "",
                [](const Asked& a) { return too_long(a.m.inner_src); }},
    Requirement{Part::traffic, EINVAL, D::inner_af_mismatch, "",
                [](const Asked& a) { return other_family_inside(a.m); }},
    Requirement{Part::traffic, EINVAL, D::inner_proto_mismatch, "",
                [](const Asked& a) { return a.m.inner_src && contradict(*a.m.inner_src, *a.m.inner_dst); }},
    Requirement{Part::traffic, EINVAL, D::dual_port_sets, "",
                [](const Asked& a) {
                  return a.m.inner_src && has_outside(a.m) && has_ports(*a.m.inner_src, *a.m.inner_dst) &&
                         has_ports(*a.m.src, *a.m.dst);
                }},
    Requirement{Part::traffic, EINVAL, D::proto_mismatch, "",
                [](const Asked& a) { return has_outside(a.m) && contradict(*a.m.src, *a.m.dst); }},
    Requirement{Part::traffic, EINVAL, D::af_mismatch, "",
                [](const Asked& a) {
                  return has_outside(a.m) && a.m.src->address.family != a.m.dst->address.family;
                }},
    Requirement{Part::traffic, EINVAL, D::ekey_present, "",
                [](const Asked& a) { return a.m.satype == SaType::ah && a.m.encrypt_key; }},
    Requirement{Part::traffic, EINVAL, D::prop_present, "",
                [](const Asked& a) { return a.m.proposal || a.m.extended_proposal; }},
    Requirement{Part::traffic, EINVAL, D::supp_present, "",
                [](const Asked& a) { return a.m.supported_auth || a.m.supported_encrypt; }},

    Requirement{Part::source, EINVAL, D::missing_src, "", [](const Asked& a) { return !a.m.src; }},
    Requirement{Part::name, EINVAL, D::missing_dst, "", [](const Asked& a) { return !a.m.dst; }},
    Requirement{Part::name, EINVAL, D::missing_sa, "", [](const Asked& a) { return !a.m.sa; }},
    Requirement{Part::name, EINVAL, D::malformed_sa, "", [](const Asked& a) { return a.m.sa->spi == 0; }},

    Requirement{Part::essence, EINVAL, D::missing_ekey, "",
                [](const Asked& a) { return esp(a) && !a.m.encrypt_key && !encrypts_nothing(a); }},
    Requirement{Part::essence, EINVAL, D::missing_akey, "", [](const Asked& a) { return !esp(a) && !a.m.auth_key; }},
    Requirement{Part::essence, EINVAL, D::bad_sastate, "",
                [](const Asked& a) {
                  return a.m.sa->state != State::mature &&
                         !(a.sadb.active_elsewhere && a.m.sa->state == State::active_elsewhere);
                },
                [](const Asked& a) { return a.sadb.why_mature; }},
    Requirement{Part::essence, EINVAL, D::bad_ealg, "", [](const Asked& a) { return esp(a) && a.m.sa->encrypt == 0; }},
    Requirement{Part::essence, EINVAL, D::encr_notsupp, "",
                [](const Asked& a) { return !esp(a) && a.m.sa->encrypt != 0; }},
    Requirement{Part::essence, EINVAL, D::bad_aalg, "",
                [](const Asked& a) { return a.m.sa->auth == 0 && encrypts_nothing(a); }},
    Requirement{Part::essence, EINVAL, D::bad_saflags, "",
                [](const Asked& a) { return flag(a, ~settable_flags(a.m.satype, false)); }},

    Requirement{Part::lifetimes, EINVAL, D::alloc_hserr, "", soft_above<&Lifetime::allocations>},
    Requirement{Part::lifetimes, EINVAL, D::bytes_hserr, "", soft_above<&Lifetime::bytes>},
    Requirement{Part::lifetimes, EINVAL, D::addtime_hserr, "", soft_above<&Lifetime::addtime>},
    Requirement{Part::lifetimes, EINVAL, D::usetime_hserr, "", soft_above<&Lifetime::usetime>},
    Requirement{Part::lifetimes, EINVAL, D::addtime_hserr, "", idle_above<&Lifetime::addtime>},
    Requirement{Part::lifetimes, EINVAL, D::usetime_hserr, "", idle_above<&Lifetime::usetime>},

    Requirement{Part::nat, EINVAL, D::malformed_natt_loc, kNoAhThroughNat,
                [](const Asked& a) { return !esp(a) && a.m.natt_local; }},
    Requirement{Part::nat, EINVAL, D::malformed_natt_rem, kNoAhThroughNat,
                [](const Asked& a) { return !esp(a) && a.m.natt_remote; }},
    Requirement{Part::nat, EINVAL, D::missing_natt_loc, "",
                [](const Asked& a) { return flag(a, kFlagNattLocal) && !a.m.natt_local; }},
    Requirement{Part::nat, EINVAL, D::missing_natt_rem, "",
                [](const Asked& a) { return flag(a, kFlagNattRemote) && !a.m.natt_remote; }},
    Requirement{Part::nat, EOPNOTSUPP, D::none, "", [](const Asked& a) { return a.m.current.has_value(); }},

    Requirement{Part::labels, EINVAL, D::bad_label, "",
                [](const Asked& a) { return (a.m.sensitivity || a.m.outer_sensitivity) && !a.sadb.labels; },
                [](const Asked& a) { return a.sadb.why_no_labels; }},

    Requirement{Part::keys, EINVAL, D::missing_akey, "",
                [](const Asked& a) { return a.m.sa->auth != 0 && !a.m.auth_key; }},
    Requirement{Part::keys, EINVAL, D::bad_aalg, "", [](const Asked& a) { return a.m.auth_key && !a.auth; }},
    Requirement{Part::keys, EINVAL, D::bad_aalg, "",
                [](const Asked& a) { return a.auth && a.encrypt && a.encrypt->combined(); }},
    Requirement{Part::keys, EINVAL, D::bad_akeybits, "", bad_auth_key},
    Requirement{Part::keys, EINVAL, D::bad_aalg, kNoSuchIcv,
                [](const Asked& a) { return a.m.icv && (!a.auth || !a.auth->icv_fits(a.m.icv->value)); }},
    Requirement{Part::keys, EINVAL, D::bad_ealg, "", [](const Asked& a) { return esp(a) && !a.encrypt; }},
    Requirement{Part::keys, EINVAL, D::bad_ekeybits, "", bad_encrypt_key},
    Requirement{Part::keys, EINVAL, D::malformed_ekey, "", zero_encrypt_key},

    // RFC 4303 sections 1 and 3.4.3: numbers that nothing vouches for cannot be believed.
    Requirement{Part::strength, EINVAL, D::bad_aalg, kCounterNeedsIntegrity,
                [](const Asked& a) { return esp(a) && counter_alone(a.encrypt, a.auth); }},
    Requirement{Part::strength, EINVAL, D::invalid_replay, kNoWindow,
                [](const Asked& a) {
                  return esp(a) && without_integrity(a.encrypt, a.auth) && (a.m.window() != 0 || a.m.extended());
                }},
    Requirement{Part::strength, EINVAL, D::weak_ekey, "",
                [](const Asked& a) { return a.m.encrypt_key && weak_key(*a.encrypt, a.m.encrypt_key->material.bytes()); }},

    Requirement{Part::tunnel, EPROTOTYPE, D::inner_af_mismatch, "",
                [](const Asked& a) {
                  if (!a.m.inner_src) return false;
                  const std::uint8_t said = a.m.src->proto ? a.m.src->proto : a.m.dst->proto;
                  return said != 0 && said != tunnel_protocol(unmapped(a.m.inner_src->address));
                }},

    Requirement{Part::mode, EINVAL, D::missing_inner_src, "",
                [](const Asked& a) { return flag(a, kFlagTunnel) && !a.m.inner_src; }},
    // Nothing tells then which half is meant (RFC 4303 section 3.4.3).
    Requirement{Part::mode, EINVAL, D::invalid_replay, kExtendedNeedsWindow,
                [](const Asked& a) { return a.m.extended() && a.m.window() == 0; }},
    Requirement{Part::mode, EINVAL, D::none, "", [](const Asked& a) { return !meaningless(a.m).empty(); },
                [](const Asked& a) { return meaningless(a.m); }},

    Requirement{Part::numbers, EOPNOTSUPP, D::invalid_replay, kNarrowNumbers,
                [](const Asked& a) {
                  return a.m.replay_value && a.m.replay_value->number() > UINT32_MAX && !a.extended;
                }},
    Requirement{Part::numbers, EOPNOTSUPP, D::invalid_replay, kWidestWindow,
                [](const Asked& a) { return a.m.window() > ReplayWindow::kMost; }},
};
static_assert(std::ranges::is_sorted(kTable, {}, &Requirement::part), "parts are ranges of the table");

constexpr std::size_t begin_of(Part part) {
  return static_cast<std::size_t>(std::ranges::lower_bound(kTable, part, {}, &Requirement::part) - kTable.begin());
}
constexpr std::size_t end_of(Part part) {
  return static_cast<std::size_t>(std::ranges::upper_bound(kTable, part, {}, &Requirement::part) - kTable.begin());
}

}  // namespace

std::span<const Requirement> requirements() { return kTable; }

template <Part first, Part last>
[[gnu::flatten]] const Requirement* first_broken(const Asked& asked) {
  constexpr std::size_t kBegin = begin_of(first), kEnd = end_of(last);
  const Requirement* found = nullptr;
  const auto broken = [&]<std::size_t row>() {
    constexpr auto kBroken = kTable[row].broken;  // A call that can be inlined.
    if (kBroken(asked)) found = &kTable[row];
    return found != nullptr;
  };
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    (void)(broken.template operator()<kBegin + i>() || ...);
  }(std::make_index_sequence<kEnd - kBegin>{});
  return found;
}

// The ranges that somebody asks for.
template const Requirement* first_broken<Part::contents>(const Asked&);
template const Requirement* first_broken<Part::ends>(const Asked&);
template const Requirement* first_broken<Part::traffic>(const Asked&);
template const Requirement* first_broken<Part::source, Part::numbers>(const Asked&);
template const Requirement* first_broken<Part::contents, Part::numbers>(const Asked&);
template const Requirement* first_broken<Part::name>(const Asked&);
template const Requirement* first_broken<Part::lifetimes>(const Asked&);
template const Requirement* first_broken<Part::labels>(const Asked&);
template const Requirement* first_broken<Part::strength>(const Asked&);
template const Requirement* first_broken<Part::tunnel>(const Asked&);
template const Requirement* first_broken<Part::numbers>(const Asked&);

}  // namespace ipseckey::pfkey
