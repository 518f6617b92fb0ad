#include "engine/reply.h"
#include "engine/state.h"

namespace ipseckey::engine {
namespace {

using pfkey::State;

// Clustering: another node owns these, and reports itself when they end.
bool ends_silently(const Sa& sa) {
  return sa.is(State::larval) || sa.is(State::active_elsewhere) || sa.is(State::idle);
}

}  // namespace

void Engine::State::die(Sa& sa, Sink out) {
  Sa* const partner = sadb.partner(sa);
  for (Sa* const half : {&sa, partner}) {
    if (!half) continue;
    refresh(*half);
    if (!ends_silently(*half)) {
      half->state = pfkey::State::dead;
      out(Audience::everyone, expire_notice(*half));
    }
    erase(*half);
  }
}

bool Engine::State::age(Sa& sa, Instant now, Sink out) {
  switch (due(sa, now)) {
    case Due::larval:
    case Due::hard:
      die(sa, out);
      return false;
    case Due::soft:
      sa.state = pfkey::State::dying;
      publish(sa);
      out(Audience::everyone, expire_notice(sa));
      break;
    case Due::idle:
      if (sa.is(pfkey::State::active_elsewhere)) {
        sa.state = pfkey::State::idle;
        keep(sa);
      } else {
        sa.limits->idle_told = true;
        keep(sa);
        out(Audience::everyone, expire_notice(sa));
      }
      break;
    case Due::nothing:
      break;
  }
  deadlines.schedule(sa, now);
  return true;
}

void Engine::expire(Instant now, Sink out, std::size_t most) {
  state_->acquires.expire(now);
  for (; most > 0; --most) {
    const auto index = state_->deadlines.due(now);
    if (!index) return;
    Sa& sa = state_->sadb.at(*index);
    state_->refresh(sa);
    state_->age(sa, now, out);
  }
}

}  // namespace ipseckey::engine
