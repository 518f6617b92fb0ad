#include <cerrno>

#include "engine/reply.h"
#include "engine/state.h"

namespace ipseckey::engine {

void Engine::State::publish(const Sa& sa) {
  keep(sa);
  carry(sa);
}

void Engine::State::carry(const Sa& sa) {
  if (options.carrier && (sa.is(pfkey::State::mature) || sa.is(pfkey::State::dying))) options.carrier->put(sa);
}

void Engine::State::refresh(Sa& sa) {
  if (!options.carrier) return;
  const auto carried = options.carrier->carried(sa.id());
  if (!carried) return;
  set_sequence(sa, carried->sequence);
  if (!carried->first || !carried->last) return;
  if (!sa.use) {
    sa.use = std::make_unique<Use>();
    sa.flags |= pfkey::kFlagUsed;
  }
  const bool used_since = sa.use->last != *carried->last;
  *sa.use = {carried->bytes, carried->allocations, *carried->first, *carried->last};
  if (used_since) revalidate(sa, *carried->last);
}

pfkey::Message Engine::State::show(Sa& sa, const pfkey::Message& header, WithKeys keys) {
  refresh(sa);
  pfkey::Message m = describe(sa, sadb, header, keys);
  if (!options.carrier) return m;
  const auto c = options.carrier->carried(sa.id());
  if (!c) return m;
  const pfkey::Traffic traffic{.packets = c->packets,
                               .last_use = c->last ? seconds_since_1970(*c->last) : 0,
                               .replayed = c->replayed,
                               .late = c->late,
                               .corrupt = c->corrupt,
                               .mismatched = c->mismatched,
                               .malformed = c->malformed};
  if (traffic != pfkey::Traffic{}) m.traffic = traffic;
  return m;
}

bool Engine::State::used_up(const Sa& sa) const {
  if (!options.carrier) return false;
  const auto carried = options.carrier->carried(sa.id());
  return carried && carried->exhausted;
}

Check Engine::State::end_if_used_up(Sa& sa, Sa* partner, Sink out) {
  Sa* const ended = used_up(sa) ? &sa : partner && used_up(*partner) ? partner : nullptr;
  if (!ended) return std::nullopt;
  die(*ended, out);
  return Refusal{ESRCH, pfkey::Diagnostic::sa_notfound, "the SA has just reached its hard limit and is deleted"};
}

void Engine::attend(Instant now, Sink out) {
  if (!state_->options.carrier) return;
  while (const auto id = state_->options.carrier->attention()) {
    Sa* const sa = state_->sadb.find(*id);
    if (!sa) continue;
    if (const auto place = state_->options.carrier->moved(*id)) out(Audience::everyone, mapping_notice(*sa, *place));
    state_->refresh(*sa);
    if (state_->used_up(*sa)) {
      state_->die(*sa, out);
    } else {
      state_->age(*sa, now, out);
    }
  }
}

}  // namespace ipseckey::engine
