#pragma once
/// What a rule has refused so far: counted by the threads that carry packets, read by others.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "policy/rule.h"

namespace ipseckey::policy {

/// Belongs to a rule as long as it is held, whatever other rules come and go.
class Tally {
 public:
  struct Count {
    std::uint64_t packets = 0;
    std::uint8_t cause = 0;  ///< Of the last one; a number of whoever counts.
  };

  void drop(Direction direction, std::uint8_t cause) {
    Way& way = ways_[static_cast<std::size_t>(direction)];
    way.cause.store(cause, std::memory_order_relaxed);
    way.packets.fetch_add(1, std::memory_order_release);
  }
  Count dropped(Direction direction) const {
    const Way& way = ways_[static_cast<std::size_t>(direction)];
    const std::uint64_t packets = way.packets.load(std::memory_order_acquire);
    return {packets, way.cause.load(std::memory_order_relaxed)};
  }

 private:
  struct Way {
    std::atomic<std::uint64_t> packets{0};
    std::atomic<std::uint8_t> cause{0};
  };
  std::array<Way, 2> ways_;
};
using Tallies = std::vector<std::shared_ptr<Tally>>;

}  // namespace ipseckey::policy
