#include "engine/keep.h"

#include "engine/reply.h"
#include "engine/state.h"
#include "pfkey/extensions.h"

namespace ipseckey::engine {
namespace {

using pfkey::Message;

// The packet path supports only these lengths.
bool has_known_icv(const Message& m) {
  const auto* const mac = pfkey::find_algorithm(pfkey::AlgorithmKind::auth, m.sa->auth);
  return !m.icv || (mac && mac->icv_fits(m.icv->value));
}

void restore_keys(Sa& sa, Message& m) {
  if (!m.auth_key && !m.encrypt_key) return;
  sa.keys = std::make_unique<Keys>();
  if (m.auth_key) sa.keys->auth = std::move(m.auth_key->material);
  if (m.encrypt_key) sa.keys->encrypt = std::move(m.encrypt_key->material);
  if (m.initial_iv) sa.keys->iv = std::move(m.initial_iv->material);
}

void restore_limits(Sa& sa, const Kept& kept) {
  const Message& m = kept.sa;
  const bool larval = m.sa->state == pfkey::State::larval;
  if (!m.hard && !m.soft && !m.idle && !larval) return;
  Limits& limits = limits_of(sa);
  limits.hard = m.hard.value_or(pfkey::Lifetime{});
  limits.soft = m.soft.value_or(pfkey::Lifetime{});
  limits.idle = m.idle;
  limits.idle_from = kept.idle_from;
  limits.idle_told = kept.idle_told;
}

void restore_use(Sa& sa, const Kept& kept) {
  if (!kept.first || !kept.last || !kept.sa.current) return;
  sa.use = std::make_unique<Use>();
  *sa.use = {kept.sa.current->bytes, kept.sa.current->allocations, *kept.first, *kept.last};
  sa.flags |= pfkey::kFlagUsed;
}

}  // namespace

void Engine::State::keep(const Sa& sa) {
  if (!options.keeper) return;
  Kept kept;
  Message header;
  header.type = pfkey::Type::get;
  kept.sa = describe(sa, sadb, header, WithKeys::yes);
  kept.serial = sa.serial;
  kept.added = sa.added;
  if (sa.limits) kept.idle_from = sa.limits->idle_from, kept.idle_told = sa.limits->idle_told;
  if (sa.use) kept.first = sa.use->first, kept.last = sa.use->last;
  options.keeper->keep(std::move(kept));
}

bool Engine::restore(Kept&& kept, Instant now) {
  Message& m = kept.sa;
  if (!m.sa || !m.src || !m.dst) return false;
  if (!has_known_icv(m) || !pfkey::wrong_number(m).empty()) return false;
  Sa* const sa = state_->sadb.insert({m.satype, m.sa->spi, m.dst->address});
  if (!sa) return false;
  sa->src = m.src->address;
  sa->src_port = m.src->port, sa->dst_port = m.dst->port, sa->proto = m.dst->proto;
  sa->state = m.sa->state;
  sa->auth = m.sa->auth, sa->encrypt = m.sa->encrypt;
  sa->window = m.sa->replay;
  sa->flags = m.sa->flags & ~std::uint32_t{pfkey::kFlagPaired};
  sa->added = kept.added;
  restore_limits(*sa, kept);
  keep_rare(*sa, m);
  restore_keys(*sa, m);
  restore_use(*sa, kept);
  if (m.replay_value) set_sequence(*sa, m.replay_value->number());
  // The second SA of a pair to be restored finds the first.
  Sa* const partner = m.pair ? state_->sadb.find({m.satype, m.pair->spi, sa->src}) : nullptr;
  if (partner && !state_->sadb.partner(*partner)) Sadb::pair(*sa, *partner);
  state_->deadlines.schedule(*sa, now);
  state_->carry(*sa);
  return true;
}

}  // namespace ipseckey::engine
