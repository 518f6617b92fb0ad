#include "crypto/detail/multi_buffer.h"

#include <cstdint>

#include "base/secret_heap.h"

#if defined(IPSECKEY_MULTI_BUFFER) && !defined(IPSECKEY_PORTABLE)
#include <intel-ipsec-mb.h>
#endif

namespace ipseckey::crypto {

#if defined(IPSECKEY_MULTI_BUFFER) && !defined(IPSECKEY_PORTABLE)

namespace {

// The library tests itself when a manager is initialized.
bool usable(IMB_MGR& m) {
  init_mb_mgr_auto(&m, nullptr);
  constexpr std::uint64_t kNeeded = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_SELF_TEST_PASS;
  return (m.features & kNeeded) == kNeeded && imb_get_errno(&m) == 0;
}

}  // namespace

const IMB_MGR* multi_buffer() {
  static const IMB_MGR* const made = []() -> const IMB_MGR* {
    IMB_MGR* const m = alloc_mb_mgr(0);
    if (!m || usable(*m)) return m;
    free_mb_mgr(m);
    return nullptr;
  }();
  return made;
}

Manager::Manager() {
  void* const memory = multi_buffer() ? secret_heap::allocate(imb_get_mb_mgr_size()) : nullptr;
  if (!memory) return;
  manager_ = imb_set_pointers_mb_mgr(memory, 0, 1);
  if (manager_ && usable(*manager_)) return;
  secret_heap::release(memory);
  manager_ = nullptr;
}

Manager::~Manager() { secret_heap::release(manager_); }

#else

const IMB_MGR* multi_buffer() { return nullptr; }
Manager::Manager() = default;
Manager::~Manager() = default;

#endif

}  // namespace ipseckey::crypto
