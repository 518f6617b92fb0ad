#pragma once
/// The address of a Unix socket that is a file.
#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "base/cast.h"
#include "base/result.h"

namespace ipseckey {

class UnixAddress {
 public:
  /// Error invalid: the path is empty or too long; the message shows `shown`, the path made harmless for a terminal.
  static Result<UnixAddress> of(const std::string& path, const std::string& shown);

  const sockaddr* get() const { return interface_cast<sockaddr>(&address_); }
  socklen_t size() const { return sizeof address_; }

  /// The path to which a socket is bound; empty: it has none, or it is not a Unix socket.
  static std::string path_of(int socket);

 private:
  sockaddr_un address_{};
};

}  // namespace ipseckey
