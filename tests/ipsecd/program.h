#pragma once
/// A program in a process of its own, whose stderr the test reads and which never outlives the test.
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "backend/testing.h"

namespace ipseckey {

class Program {
 public:
  /// `prepare` runs in the child before the program starts.
  explicit Program(std::vector<std::string> words, const std::function<void()>& prepare = [] {}) {
    int err[2];
    if (::pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(err[1], STDOUT_FILENO);
      ::dup2(err[1], STDERR_FILENO);
      prepare();
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(err[1]);
    output_fd_ = err[0];
    process_fd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    kill(SIGKILL);
    if (!reaped_) ::waitpid(pid_, nullptr, 0);
    ::close(output_fd_);
    ::close(process_fd_);
  }

  pid_t pid() const { return pid_; }
  /// By the process's descriptor, so that no other process can be hit.
  void kill(int signal) const { ::syscall(SYS_pidfd_send_signal, process_fd_, signal, nullptr, 0); }

  /// Reads its output until it contains `text`; returns all of it. Throws if it ends or the deadline passes before.
  const std::string& wait_for(std::string_view text) {
    while (output_.find(text) == std::string::npos)
      if (!read_some()) throw std::runtime_error("it ended without '" + std::string(text) + "': " + output_);
    return output_;
  }

  struct End {
    int status;          ///< Exit status; -1: ended by a signal.
    std::string output;  ///< All of its output.
  };
  /// Waits until it has ended.
  End end() {
    while (read_some()) continue;
    if (!backend::testing::ready(process_fd_, POLLIN)) throw std::runtime_error("it does not end: " + output_);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    reaped_ = true;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output_};
  }

 private:
  bool read_some() {
    char text[4096];
    if (!backend::testing::ready(output_fd_, POLLIN)) throw std::runtime_error("it says nothing: " + output_);
    const ssize_t got = ::read(output_fd_, text, sizeof text);
    if (got > 0) output_.append(text, static_cast<std::size_t>(got));
    return got > 0;
  }

  pid_t pid_ = -1;
  int output_fd_ = -1, process_fd_ = -1;
  bool reaped_ = false;
  std::string output_;
};

}  // namespace ipseckey
