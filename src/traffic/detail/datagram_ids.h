#pragma once
/// The numbers by which a receiver matches fragments: those to one destination ascend, so that none repeats soon, and
/// their start reveals nothing about other destinations (RFC 7739 section 5.3; RFC 6864 section 4.3 requires the same
/// of IPv4, whose 16 bits repeat after 65,535 packets).
#include <array>
#include <atomic>
#include <cstdint>

#include "traffic/detail/keyed_hash.h"

namespace ipseckey::traffic {

class DatagramIds {
 public:
  /// The numbers from one address to another under one protocol. Thread-safe.
  class Series {
   public:
    std::uint32_t next() { return start_ + counter_->fetch_add(1, std::memory_order_relaxed); }
    /// For IPv4; never 0, because a raw socket replaces 0 by a number of its own.
    std::uint16_t next_v4() {
      while (true)
        if (const auto id = static_cast<std::uint16_t>(next()); id != 0) return id;
    }

   private:
    friend class DatagramIds;
    std::atomic<std::uint32_t>* counter_ = nullptr;
    std::uint32_t start_ = 0;
  };

  explicit DatagramIds(void (*random)(MutableBytes)) : hash_(random) {}

  /// It points into this.
  Series series(const Address& src, const Address& dst, std::uint8_t protocol) {
    const std::uint64_t hash = hash_(src, dst, protocol);
    Series s;
    s.counter_ = &counters_[(hash >> 32) % counters_.size()];
    s.start_ = static_cast<std::uint32_t>(hash);
    return s;
  }

 private:
  KeyedHash hash_;
  std::array<std::atomic<std::uint32_t>, 1024> counters_{};
};

}  // namespace ipseckey::traffic
