#pragma once
/// Epochs decide when memory that packet threads may still read can be freed. One thread removes things from tables and
/// retires them; each packet thread marks when it is inside a batch. (liburcu does the same with a thread of its own
/// and process-wide registration; with one writer, a page of code is enough.)
///
/// Every read and write of a pointer that leads to such memory is sequentially consistent: if the writer does not see a
/// reader's mark, the reader began after the removal, and sees it.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

namespace ipseckey::traffic {

class Epochs {
 public:
  explicit Epochs(unsigned readers) : inside_(readers) {}

  /// A reader's batch: whatever it finds in the tables stays valid until the batch ends.
  class Guard {
   public:
    Guard(Epochs& epochs, unsigned reader) : slot_(epochs.inside_[reader].epoch) { slot_.store(epochs.now_.load()); }
    ~Guard() { slot_.store(kOutside, std::memory_order_release); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    std::atomic<std::uint64_t>& slot_;
  };

  /// For the writer: readers that begin from now on cannot find the object. A later call of collect() frees it.
  template <class T>
  void retire(std::unique_ptr<T> thing) {
    retired_.push_back({now_.fetch_add(1) + 1, std::shared_ptr<const void>(std::move(thing))});
  }
  /// For the writer: waits until every reader has ended its current batch, which takes a few packets' time.
  void wait() {
    const std::uint64_t epoch = now_.fetch_add(1) + 1;
    for (const Slot& slot : inside_)
      while (slot.epoch.load() < epoch) std::this_thread::yield();
  }
  /// For the writer: frees everything that no reader can hold. Calls `first` once that is established, before anything
  /// is freed.
  template <class First>
  void collect(First first) {
    if (retired_.empty()) return;
    std::uint64_t oldest = kOutside;
    for (const Slot& slot : inside_) oldest = std::min(oldest, slot.epoch.load());
    first();
    while (!retired_.empty() && retired_.front().epoch <= oldest) retired_.pop_front();
  }

 private:
  static constexpr std::uint64_t kOutside = UINT64_MAX;
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> epoch{kOutside};
  };
  struct Retired {
    std::uint64_t epoch;
    std::shared_ptr<const void> thing;
  };

  std::atomic<std::uint64_t> now_{1};
  std::vector<Slot> inside_;
  std::deque<Retired> retired_;  // Epochs ascend.
};

}  // namespace ipseckey::traffic
