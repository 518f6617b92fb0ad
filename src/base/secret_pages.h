#pragma once
/// Where secrets lie: pages that are locked, as far as the limits allow, and left out of core dumps.
#include <cstddef>

namespace ipseckey {

/// `size` bytes of zeros, a multiple of the page; nullptr: the system has no more. munmap() gives them back.
std::byte* secret_pages(std::size_t size) noexcept;

/// Whether some of them could not be locked (RLIMIT_MEMLOCK), so that they may be written to swap.
bool secrets_may_be_swapped();

}  // namespace ipseckey
