#pragma once
/// When memory that packet threads may still look at can be freed: epochs. One thread takes things out of tables and
/// retires them; each packet thread says when it is inside a batch. (liburcu would do the same with a thread of its own
/// and process-wide registration; with one writer it is a page.)
///
/// Every read and write of a pointer that leads to such memory is sequentially consistent: then a reader whose mark the
/// writer does not see has come after the removal, and sees that.
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

  /// A reader's batch: what it finds in the tables lives until it ends.
  class Guard {
   public:
    Guard(Epochs& epochs, unsigned reader) : slot_(epochs.inside_[reader].epoch) { slot_.store(epochs.now_.load()); }
    ~Guard() { slot_.store(kOutside, std::memory_order_release); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    std::atomic<std::uint64_t>& slot_;
  };

  /// The writer: no reader that comes from now on can find it. Freed by a later call of collect().
  template <class T>
  void retire(std::unique_ptr<T> thing) {
    retired_.push_back({now_.fetch_add(1) + 1, std::shared_ptr<const void>(std::move(thing))});
  }
  /// The writer: waits until every reader has ended the batch that it may be in, a few packets' time.
  void wait() {
    const std::uint64_t epoch = now_.fetch_add(1) + 1;
    for (const Slot& slot : inside_)
      while (slot.epoch.load() < epoch) std::this_thread::yield();
  }
  /// The writer: frees what no reader can hold any more. Calls `first` when that is known and nothing is freed yet.
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
