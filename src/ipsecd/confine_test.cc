#include "ipsecd/confine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "backend/testing.h"

namespace ipseckey::ipsecd {
namespace {

// Each call represents a kind; in a process of its own, because the restriction is permanent.
[[noreturn]] void try_what_is_refused(const std::string& path) {
  int wrong = 0;
  const auto refused = [&](long result) { wrong += result != -1 || errno != EPERM; };
  std::thread early([&] { ::pause(); });
  early.detach();
  if (!confine(false)) ::_exit(100);
  refused(::chmod(path.c_str(), 0777));
  refused(::unlink(path.c_str()));
  refused(::syscall(SYS_tgkill, ::getppid(), ::getppid(), 0));
  const auto exec = [](void* p) { return p == MAP_FAILED ? -1 : 0; };
  refused(exec(::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
  void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  wrong += page == MAP_FAILED || ::mprotect(page, 4096, PROT_READ) != 0;
  refused(::mprotect(page, 4096, PROT_READ | PROT_EXEC));
  refused(::mkdir(path.c_str(), 0700));
  refused(::setuid(65534));
  char typed = 'x';
  if (!kSanitized) refused(::ioctl(STDIN_FILENO, TIOCSTI, &typed));
  refused(::socket(AF_PACKET, SOCK_RAW, 0));
  refused(::kill(::getppid(), 0) == 0 ? 0 : -1);
  ::_exit(wrong);
}

[[noreturn]] void try_what_is_allowed() {
  if (!confine(false)) ::_exit(100);
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  // A device that does not exist: the call itself is allowed.
  ifreq nowhere{.ifr_ifrn = {"nowhere"}, .ifr_ifru = {}};
  int wrong = 0;
  for (const int command : {SIOCGIFFLAGS, SIOCGIFINDEX, SIOCGIFTXQLEN})
    wrong += ::ioctl(fd, static_cast<unsigned long>(command), &nowhere) != -1 || errno != ENODEV;
  ::_exit(fd < 0 || wrong > 0 || ::close(fd) != 0 ? 1 : 0);
}

[[noreturn]] void run_another_program() {
  if (!confine(false)) ::_exit(100);
  ::execl("/bin/true", "true", nullptr);
  ::_exit(errno == EPERM ? 7 : 1);
}
// A sanitizer's report reads files.
[[noreturn]] void open_files(const std::string& path) {
  if (!confine(false)) ::_exit(100);
  const auto fails = [&](int how) { return ::open(path.c_str(), how | O_CLOEXEC, 0600) < 0 && errno == EPERM; };
  ::_exit(fails(O_WRONLY) && fails(O_RDWR | O_CREAT) && fails(O_RDONLY) != kSanitized ? 0 : 1);
}
// Whether Landlock is in force; without it, only the filter.
[[noreturn]] void remove_files(const std::string& inside, const std::string& outside) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const std::vector<std::string> folders = {std::filesystem::path(inside).parent_path()};
  const auto walled = wall_in(folders);
  if (!walled && walled.error().code != Errc::unsupported) ::_exit(99);
  int wrong = 0;
  std::latch tried(1), confined(1);
  std::thread late([&] {
    wrong += walled && (::open(outside.c_str(), O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES) == kSanitized;
    wrong += walled && (::open(outside.c_str(), O_WRONLY | O_CLOEXEC) >= 0 || errno != EACCES);
    tried.count_down();
    confined.wait();
    wrong += ::unlink(outside.c_str()) == 0 || errno != (walled ? EACCES : EPERM);
  });
  tried.wait();
  if (!confine(walled.has_value())) ::_exit(100);
  confined.count_down();
  late.join();
  wrong += (::unlink(inside.c_str()) == 0) != walled.has_value();
  ::_exit(wrong);
}

TEST(Confine, StartingAnotherProgramEndsTheProcess) {
  const auto ended = [](int status) {
    return kSanitized ? ::testing::ExitedWithCode(7)(status) : ::testing::KilledBySignal(SIGSYS)(status);
  };
  EXPECT_EXIT(run_another_program(), ended, "");
}

TEST(Confine, NoFileCanBeOpened) {
  const backend::testing::TempFolder folder;
  std::ofstream(folder / "x") << "text";
  EXPECT_EXIT(open_files(folder / "x"), ::testing::ExitedWithCode(0), "");
}

TEST(Confine, OnlyFilesInTheSocketsFolderCanBeRemoved) {
  const backend::testing::TempFolder folder;
  std::filesystem::create_directory(folder / "in");
  std::ofstream(folder / "in/x") << "text";
  std::ofstream(folder / "out") << "text";
  EXPECT_EXIT(remove_files(folder / "in/x", folder / "out"), ::testing::ExitedWithCode(0), "");
  EXPECT_TRUE(std::filesystem::exists(folder / "out"));
}

TEST(Confine, AMissingFolderIsAnError) {
  const std::vector<std::string> nowhere = {"/nonexistent/folder"};
  const auto walled = wall_in(nowhere);
  ASSERT_FALSE(walled);
  EXPECT_TRUE(walled.error().code == Errc::unsupported ||
              walled.error().text == "cannot open the folder /nonexistent/folder: No such file or directory");
}

TEST(Confine, CallsThatServingDoesNotNeedAreRefused) {
  const backend::testing::TempFolder folder;
  std::ofstream(folder / "x") << "text";
  EXPECT_EXIT(try_what_is_refused(folder / "x"), ::testing::ExitedWithCode(0), "");
}

TEST(Confine, CallsThatServingNeedsAreAllowed) { EXPECT_EXIT(try_what_is_allowed(), ::testing::ExitedWithCode(0), ""); }

}  // namespace
}  // namespace ipseckey::ipsecd
