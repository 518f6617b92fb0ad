#pragma once
/// An allocator for hash tables with millions of entries. Each probe of such a table touches a page whose translation
/// the processor has not cached; pages of 2 MiB make that rare.
#include <cstddef>
#include <new>

namespace ipseckey {

/// Requests large pages from `begin` on, which must be aligned to one. Best effort by the kernel.
void ask_for_large_pages(void* begin, std::size_t size);

/// Arrays of 2 MiB or more are aligned to it, and the kernel is asked to back them by large pages (best effort).
/// Smaller ones are allocated as by std::allocator.
template <class T>
struct LargePages {
  using value_type = T;
  static constexpr std::size_t kPage = std::size_t{2} << 20;  ///< Bytes.
  static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);

  LargePages() = default;
  template <class U>
  LargePages(const LargePages<U>&) {}

  T* allocate(std::size_t n) {
    const std::size_t size = n * sizeof(T);
    if (size < kPage) return static_cast<T*>(::operator new(size));
    void* const p = ::operator new(size, std::align_val_t{kPage});
    ask_for_large_pages(p, size / kPage * kPage);
    return static_cast<T*>(p);
  }
  void deallocate(T* p, std::size_t n) {
    if (n * sizeof(T) < kPage) return ::operator delete(p);
    ::operator delete(p, std::align_val_t{kPage});
  }
  bool operator==(const LargePages&) const { return true; }
};

}  // namespace ipseckey
