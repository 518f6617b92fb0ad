#pragma once
/// A lock for a few instructions.
#include <atomic>

namespace ipseckey::traffic {

/// Held by packet threads for a few instructions, rarely longer: while the window changes its size or the table of
/// connections doubles, to at most 1 MiB, which takes about a millisecond. (A std::mutex would put a packet thread to
/// sleep.)
class SpinLock {
 public:
  void lock() {
    while (held_.test_and_set(std::memory_order_acquire))
      while (held_.test(std::memory_order_relaxed)) continue;
  }
  void unlock() { held_.clear(std::memory_order_release); }

 private:
  std::atomic_flag held_;
};

}  // namespace ipseckey::traffic
