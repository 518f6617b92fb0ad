#pragma once
/// An ipsecd inside the test: the whole daemon except main(), on a thread of its own.
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "backend/testing.h"
#include "ipsecd/daemon.h"
#include "system/status_client.h"

namespace ipseckey::ipsecd::testing {

using backend::testing::kDeadline;
using backend::testing::TempFolder;

class RunningDaemon {
 public:
  RunningDaemon()
      : path_(folder_ / "s"),
        listener_(Listener::at(path_).value()),
        daemon_(Daemon::make(listener_, [this](std::string_view line) { add_line(line); }).value()),
        status_served_(daemon_->tell_status_at(status_path(path_)).has_value()),
        thread_([this] { ended_ = daemon_->run(); }) {}
  ~RunningDaemon() { stop(); }

  const std::string& path() const { return path_; }
  Result<void> stop() {
    daemon_->stop();
    if (thread_.joinable()) thread_.join();
    return ended_;
  }
  std::vector<std::string> log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }

 private:
  void add_line(std::string_view line) {
    const std::lock_guard lock(mutex_);
    log_.emplace_back(line);
  }

  TempFolder folder_;
  std::string path_;
  std::mutex mutex_;
  std::vector<std::string> log_;
  Result<void> ended_;
  Listener listener_;
  std::unique_ptr<Daemon> daemon_;
  bool status_served_;
  std::thread thread_;
};

}  // namespace ipseckey::ipsecd::testing
