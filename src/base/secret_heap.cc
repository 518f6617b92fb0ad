// A heap for objects that contain keys: locked, excluded from core dumps, wiped when released.
// 1. allocate() rounds a size up to one of kSizes and takes a slot from this thread's list, otherwise from the shared
//    list.
// 2. If both are empty, make_chunk() maps 64 KiB of secret pages, aligned so that chunk_of() finds a slot's chunk.
// 3. A larger block gets pages of its own.
// 4. release() wipes the slot and puts it into this thread's list, up to kKept of a size; further ones go to the shared
//    list.
#include "base/secret_heap.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include "base/secret_pages.h"

namespace ipseckey {

// Only in builds that check for leaks.
extern "C" {
[[gnu::weak]] void __lsan_register_root_region(const void* p, std::size_t size);
[[gnu::weak]] void __lsan_unregister_root_region(const void* p, std::size_t size);
}

namespace secret_heap {
namespace {

constexpr std::size_t kUnit = 64;          // Of sizes and of alignment.
constexpr std::size_t kChunk = 64 * 1024;  // And its alignment, so that a slot knows its chunk.
constexpr std::array<std::size_t, 15> kSizes = {64,   128,  192,  256,  384,  512,  768,  1024,
                                                1536, 2048, 3072, 4096, 6144, 8192, 16384};
constexpr std::size_t kLarge = kSizes.size();  // The smallest size that gets pages of its own.
constexpr unsigned kKept = 32;                 // The number of slots of a size that a thread keeps.

// At the front of a chunk, in a unit of its own.
struct Chunk {
  std::size_t which = 0;  // Of kSizes, or kLarge.
  std::size_t slot = 0;   // Bytes of each.
  std::size_t all = 0;    // Bytes of the chunk.
};
static_assert(sizeof(Chunk) <= kUnit);

struct Free {
  Free* next = nullptr;
};

struct List {
  Free* first = nullptr;
  unsigned count = 0;

  void put(void* p) {
    first = new (p) Free{first};
    ++count;
  }
  void* get() {
    if (!first) return nullptr;
    --count;
    void* const p = std::exchange(first, first->next);
    std::memset(p, 0, sizeof(Free));
    return p;
  }
};

// Shared by all threads. Never destroyed: libraries release memory until the very end.
struct Shared {
  std::mutex mutex;
  std::array<List, kSizes.size()> free;
};
union Lasting {
  constexpr Lasting() : shared() {}
  constexpr ~Lasting() {}
  Shared shared;
};
constinit Lasting lasting;
constinit thread_local std::array<List, kSizes.size()> mine{};

Chunk& chunk_of(void* p) {
  const auto at = std::bit_cast<std::uintptr_t>(p);
  return *std::bit_cast<Chunk*>(at / kChunk * kChunk);
}

// Maps more than needed, and unmaps the unaligned ends.
std::byte* aligned_pages(std::size_t size) {
  std::byte* const p = secret_pages(size + kChunk);
  if (!p) return nullptr;
  const std::size_t front = (kChunk - std::bit_cast<std::uintptr_t>(p) % kChunk) % kChunk;
  if (front > 0) munmap(p, front);
  if (front < kChunk) munmap(p + front + size, kChunk - front);
  return p + front;
}

std::byte* make_chunk(std::size_t which, std::size_t slot, std::size_t all) {
  std::byte* const p = aligned_pages(all);
  if (!p) return nullptr;
  new (p) Chunk{which, slot, all};
  // Memory that only these pages point to is not a leak.
  if (__lsan_register_root_region) __lsan_register_root_region(p, all);
  return p;
}

void* large(std::size_t size) {
  if (size > SIZE_MAX / 2) return nullptr;
  const std::size_t all = (kUnit + size + 4095) / 4096 * 4096;
  std::byte* const p = make_chunk(kLarge, all - kUnit, all);
  return p ? p + kUnit : nullptr;
}

void* shared_slot(std::size_t which) {
  const std::scoped_lock lock(lasting.shared.mutex);
  List& free = lasting.shared.free[which];
  if (!free.first) {
    const std::size_t slot = kSizes[which];
    std::byte* const p = make_chunk(which, slot, kChunk);
    if (!p) return nullptr;
    for (std::size_t at = kUnit; at + slot <= kChunk; at += slot) free.put(p + at);
  }
  return free.get();
}

}  // namespace

void* allocate(std::size_t size) noexcept {
  const auto which = static_cast<std::size_t>(std::ranges::lower_bound(kSizes, size) - kSizes.begin());
  if (which == kLarge) return large(size);
  void* const p = mine[which].get();
  return p ? p : shared_slot(which);
}

void release(void* p) noexcept {
  if (!p) return;
  const Chunk chunk = chunk_of(p);
  explicit_bzero(p, chunk.slot);
  if (chunk.which == kLarge) {
    if (__lsan_unregister_root_region) __lsan_unregister_root_region(&chunk_of(p), chunk.all);
    munmap(&chunk_of(p), chunk.all);
    return;
  }
  if (mine[chunk.which].count < kKept) return mine[chunk.which].put(p);
  const std::scoped_lock lock(lasting.shared.mutex);
  lasting.shared.free[chunk.which].put(p);
}

void* reallocate(void* p, std::size_t size) noexcept {
  if (!p) return allocate(size);
  const std::size_t held = chunk_of(p).slot;
  if (size <= held) return p;
  void* const larger = allocate(size);
  if (!larger) return nullptr;
  std::memcpy(larger, p, held);
  release(p);
  return larger;
}

void* Object::operator new(std::size_t size) {
  while (true) {  // As the global one does.
    void* const p = allocate(size);
    if (p) return p;
    const auto handler = std::get_new_handler();
    if (!handler) throw std::bad_alloc();
    handler();
  }
}

}  // namespace secret_heap

}  // namespace ipseckey
