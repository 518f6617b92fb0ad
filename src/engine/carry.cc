#include "engine/state.h"

namespace engine {

void Engine::State::publish(const Sa& sa) {
  if (options.carrier && (sa.is(pfkey::State::mature) || sa.is(pfkey::State::dying))) options.carrier->put(sa);
}

void Engine::State::refresh(Sa& sa) {
  if (!options.carrier) return;
  const auto carried = options.carrier->carried(sa.id());
  if (!carried) return;
  sa.replay_value = static_cast<std::uint32_t>(carried->sequence);
  if (!carried->first || !carried->last) return;
  if (!sa.use) {
    sa.use = std::make_unique<Use>();
    sa.flags |= pfkey::kFlagUsed;
  }
  const bool used_since = sa.use->last != *carried->last;
  *sa.use = {carried->bytes, carried->allocations, *carried->first, *carried->last};
  if (used_since) revalidate(sa, *carried->last);
}

void Engine::attend(Instant now, Sink out) {
  if (!state_->options.carrier) return;
  while (const auto id = state_->options.carrier->attention()) {
    Sa* const sa = state_->sadb.find(*id);
    if (!sa) continue;
    state_->refresh(*sa);
    const auto carried = state_->options.carrier->carried(*id);
    if (carried && carried->exhausted) {
      state_->die(*sa, out);
    } else {
      state_->age(*sa, now, out);
    }
  }
}

}  // namespace engine
