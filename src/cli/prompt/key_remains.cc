#include "cli/prompt/key_remains.h"

#include <malloc.h>
#include <sys/mman.h>

#include <array>
#include <memory>

#include "base/secret.h"

namespace ipseckey::cli {
namespace {

// The C library keeps a few free blocks of each of these sizes, and gives them out again first.
void wipe_free_blocks() {
  constexpr std::size_t kSmallest = 24, kLargest = 1032, kStep = 16, kOfEach = 16;
  for (std::size_t size = kSmallest; size <= kLargest; size += kStep) {
    std::array<std::unique_ptr<std::byte[]>, kOfEach> blocks;
    for (auto& block : blocks) {
      block = std::make_unique_for_overwrite<std::byte[]>(size);
      wipe({block.get(), size});
    }
  }
}

[[gnu::noinline]] void wipe_stack() {
  constexpr std::size_t kDeepest = 128 * 1024;  // Bytes; no command goes so deep.
  std::array<std::byte, kDeepest> room;
  wipe(room);
}

}  // namespace

void leave_few_key_remains() {
  mallopt(M_PERTURB, 1);
  mlockall(MCL_CURRENT);
}

void wipe_key_remains() {
  wipe_free_blocks();
  wipe_stack();
}

}  // namespace ipseckey::cli
