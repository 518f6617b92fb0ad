#include "system/held_signals.h"

#include <sys/signalfd.h>

#include <ctime>

namespace ipseckey {

namespace {

constexpr int kEnding[] = {SIGINT, SIGTERM, SIGHUP};

// Such signals are not blocked: a blocked one would become pending even though it is ignored.
bool ignored(int number) {
  struct sigaction now{};
  return sigaction(number, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_IGN;
}

sigset_t set_of(auto wanted) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kEnding)
    if (wanted(number)) sigaddset(&set, number);
  return set;
}

}  // namespace

HeldSignals::HeldSignals(Ignored which) {
  const sigset_t ending =
      set_of([&](int number) { return !ignored(number) || (which == Ignored::count_too && number != SIGHUP); });
  sigprocmask(SIG_BLOCK, &ending, &before_);
}

HeldSignals::~HeldSignals() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

bool HeldSignals::one_came() const {
  sigset_t pending;
  sigpending(&pending);
  for (const int number : kEnding)
    if (sigismember(&pending, number) == 1) return true;
  return false;
}

void HeldSignals::forget() const {
  const sigset_t meant = set_of([](int number) { return number != SIGHUP; });
  constexpr timespec kAtOnce{};
  while (sigtimedwait(&meant, nullptr, &kAtOnce) > 0) continue;
}

int HeldSignals::fd() {
  const sigset_t all = set_of([](int) { return true; });  // Signals that are not blocked are never pending.
  static const int kFd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  return kFd;
}

}  // namespace ipseckey
