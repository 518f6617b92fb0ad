#include "engine/lifecycle.h"

#include <algorithm>

namespace ipseckey::engine {
namespace {

using pfkey::State;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr nanoseconds kNever = nanoseconds::max();

// A limit of 0 means none; one beyond the clock's range is never reached.
nanoseconds after(nanoseconds start, std::uint64_t limit) {
  const auto room = std::chrono::duration_cast<seconds>(kNever - std::max(start, nanoseconds{0})).count();
  if (limit == 0 || limit >= static_cast<std::uint64_t>(room)) return kNever;
  return start + seconds(static_cast<std::int64_t>(limit));
}

nanoseconds time_limit(const Sa& sa, const pfkey::Lifetime& limit) {
  const nanoseconds since_add = after(sa.added.steady, limit.addtime);
  return sa.use ? std::min(since_add, after(sa.use->first.steady, limit.usetime)) : since_add;
}

bool ages_by_soft_limit(const Sa& sa) { return sa.is(State::mature); }
bool ages_by_idling(const Sa& sa) {
  return (sa.is(State::mature) && !sa.limits->idle_told) || sa.is(State::active_elsewhere);
}

nanoseconds idle_limit(const Sa& sa) {
  const pfkey::Lifetime idle = effective_idle(*sa.limits);
  const nanoseconds from = sa.limits->idle_from.steady;
  return sa.use ? std::min(after(from, idle.addtime), after(from, idle.usetime)) : after(from, idle.addtime);
}

// An SA can be at or beyond a limit only after an UPDATE that lowered it: the carrier stops the packet that would reach
// it.
bool used_up(const Sa& sa, const pfkey::Lifetime& limit, bool hard) {
  if (!sa.use) return false;
  if (limit.bytes != 0 && sa.use->bytes >= limit.bytes) return true;
  return limit.allocations != 0 &&
         (hard ? sa.use->allocations > limit.allocations : sa.use->allocations >= limit.allocations);
}

std::optional<nanoseconds> next_deadline(const Sa& sa, Instant now) {
  if (!sa.limits) return std::nullopt;
  if (sa.is(State::larval)) return sa.added.steady + kLarvalTimeout;
  if (due(sa, now) != Due::nothing) return now.steady;
  nanoseconds next = time_limit(sa, sa.limits->hard);
  if (ages_by_soft_limit(sa)) next = std::min(next, time_limit(sa, sa.limits->soft));
  if (ages_by_idling(sa)) next = std::min(next, idle_limit(sa));
  if (next == kNever) return std::nullopt;
  return next;
}

}  // namespace

pfkey::Lifetime effective_idle(const Limits& limits) {
  if (limits.idle) return *limits.idle;
  pfkey::Lifetime half;
  half.addtime = limits.hard.addtime / 2;
  return half;
}

Limits& limits_of(Sa& sa) {
  if (!sa.limits) {
    sa.limits = std::make_unique<Limits>();
    sa.limits->idle_from = sa.use ? sa.use->last : sa.added;
  }
  return *sa.limits;
}

void revalidate(Sa& sa, Instant now) {
  if (!sa.limits) return;
  sa.limits->idle_from = now;
  sa.limits->idle_told = false;
}

Due due(const Sa& sa, Instant now) {
  if (!sa.limits) return Due::nothing;
  if (sa.is(State::larval)) return now.steady >= sa.added.steady + kLarvalTimeout ? Due::larval : Due::nothing;
  const Limits& limits = *sa.limits;
  if (now.steady >= time_limit(sa, limits.hard) || used_up(sa, limits.hard, true)) return Due::hard;
  if (ages_by_soft_limit(sa) && (now.steady >= time_limit(sa, limits.soft) || used_up(sa, limits.soft, false)))
    return Due::soft;
  if (ages_by_idling(sa) && now.steady >= idle_limit(sa)) return Due::idle;
  return Due::nothing;
}

void Deadlines::schedule(Sa& sa, Instant now) {
  if (!sa.limits) return;
  const auto next = next_deadline(sa, now);
  if (next == sa.limits->deadline) return;
  forget(sa);
  sa.limits->deadline = next;
  if (next) queue_.emplace(*next, sa.serial, sa.index);
}

void Deadlines::forget(Sa& sa) {
  if (!sa.limits || !sa.limits->deadline) return;
  queue_.erase({*sa.limits->deadline, sa.serial, sa.index});
  sa.limits->deadline.reset();
}

std::optional<nanoseconds> Deadlines::next() const {
  if (queue_.empty()) return std::nullopt;
  return std::get<nanoseconds>(*queue_.begin());
}

std::optional<Sa::Index> Deadlines::due(Instant now) const {
  if (queue_.empty() || std::get<nanoseconds>(*queue_.begin()) > now.steady) return std::nullopt;
  return std::get<Sa::Index>(*queue_.begin());
}

}  // namespace ipseckey::engine
