// How an SA is added, or a larval one completed:
// 1. check_add() checks the message by itself; nothing changes while anything can still be refused.
// 2. make_room() and insert() reserve an entry under the SA's name; an UPDATE of a larval SA already has one.
// 3. find_partner() finds the other half of a pair, which must have the opposite direction.
// 4. Facts, flags, limits, keys and rare parts (keep_rare()) are taken from the message; a dry run keeps less.
// 5. join() makes the pair; the next deadline is set; carrier and keeper are notified; the reply repeats the request.
#include <cerrno>

#include "engine/state.h"

namespace ipseckey::engine {
namespace {

using pfkey::Diagnostic;
using pfkey::Message;

constexpr std::uint32_t kDerivedFlags = pfkey::kFlagPaired | pfkey::kFlagEalg1 | pfkey::kFlagEalg2;
constexpr std::uint32_t kIke = 1;

// The request's flags, without directions and without the bits that only report facts.
std::uint32_t real_flags(const Message& m, std::uint32_t direction) {
  std::uint32_t flags = (m.sa->flags & ~kDerivedFlags) | direction;
  const pfkey::Algorithm* const cipher = pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, m.sa->encrypt);
  if (cipher && cipher->counter()) flags |= pfkey::kFlagEalg2;
  if (cipher && cipher->combined()) flags |= pfkey::kFlagEalg1;
  if (m.natt_local) flags |= pfkey::kFlagNattLocal;
  if (m.natt_remote) flags |= pfkey::kFlagNattRemote;
  if (m.src->port || m.dst->port || m.dst->proto || m.inner_src) flags |= pfkey::kFlagUnique;
  return flags;
}

// Nothing else of that address extension is stored.
void keep_address_and_port(std::optional<pfkey::Endpoint>& side) {
  if (side) side = pfkey::Endpoint{.proto = pfkey::kProtoUdp, .address = side->address, .port = side->port};
}

void keep_manager(std::optional<pfkey::KmCookie>& manager) {
  if (manager == pfkey::KmCookie{}) manager.reset();
  if (manager && manager->proto == kIke) manager->cookie = static_cast<std::uint32_t>(manager->cookie);
}

void keep_limits(Sa& sa, const Message& m) {
  sa.limits.reset();
  if (!m.hard && !m.soft && !m.idle) return;
  Limits& limits = limits_of(sa);
  limits.hard = m.hard.value_or(pfkey::Lifetime{});
  limits.soft = m.soft.value_or(pfkey::Lifetime{});
  if (m.idle && !m.idle->empty()) limits.idle = m.idle;
}

void keep_keys(Sa& sa, Message& m) {
  if (!m.auth_key && !m.encrypt_key) return;
  sa.keys = std::make_unique<Keys>();
  if (m.auth_key) sa.keys->auth = std::move(m.auth_key->material);
  if (!m.encrypt_key) return;
  const std::size_t iv = m.encrypt_key->reserved / 8u;
  if (iv == 0) {
    sa.keys->encrypt = std::move(m.encrypt_key->material);
    return;
  }
  const Bytes all = std::as_const(m.encrypt_key->material).bytes();
  sa.keys->encrypt = Secret(all.first(all.size() - iv));
  sa.keys->iv = Secret(all.last(iv));
}

}  // namespace

void keep_rare(Sa& sa, const Message& m) {
  if (!Rare::any(m)) return;
  sa.rare = std::make_unique<Rare>();
  sa.rare->take(m);
  keep_address_and_port(sa.rare->at<&Message::natt_local>());
  keep_address_and_port(sa.rare->at<&Message::natt_remote>());
  keep_manager(sa.rare->at<&Message::km_cookie>());
}

// Requested to serve both directions, though the addresses imply one or are not known to be local; such an SA cannot be
// half of a pair.
bool Engine::State::serves_both(std::uint32_t flags, const Address& src, const Address& dst) const {
  return (flags & Sa::kBothWays) == Sa::kBothWays && direction_by_addresses(src, dst, options) != Sa::kBothWays;
}

std::uint32_t Engine::State::ways_of(std::uint32_t flags, const Address& src, const Address& dst) const {
  const std::uint32_t asked = flags & Sa::kBothWays;
  return asked ? asked : direction_by_addresses(src, dst, options);
}

