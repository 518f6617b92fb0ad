#pragma once
/// Memory for secrets: pages that are locked, as far as the limits allow, and excluded from core dumps.
#include <cstddef>

namespace ipseckey {

/// `size` bytes of zeros, a multiple of the page size; nullptr: out of memory. Release with munmap().
std::byte* secret_pages(std::size_t size) noexcept;

/// Whether some pages could not be locked (RLIMIT_MEMLOCK), so that they may be written to swap.
bool secrets_may_be_swapped();

}  // namespace ipseckey
