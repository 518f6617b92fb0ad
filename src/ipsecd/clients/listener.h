#pragma once
/// The socket that ipsecd listens on: created safely, or passed by the service manager.
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

/// A listening Unix socket, SOCK_SEQPACKET for PF_KEY. If it was created here, its destructor removes the file, unless
/// another one has replaced it.
class Listener {
 public:
  /// How long to wait for another program that creates a socket at the same path.
  static constexpr std::chrono::milliseconds kPatience{5'000};

  /// Creates a socket of mode 0600 at `path`, under the lock PATH.lock, which exists only meanwhile. A socket on which
  /// nobody answers is replaced; anything else is left unchanged. Errors: exists (another ipsecd serves it, it is not a
  /// socket, another file replaced it, or other users may open the lock), timeout (of `patience`), denied, invalid, io.
  static Result<Listener> at(const std::string& path, int type = SOCK_SEQPACKET,
                             std::chrono::milliseconds patience = kPatience);
  /// As at(), but first creates the folder of `path` if it is missing: mode 0755 for root, 0700 for others.
  static Result<Listener> at_default(const std::string& path);
  /// The one socket that the service manager passed; nothing if it passed none. Error invalid: there are more, or it is
  /// another kind of socket.
  static Result<Listener> handed_over(std::vector<Descriptor> sockets);

  Listener() = default;
  Listener(Listener&&) = default;
  Listener& operator=(Listener&&) = default;
  ~Listener();

  /// Admits the clients that the policy names. A single group is admitted by the file's group and mode; otherwise
  /// anybody may connect, and the kernel's record of each client decides (peer_of()). Only for a socket that was
  /// created here; the file of a passed socket belongs to the service manager. No other file is changed, whatever is at
  /// the path by now. Errors: denied, exists (it is no longer our socket).
  Result<void> let_in(const Policy& policy);

  /// The group to which the file of a passed socket is open, and nobody else (mode 0660): the group that the socket
  /// unit admits. nullopt: none.
  std::optional<gid_t> group_of_file() const;

  explicit operator bool() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  /// The folder of a socket that was created here, as opened then (O_PATH); -1: it was not created here.
  int folder() const { return folder_.get(); }

 private:
  /// The socket's file, opened with O_PATH.
  Result<Descriptor> file() const;

  Descriptor fd_, folder_;
  std::string path_;
  bool made_here_ = false;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace ipseckey::ipsecd
