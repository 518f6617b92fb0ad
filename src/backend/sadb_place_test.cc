#include "backend/sadb_place.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace ipseckey::backend {
namespace {

TEST(SadbPlace, OnlyTheSameNumberReplacesANamespace) {
  const SadbPlace here = kernel_place(5, 60);
  EXPECT_EQ(here.name, "kernel:5:60");
  EXPECT_EQ(kernel_place(5, 0).name, "kernel:5") << "a kernel that has no cookies";
  EXPECT_TRUE(replaced_by("kernel:5:6", here));
  for (const std::string name : {"kernel:5:60", "kernel:5", "kernel:50:6", "kernel:51", "ipsecd:/kernel:5:6"})
    EXPECT_FALSE(replaced_by(name, here)) << name;
  EXPECT_FALSE(replaced_by("kernel:5:6", kernel_place(5, 0)));
  EXPECT_FALSE(replaced_by("ipsecd:/a:1", {"ipsecd:/b", "ipsecd:/a", {}, ""}));
}

/// A process with these words for a command line, which waits until it is killed.
class Process {
 public:
  explicit Process(std::vector<std::string> words) {
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) != 0 || ::pipe2(waits_, O_CLOEXEC) != 0) return;
    std::vector<char*> argv;
    for (std::string& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(waits_[0], STDIN_FILENO);
      ::execv("/bin/cat", argv.data());
      ::_exit(127);
    }
    ::close(ready[1]);
    char none = 0;
    while (::read(ready[0], &none, 1) > 0) {
    }
    ::close(ready[0]);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    end();
    for (const int fd : waits_) ::close(fd);
  }

  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  std::uint32_t id() const { return static_cast<std::uint32_t>(pid_); }

 private:
  pid_t pid_ = -1;
  int waits_[2] = {-1, -1};  // It reads from there; nobody writes.
};

TEST(SadbProcess, IsKnownByItsWordsAndEndsWithItself) {
  Process daemon({"/usr/sbin/ipsecd", "/dev/stdin"});
  const SadbProcess process = sadb_process(daemon.id());
  EXPECT_EQ(process.pid, daemon.id());
  EXPECT_FALSE(has_ended(process));
  SadbProcess other = process;
  ++other.start;
  EXPECT_TRUE(has_ended(other)) << "its number is another process' now";
  other = process;
  ++other.view;
  daemon.end();
  EXPECT_TRUE(has_ended(process));
  EXPECT_FALSE(has_ended(other)) << "it is counted by somebody else";
}

TEST(SadbProcess, AProcessThatKeepsOrIsNotIpsecdIsUnknown) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"ipsecd", "--", "-", "--keep"},
                                                {"ipsecd", "--", "-", "--keep=x"},
                                                {"ipsecd2", "-"},
                                                {"systemd", "-", "ipsecd"}}) {
    const Process daemon(words);
    EXPECT_EQ(sadb_process(daemon.id()), SadbProcess()) << words[0];
  }
  EXPECT_EQ(sadb_process(0), SadbProcess());
  EXPECT_FALSE(has_ended({}));
}

}  // namespace
}  // namespace ipseckey::backend
