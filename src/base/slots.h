#pragma once
/// Memory for many small objects of one size, which goes back to the system as they do: the heap keeps what is below
/// the last block in use.
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace ipseckey {

/// Cuts slots from chunks of 64 KiB. A chunk is aligned to its size and begins with a map of its free slots; one
/// without a used slot is released, except the last. May be used by several threads.
class Slots {
 public:
  /// Zeroed pages of that many bytes; nullptr: out of memory.
  using Map = std::byte* (*)(std::size_t size) noexcept;

  /// `slot_size`: bytes, 16 or more; each slot is aligned as its size is.
  constexpr Slots(std::size_t slot_size, Map map) : slot_size_(slot_size), map_(map) {}

  /// A slot, with the bytes of its former use. Out of memory is handled as by the global operator new.
  std::byte* get();
  /// Runs in destructors, so it never allocates.
  void put(std::byte* slot);
  std::size_t slot_size() const { return slot_size_; }

 private:
  static constexpr std::size_t kChunk = 64 * 1024, kLeast = 16, kWords = kChunk / kLeast / 64;

  struct Chunk {
    Chunk *previous, *next;                 // In the list of those with a free slot.
    std::size_t free;                       // The number of its free slots.
    std::size_t word;                       // Those before it in `map` are 0.
    std::array<std::uint64_t, kWords> map;  // A bit for each slot: 1, it is free.
  };

  std::size_t first() const { return (sizeof(Chunk) + slot_size_ - 1) / slot_size_; }
  std::size_t count() const { return kChunk / slot_size_ - first(); }
  void link(Chunk* chunk);
  void unlink(const Chunk* chunk);
  std::byte* take();
  Chunk* put_back(std::byte* slot);
  void add_chunk();

  const std::size_t slot_size_;
  const Map map_;
  std::mutex mutex_;
  Chunk* partial_ = nullptr;
  std::size_t empty_ = 0;  // Chunks without a used slot.
};

/// Never destroyed, so that they outlive every static object.
union LastingSlots {
  constexpr LastingSlots(std::size_t slot_size, Slots::Map map) : slots(slot_size, map) {}
  constexpr ~LastingSlots() {}
  Slots slots;
};

/// Pages that are not locked.
std::byte* plain_pages(std::size_t size) noexcept;

/// A base for classes of which there are as many objects as SAs: `new` gets a slot.
template <class T>
struct Pooled {
  static void* operator new(std::size_t /*size*/) { return pool().get(); }
  static void operator delete(void* p) { pool().put(static_cast<std::byte*>(p)); }

 private:
  static Slots& pool() {
    static_assert(alignof(T) <= 8);
    static constinit LastingSlots lasting{(sizeof(T) + 7) / 8 * 8, plain_pages};
    return lasting.slots;
  }
};

}  // namespace ipseckey
