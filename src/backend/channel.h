#pragma once
/// A connection to ipsecd: whole PF_KEY messages over a Unix SOCK_SEQPACKET socket, without blocking.
#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "pfkey/message.h"
#include "system/descriptor.h"

namespace ipseckey::backend {

/// What a try to send or receive came to.
enum class Outcome : std::uint8_t {
  done,
  again,  ///< Not now: wait until the socket is ready.
  gone,   ///< The other side has ended the connection, and all that it had sent is read.
};

/// Owns the socket. Every error says which socket it was and, where it is known, how to mend it.
class Channel {
 public:
  /// Waits at most `patience` for a busy daemon to accept. Errors: unreachable (no daemon), denied (also: who listens
  /// there is neither root, nor this user, nor the owner of the folder), timeout, invalid (the path is too long), io.
  static Result<Channel> connect(std::string path, std::chrono::milliseconds patience);

  /// Sends one message. Error invalid: it is larger than the socket takes; the connection continues.
  Result<Outcome> send(const pfkey::Message& m);
  /// Receives one message. Errors: malformed (no PF_KEY), denied or unreachable (ipsecd refuses to serve us), io.
  Result<Outcome> receive(pfkey::Message& m);

  /// The process that listened there when this end connected; 0: it is none that this one can see.
  std::uint32_t peer() const;
  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

 private:
  Channel(Descriptor fd, std::string path);

  Descriptor fd_;
  std::string path_;
  SecretBuffer out_, in_;   // Wiped after each message.
  std::size_t staged_ = 0;  // Bytes of out_ that the socket has not taken yet; send() is called again with the same.
};

/// "start it with `ipsecd --socket PATH`": what mends the absence of a daemon.
std::string how_to_start(const std::string& path);

}  // namespace ipseckey::backend
