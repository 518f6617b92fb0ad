#pragma once
/// Only one apply at a time may change a SADB's SAs and their owner rows (owner_rows.h).
#include <chrono>
#include <string>

#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::apply {

/// A lock for each SADB: on one byte of an empty file that is never removed. It ends with the process, however that
/// ends.
class Lock {
 public:
  static constexpr std::chrono::milliseconds kPatience{10'000};

  /// Takes the lock of the SADB `sadb` (SadbPlace::name). While another process holds it, waits for at most `patience`,
  /// or until `stop_fd` is readable (-1: never). Creates the file (0600) and its folder (0700). Errors: timeout
  /// (another apply is running; the text names its process), exists (stopped while waiting), denied, io.
  static Result<Lock> take(const std::string& path, const std::string& sadb, std::chrono::milliseconds patience,
                           int stop_fd);

 private:
  explicit Lock(int fd) : fd_(fd) {}

  Descriptor fd_;
};

}  // namespace ipseckey::apply
