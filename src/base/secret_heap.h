#pragma once
/// A heap in secret pages, for what libraries derive from keys: expanded keys, cipher states. Released memory is wiped.
/// Threads seldom wait for one another, because each keeps some of what it released.
#include <cstddef>

namespace ipseckey::secret_heap {

/// `size` bytes, aligned to 64, with undefined contents; nullptr: out of memory.
void* allocate(std::size_t size) noexcept;
/// Moves the bytes to a block of `size`; the old block is wiped. p may be null. nullptr: out of memory, and p stays
/// valid.
void* reallocate(void* p, std::size_t size) noexcept;
/// p may be null.
void release(void* p) noexcept;

/// A base for classes whose objects contain keys: `new` allocates them here.
struct Object {
  static void* operator new(std::size_t size);
  static void operator delete(void* p) { release(p); }
};

}  // namespace ipseckey::secret_heap
