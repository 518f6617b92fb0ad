#pragma once
/// Text with keys: a string whose memory is secret pages, wiped whenever the text moves or is destroyed.
#include <cstddef>
#include <new>
#include <string>

#include "base/secret_heap.h"

namespace ipseckey {

/// The allocator for such text. Out of memory is handled as by the global operator new.
template <class T>
struct SecretAllocator {
  using value_type = T;

  SecretAllocator() = default;
  template <class U>
  explicit(false) SecretAllocator(const SecretAllocator<U>& /*same*/) {}

  T* allocate(std::size_t count) {
    if (count > SIZE_MAX / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(secret_heap::Object::operator new(count * sizeof(T)));
  }
  void deallocate(T* p, std::size_t /*count*/) { secret_heap::release(p); }

  friend bool operator==(const SecretAllocator&, const SecretAllocator&) { return true; }
};

/// Up to 15 characters are kept in the object itself: reserve() more before a key is added.
using SecretText = std::basic_string<char, std::char_traits<char>, SecretAllocator<char>>;

}  // namespace ipseckey
