#include "system/hidden_memory.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ipseckey {

namespace {

// In a process of its own, because this is permanent.
TEST(HiddenMemory, IsExcludedFromDumpsAndUnreadableForOthers) {
  const pid_t child = ::fork();
  if (child == 0) {
    hide_memory();
    rlimit core{1, 1};
    const bool hidden = ::getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0 &&
                        ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
    ::_exit(hidden ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace

}  // namespace ipseckey
