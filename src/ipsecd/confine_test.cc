#include "ipsecd/confine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "backend/testing.h"

namespace ipsecd {
namespace {

// Each call stands for a kind; in a process of its own, because there is no way back.
[[noreturn]] void try_what_is_refused(const std::string& path) {
  int wrong = 0;
  const auto refused = [&](long result) { wrong += result != -1 || errno != EPERM; };
  std::thread early([&] { ::pause(); });
  early.detach();
  if (!confine()) ::_exit(100);
  refused(::chmod(path.c_str(), 0777));
  refused(::mkdir(path.c_str(), 0700));
  refused(::setuid(65534));
  refused(::socket(AF_PACKET, SOCK_RAW, 0));
  refused(::kill(::getppid(), 0) == 0 ? 0 : -1);
  ::_exit(wrong);
}

[[noreturn]] void try_what_is_allowed() {
  if (!confine()) ::_exit(100);
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ::_exit(fd < 0 || ::close(fd) != 0 ? 1 : 0);
}

[[noreturn]] void run_another_program() {
  if (!confine()) ::_exit(100);
  ::execl("/bin/true", "true", nullptr);
  ::_exit(errno == EPERM ? 7 : 1);
}
[[noreturn]] void write_a_file(const std::string& path) {
  if (!confine()) ::_exit(100);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ::_exit(fd < 0 && errno == EPERM ? 0 : 1);
}

TEST(Confine, AnotherProgramIsItsEnd) {
  const auto ended = [](int status) {
    return kSanitized ? ::testing::ExitedWithCode(7)(status) : ::testing::KilledBySignal(SIGSYS)(status);
  };
  EXPECT_EXIT(run_another_program(), ended, "");
}

TEST(Confine, FilesAreReadNotWritten) {
  const backend::testing::TempFolder folder;
  EXPECT_EXIT(write_a_file(folder / "x"), ::testing::ExitedWithCode(0), "");
}

TEST(Confine, WhatServingDoesNotTakeIsRefused) {
  const backend::testing::TempFolder folder;
  EXPECT_EXIT(try_what_is_refused(folder / "x"), ::testing::ExitedWithCode(0), "");
}

TEST(Confine, WhatServingTakesIsAllowed) { EXPECT_EXIT(try_what_is_allowed(), ::testing::ExitedWithCode(0), ""); }

}  // namespace
}  // namespace ipsecd
