// Preloaded into a program of ours: with it, the program cannot prevent core dumps.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdarg>

extern "C" int prctl(int option, ...) {
  if (option == PR_SET_DUMPABLE) return 0;
  std::array<unsigned long, 4> words{};
  va_list more;
  va_start(more, option);
  for (unsigned long& word : words) word = va_arg(more, unsigned long);
  va_end(more);
  return static_cast<int>(syscall(SYS_prctl, option, words[0], words[1], words[2], words[3]));
}

extern "C" int setrlimit(__rlimit_resource_t which, const rlimit* limits) noexcept {
  if (which == RLIMIT_CORE) return 0;
  return static_cast<int>(syscall(SYS_prlimit64, 0, which, limits, nullptr));
}
