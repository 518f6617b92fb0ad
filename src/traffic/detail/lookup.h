#pragma once
/// A hash table that one thread changes while others read it without a lock. It holds pointers; whatever it drops,
/// entries and outgrown tables, is freed through Epochs.
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>

#include "traffic/detail/epoch.h"

namespace ipseckey::traffic {

/// T has a member `hash`, 32 well-mixed bits.
template <class T>
class Lookup {
 public:
  Lookup() : array_(new Array(16)) {}
  ~Lookup() { delete array_.load(); }
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  /// The entry with that hash for which `is` returns true; nullptr: none.
  template <class Is>
  T* find(std::uint32_t hash, Is is) const {
    const Array& a = *array_.load();
    for (std::size_t i = hash & a.mask;; i = (i + 1) & a.mask) {
      const Slot& slot = a.slots[i];
      const std::uint32_t state = slot.hash.load();
      if (state == kEmpty) return nullptr;
      if (state != tag(hash)) continue;
      T* const entry = slot.entry.load();
      if (entry && is(*entry)) return entry;
    }
  }

  // For the writer only.

  void insert(T& entry, Epochs& epochs) {
    Array* a = array_.load(std::memory_order_relaxed);
    if ((a->used + 1) * 2 > a->mask) a = grow(epochs);
    put(*a, entry);
    ++size_;
  }
  void erase(T& entry) {
    Array& a = *array_.load(std::memory_order_relaxed);
    for (std::size_t i = entry.hash & a.mask;; i = (i + 1) & a.mask) {
      if (a.slots[i].entry.load(std::memory_order_relaxed) != &entry) continue;
      a.slots[i].entry.store(nullptr);  // Its tag remains, so that searches continue behind it.
      --size_;
      return;
    }
  }
  std::size_t size() const { return size_; }

  template <class F>
  void for_each(F f) const {
    const Array& a = *array_.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i <= a.mask; ++i)
      if (T* const entry = a.slots[i].entry.load(std::memory_order_relaxed)) f(*entry);
  }

 private:
  static constexpr std::uint32_t kEmpty = 0;
  static constexpr std::uint32_t tag(std::uint32_t hash) { return hash | 0x80000000u; }

  struct Slot {
    std::atomic<std::uint32_t> hash{kEmpty};
    std::atomic<T*> entry{nullptr};
  };
  struct Array {
    explicit Array(std::size_t size) : mask(size - 1), slots(new Slot[size]) {}
    std::size_t mask;
    std::size_t used = 0;  // Slots with a tag, including those of erased entries.
    std::unique_ptr<Slot[]> slots;
  };

  static void put(Array& a, T& entry) {
    std::size_t i = entry.hash & a.mask;
    while (a.slots[i].hash.load(std::memory_order_relaxed) != kEmpty) i = (i + 1) & a.mask;
    a.slots[i].entry.store(&entry);
    a.slots[i].hash.store(tag(entry.hash));
    ++a.used;
  }

  Array* grow(Epochs& epochs) {
    auto bigger = std::make_unique<Array>(std::bit_ceil(size_ * 4 + 16));
    for_each([&](T& entry) { put(*bigger, entry); });
    std::unique_ptr<Array> old(array_.exchange(bigger.release()));
    epochs.retire(std::move(old));
    return array_.load(std::memory_order_relaxed);
  }

  std::atomic<Array*> array_;
  std::size_t size_ = 0;
};

}  // namespace ipseckey::traffic
