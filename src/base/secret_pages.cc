#include "base/secret_pages.h"

#include <sys/mman.h>

#include <atomic>

namespace ipseckey {

namespace {

constinit std::atomic<bool> some_not_locked{false};

}  // namespace

// Locking is best effort: RLIMIT_MEMLOCK may be small. Excluding the pages from core dumps is not limited.
std::byte* secret_pages(std::size_t size) noexcept {
  void* const p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  if (mlock(p, size) != 0) some_not_locked.store(true, std::memory_order_relaxed);
  madvise(p, size, MADV_DONTDUMP);
  return static_cast<std::byte*>(p);
}

bool secrets_may_be_swapped() { return some_not_locked.load(std::memory_order_relaxed); }

}  // namespace ipseckey
