#pragma once
/// Only one apply at a time may change a SADB's SAs and their owner rows (owner_rows.h).
#include <chrono>
#include <string>

#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::apply {

/// A lock on a file that stays, empty: on one byte of it for each SADB. It goes with the process, however that ends.
class Lock {
 public:
  static constexpr std::chrono::milliseconds kPatience{10'000};

  /// Waits for the holder of that SADB's lock (SadbPlace::name), not for longer than `patience`, nor when `stop_fd`
  /// is readable (-1: never). Creates the file (0600), and its folder (0700). Errors: timeout (another one is running,
  /// and which process it is), exists (stopped while waiting), denied, io.
  static Result<Lock> take(const std::string& path, const std::string& sadb, std::chrono::milliseconds patience,
                           int stop_fd);

 private:
  explicit Lock(int fd) : fd_(fd) {}

  Descriptor fd_;
};

}  // namespace ipseckey::apply
