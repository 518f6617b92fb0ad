#pragma once
/// Who changes SAs and their owners' rows (owned.h) does it alone: one apply at a time.
#include <chrono>
#include <string>
#include <utility>

#include "base/result.h"

namespace backend {

/// A lock on a file that stays, empty. It goes with the process, however that ends.
class ApplyLock {
 public:
  static constexpr std::chrono::milliseconds kPatience{10'000};

  /// Waits for whoever has it, not for longer than `patience`, nor when `stop_fd` is readable (-1: never). Makes the
  /// file (0600), and its folder (0700). Errors: exists (another one is at work, and which process it is), denied, io.
  static Result<ApplyLock> take(const std::string& path, std::chrono::milliseconds patience, int stop_fd);
  ApplyLock(ApplyLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ApplyLock& operator=(ApplyLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~ApplyLock();

 private:
  explicit ApplyLock(int fd) : fd_(fd) {}

  int fd_ = -1;
};

}  // namespace backend
