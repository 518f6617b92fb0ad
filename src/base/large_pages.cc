#include "base/large_pages.h"

#include <sys/mman.h>

namespace ipseckey {

void ask_for_large_pages(void* begin, std::size_t size) { madvise(begin, size, MADV_HUGEPAGE); }

}  // namespace ipseckey
