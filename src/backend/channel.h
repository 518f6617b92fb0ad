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

  /// Takes one message, which leaves at the latest with flush(): an ipsecd that understands it gets several in one
  /// packet. `again`: this message is not taken; call again with the same. Error invalid: it is larger than the socket
  /// takes; the connection continues.
  Result<Outcome> send(const pfkey::Message& m);
  /// Sends what send() took. `again`: not all of it has left.
  Result<Outcome> flush();
  bool flushed() const { return staged_ == 0; }
  /// Receives one message. Errors: malformed (no PF_KEY), denied or unreachable (ipsecd refuses to serve us), io.
  Result<Outcome> receive(pfkey::Message& m);
  /// Whether receive() has a message without asking the socket, whose descriptor does not show it.
  bool has_received() const { return at_ < end_; }

  /// The process that listened there when this end connected; 0: it is none that this one can see.
  std::uint32_t peer() const;
  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

 private:
  Channel(Descriptor fd, std::string path);

  Descriptor fd_;
  std::string path_;
  Result<Outcome> transmit();

  SecretBuffer out_, in_;         // Wiped after each packet out, and after each message in.
  std::size_t full_;              // Bytes of a packet that gets no further message.
  std::size_t staged_ = 0;        // Bytes of out_ that the socket has not taken yet;
  bool alone_ = false;            // they are one long message, with which send() is called again.
  bool packs_ = false;            // ipsecd has shown that it takes packets of several messages.
  std::size_t at_ = 0, end_ = 0;  // The part of in_ that receive() has not given yet.
};

/// "start it with `ipsecd --socket PATH`": what mends the absence of a daemon.
std::string how_to_start(const std::string& path);

}  // namespace ipseckey::backend
