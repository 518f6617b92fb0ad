#pragma once
/// The socket that ipsecd listens on: made with care, or handed over by the service manager.
#include <sys/socket.h>
#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ipsecd/clients/access.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// A listening Unix socket, of SOCK_SEQPACKET for PF_KEY. If it was made here, its file goes when this goes, unless
/// another has taken its place.
class Listener {
 public:
  /// How long another program may take to create a socket at the same path.
  static constexpr std::chrono::milliseconds kPatience{5'000};

  /// Creates a socket of mode 0600 at `path`, under the lock of PATH.lock, which is there as long as this takes. A
  /// socket that nobody answers on is replaced; anything else is left alone. Errors: exists (another ipsecd serves it,
  /// it is not a socket, another took its place, or others may open the lock), timeout (of `patience`), denied,
  /// invalid, io.
  static Result<Listener> at(const std::string& path, int type = SOCK_SEQPACKET,
                             std::chrono::milliseconds patience = kPatience);
  /// As at(), and creates the folder of `path` first if it is not there: 0755 for root, 0700 for others.
  static Result<Listener> at_default(const std::string& path);
  /// The one socket that the service manager handed over; nothing if it handed over none. Error invalid: there are
  /// more, or it is another kind of socket.
  static Result<Listener> handed_over(std::vector<Descriptor> sockets);

  Listener() = default;
  Listener(Listener&&) = default;
  Listener& operator=(Listener&&) = default;
  ~Listener();

  /// Lets in whom the policy names: the group by the file's group and mode where it is the only one, else everybody
  /// may knock, and who gets in is decided by the kernel's word on each (peer_of()). Only of a socket that was made
  /// here; of one that was handed over the file is the service manager's. No other file is touched, whatever is at
  /// the path by now. Errors: denied, exists (it is not the socket any more).
  Result<void> let_in(const Policy& policy);

  /// The group to which the file of a socket that was handed over is open, and nobody beyond it (mode 0660): whom the
  /// socket unit lets in. nullopt: none.
  std::optional<gid_t> group_of_file() const;

  explicit operator bool() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  /// The folder of a socket that was made here, as it was opened then (O_PATH); -1: none was.
  int folder() const { return folder_.get(); }

 private:
  /// The socket's file, opened by O_PATH.
  Result<Descriptor> file() const;

  Descriptor fd_, folder_;
  std::string path_;
  bool made_here_ = false;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace ipseckey::ipsecd
