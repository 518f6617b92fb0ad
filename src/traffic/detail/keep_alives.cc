#include "traffic/detail/keep_alives.h"

#include <algorithm>

namespace traffic {
namespace {

std::chrono::nanoseconds period(const Flow& flow) { return std::chrono::seconds(flow.keepalive); }

}  // namespace

void KeepAlives::file(Flow& flow) {
  if (flow.keepalive == 0 || !flow.sends.load(std::memory_order_relaxed)) return remove(flow);
  if (!entries_.contains(&flow)) set(flow, {flow.left_at() + period(flow), {}});
}

void KeepAlives::remove(Flow& flow) {
  const auto found = entries_.find(&flow);
  if (found == entries_.end()) return;
  queue_.erase({found->second.at, &flow});
  entries_.erase(found);
}

void KeepAlives::set(Flow& flow, Entry entry) {
  entries_[&flow] = entry;
  queue_.emplace(entry.at, &flow);
}

Flow* KeepAlives::due(Instant now) {
  while (!queue_.empty() && queue_.begin()->first <= now.steady) {
    Flow& flow = *queue_.extract(queue_.begin()).value().second;
    const std::chrono::nanoseconds told = entries_[&flow].told;
    const std::chrono::nanoseconds last = std::max(flow.left_at(), told);
    if (last + period(flow) > now.steady) {
      set(flow, {last + period(flow), told});
      continue;
    }
    set(flow, {now.steady + period(flow), now.steady});
    if (flow.usable.load(std::memory_order_relaxed)) return &flow;
  }
  return nullptr;
}

std::optional<std::chrono::nanoseconds> KeepAlives::deadline() const {
  if (queue_.empty()) return std::nullopt;
  return queue_.begin()->first;
}

}  // namespace traffic
