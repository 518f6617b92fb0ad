#include "ipsecd/rationed_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ipseckey::ipsecd {

void RationedLog::say(Kind kind, std::string line, std::chrono::nanoseconds now) {
  Waiting& mine = kinds_[static_cast<std::size_t>(kind)];
  if (mine.count == 0 && (!mine.logged || now >= *mine.logged + kPause)) {
    mine.logged = now;
    return log_(line);
  }
  mine.last = std::move(line);
  ++mine.count;
}

void RationedLog::settle(std::chrono::nanoseconds now) {
  for (Waiting& kind : kinds_) {
    if (kind.count == 0 || now < *kind.logged + kPause) continue;
    kind.logged = now;
    const std::uint64_t others = std::exchange(kind.count, 0) - 1;
    log_(others == 0 ? kind.last : fmt::format("{} (and {} more like it)", kind.last, others));
  }
}

std::optional<std::chrono::nanoseconds> RationedLog::deadline() const {
  std::optional<std::chrono::nanoseconds> next;
  for (const Waiting& kind : kinds_) {
    if (kind.count == 0) continue;
    const auto due = *kind.logged + kPause;
    next = next ? std::min(*next, due) : due;
  }
  return next;
}

}  // namespace ipseckey::ipsecd
