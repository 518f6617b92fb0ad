#include "ipsecd/reserve.h"

#include <sys/mman.h>

#include <atomic>
#include <new>

namespace ipseckey::ipsecd::reserve {
namespace {

constinit std::atomic<void*> held = nullptr;
constinit std::atomic<unsigned> spent = 0;  // How often.
constinit std::atomic<void (*)()> last = nullptr;
constinit thread_local unsigned seen = 0;  // This thread's last value of `spent`.

void* map() {
  void* const p = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

}  // namespace

void hold(void (*end)()) {
  last = end;
  held = map();
  std::set_new_handler(spend);
}

bool ready() {
  if (held.load(std::memory_order_relaxed)) return true;
  void* const p = map();
  held = p;
  return p != nullptr;
}

void spend() {
  if (void* const p = held.exchange(nullptr)) {
    ::munmap(p, kSize);
    seen = ++spent;
  } else if (const unsigned now = spent; seen != now) {
    seen = now;  // Another thread has spent it meanwhile: there may be memory now.
  } else {
    last.load()();
  }
}

}  // namespace ipseckey::ipsecd::reserve
