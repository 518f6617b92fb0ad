#include "traffic/detail/keep_alives.h"

namespace ipseckey::traffic {
namespace {

using std::chrono::nanoseconds;

constexpr unsigned kRound = 64;
constexpr std::chrono::seconds kAgain{1};

nanoseconds period(const Flow& flow) { return std::chrono::seconds(flow.keepalive); }

// Flows that are late together are spread: each next time is shortened by a different part of up to half the interval.
nanoseconds after_a_pause(const Flow& flow) {
  constexpr std::uint32_t kParts = 1024;
  return period(flow) - period(flow) / 2 * (flow.hash % kParts) / kParts;
}

bool shows_itself(const Flow& flow) {
  const bool has_source = !is_unspecified(flow.src) || flow.id.dst.family == Family::v4;
  return flow.keepalive != 0 && has_source && flow.sends.load(std::memory_order_relaxed);
}

}  // namespace

void KeepAlives::file(Flow& flow) {
  if (!shows_itself(flow)) return remove(flow);
  if (!at_.contains(&flow)) set(flow, flow.left_at() + period(flow));
}

void KeepAlives::remove(Flow& flow) {
  const auto found = at_.find(&flow);
  if (found == at_.end()) return;
  queue_.erase({found->second, &flow});
  at_.erase(found);
}

void KeepAlives::set(Flow& flow, nanoseconds at) {
  at_[&flow] = at;
  queue_.emplace(at, &flow);
}

Flow* KeepAlives::due(Instant now) {
  for (; looked_at_ < kRound && !queue_.empty() && queue_.begin()->first <= now.steady; ++looked_at_) {
    const auto [at, waits] = queue_.extract(queue_.begin()).value();
    Flow& flow = *waits;
    if (const nanoseconds later = flow.left_at() + period(flow); later > now.steady) {
      set(flow, later);
      continue;
    }
    const nanoseconds next = at + period(flow);
    set(flow, next > now.steady ? next : now.steady + after_a_pause(flow));
    if (!flow.usable.load(std::memory_order_relaxed)) continue;
    ++looked_at_;
    return &flow;
  }
  looked_at_ = 0;
  return nullptr;
}

void KeepAlives::again(Flow& flow, Instant now) {
  if (!at_.contains(&flow)) return;
  remove(flow);
  set(flow, now.steady + kAgain);
}

std::optional<nanoseconds> KeepAlives::deadline() const {
  if (queue_.empty()) return std::nullopt;
  return queue_.begin()->first;
}

}  // namespace ipseckey::traffic
