#pragma once
/// A lock among programs that make something at one place: a file of its own that nobody else may open, because whoever
/// may open a file may lock it, and a folder may be opened by all.
#include <chrono>
#include <string>

#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

class FileLock {
 public:
  /// Locks the file `name` of mode 0600 in the folder (a descriptor), which is created, and removed with this.
  /// `shown`: its path, for messages. Errors: timeout (another program has it), exists (what is there is not a file of
  /// this user, root or the folder's owner, or others may open it), denied, io.
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