// The halves of a pair have opposite directions: the known direction of one gives the other's.
void Engine::State::join(Sa& sa, Sa& partner) {
  Sadb::pair(sa, partner);
  if (options.only_asked_directions) return;
  const std::uint32_t mine = sa.flags & Sa::kBothWays, theirs = partner.flags & Sa::kBothWays;
  if (one_way(mine) && one_way(theirs)) return;
  const auto opposite = [](std::uint32_t ways) { return one_way(ways) ? ways ^ Sa::kBothWays : 0; };
  const auto set = [](Sa& half, std::uint32_t ways) { half.flags = (half.flags & ~Sa::kBothWays) | ways; };
  set(sa, one_way(mine) ? mine : opposite(theirs));
  set(partner, one_way(theirs) ? theirs : opposite(mine));
}

// Either half must find its partner, so its source must be this SA's destination and not a wildcard.
std::expected<Sa*, Refusal> Engine::State::find_partner(const SaId& id, const Address& src, std::uint32_t flags,
                                                        std::uint32_t pair_spi) {
  const auto refused = [](std::string_view why) {
    return std::unexpected(Refusal{EINVAL, Diagnostic::pair_inappropriate, why});
  };
  if (pair_spi == 0 || pair_spi == id.spi) return refused(pfkey::kOwnPair);
  Sa* const partner = sadb.find({id.satype, pair_spi, src, id.mark});
  if (!partner && sadb.find({id.satype, pair_spi, id.dst, id.mark})) return refused(kSameWayRound);
  if (!partner) return refused(pfkey::kNoPartner);
  if (partner->src != id.dst) return refused(pfkey::kOtherSource);
  using enum pfkey::State;
  if (partner->is(larval) || partner->is(dying) || partner->is(dead)) return refused(pfkey::kPartnerNotMature);
  if (serves_both(partner->flags, partner->src, src)) return refused(kServesBoth);
  const std::uint32_t mine = ways_of(flags, src, id.dst);
  if (one_way(mine) && mine == ways_of(partner->flags, partner->src, src)) return refused(pfkey::kSameDirection);
  const Sa* const theirs = sadb.partner(*partner);
  if (theirs && sadb.id_of(*theirs) != id) return std::unexpected(invalid(Diagnostic::pair_already));
  return partner;
}

Check Engine::State::add(Message& m, Instant now, Sink out) {
  if (auto wrong = check_add(m, options)) return wrong;
  const std::uint32_t direction = direction_of(m, options);
  if (m.pair && serves_both(direction, m.src->address, m.dst->address))
    return Refusal{EINVAL, Diagnostic::pair_inappropriate, kServesBoth};
  const SaId id = id_of(m);

  // An UPDATE arrives here to complete the larval SA that it found.
  Sa* const larval = m.type == pfkey::Type::update ? sadb.find(id) : nullptr;
  if (larval && is_unspecified(m.src->address)) m.src->address = larval->src;
  if (auto wrong = check_bundle(m)) return wrong;
  if (!larval && !sadb.make_room()) return kNoMemory;
  Sa* const sa = larval ? larval : sadb.insert(id);
  if (!sa) return Refusal{EEXIST, Diagnostic::none};
  Sa* partner = nullptr;
  if (m.pair) {
    const auto found = find_partner(id, m.src->address, direction, m.pair->spi);
    if (!found) {
      if (!larval) sadb.erase(*sa);
      return found.error();
    }
    partner = *found;
  }

  deadlines.forget(*sa);
  sa->src = m.src->address;
  sa->src_port = m.src->port, sa->dst_port = m.dst->port, sa->proto = m.dst->proto;
  sa->state = m.sa->state;
  sa->auth = m.sa->auth, sa->encrypt = m.sa->encrypt;
  sa->window = m.sa->replay;
  sa->flags = real_flags(m, options.only_asked_directions ? 0 : direction);
  sa->added = now;
  // A check discards everything that does not affect later commands.
  if (!options.dry_run || Rare::any_refused(m)) keep_rare(*sa, m);
  if (!options.dry_run) {
    keep_limits(*sa, m);
    keep_keys(*sa, m);
  }
  if (m.replay_value) set_sequence(*sa, m.replay_value->number());
  if (partner) join(*sa, *partner);
  deadlines.schedule(*sa, now);
  acquires.answered(m.seq, sa->dst);
  publish(*sa);
  if (partner) publish(*partner);
  m.sa->flags = sa->flags;
  echo(m, out);
  return std::nullopt;
}

}  // namespace ipseckey::engine
