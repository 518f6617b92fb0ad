#pragma once
/// A lock among programs that create something at one place. It is a file of its own that other users cannot open,
/// because anyone who can open a file can lock it; and the folder can be opened by all.
#include <chrono>
#include <string>

#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

class FileLock {
 public:
  /// Creates and locks the file `name` of mode 0600 in the folder (a descriptor); the destructor removes it. `shown`:
  /// its path, for messages. Errors: timeout (another program holds it), exists (there is something else than a file of
  /// this user, root or the folder's owner, or other users can open it), denied, io.
  static Result<FileLock> take(int folder, const std::string& name, const std::string& shown,
                               std::chrono::milliseconds patience);

  FileLock(FileLock&& other) noexcept = default;
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  FileLock(Descriptor file, int folder, std::string name)
      : file_(std::move(file)), folder_(folder), name_(std::move(name)) {}

  Descriptor file_;
  int folder_;
  std::string name_;
};

}  // namespace ipseckey::ipsecd
