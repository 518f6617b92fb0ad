#pragma once
/// A heap in secret pages, for what a library makes of keys: expanded keys, states of ciphers. What is given back is
/// wiped. Threads seldom wait for one another, because each keeps some of what it gave back.
#include <cstddef>

namespace ipseckey::secret_heap {

/// `size` bytes, aligned to 64, of any content; nullptr: the system has no more.
void* allocate(std::size_t size) noexcept;
/// The same bytes in a place for `size`; the old place is wiped. p may be null. nullptr: as above, and p stays.
void* reallocate(void* p, std::size_t size) noexcept;
/// p may be null.
void release(void* p) noexcept;

/// A base of classes whose objects hold keys: `new` puts them here.
struct Object {
  static void* operator new(std::size_t size);
  static void operator delete(void* p) { release(p); }
};

}  // namespace ipseckey::secret_heap
