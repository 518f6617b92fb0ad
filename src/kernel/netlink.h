#pragma once
/// Netlink: many requests to the kernel in one send, its answers joined to them by sequence number.
/// What is inside the messages is nobody's business here. Framing: RFC 3549 section 2.3, netlink(7).
#include <absl/functional/function_ref.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "system/descriptor.h"

namespace ipseckey::kernel {

/// One message as it came: its header, and what follows it.
struct NetlinkMessage {
  std::uint16_t type = 0, flags = 0;
  std::uint32_t seq = 0;
  Bytes payload;
};

/// Requests to be sent together. Holds keys; the memory is wiped when it is reused or let go of.
class NetlinkBatch {
 public:
  static constexpr std::size_t kRoom = 8192;  ///< Bytes that one message may take.

  NetlinkBatch() = default;

  /// Starts a message. NLM_F_REQUEST and NLM_F_ACK go without saying.
  void begin(std::uint16_t type, std::uint16_t flags = 0);
  /// The fixed structure after the header.
  void body(Bytes fixed);
  /// An attribute. Too many of them fail the message; ok() tells.
  void attribute(std::uint16_t type, Bytes value);
  /// Takes the last message back.
  void drop();
  void clear();

  bool ok() const { return ok_; }
  std::size_t count() const { return starts_.size(); }
  Bytes bytes() const { return buffer_.bytes().first(size_); }
  /// The messages' bytes from `index` on, as many whole ones as fit `most` bytes (one at least), and how many those
  /// are.
  std::pair<Bytes, std::size_t> slice(std::size_t index, std::size_t most) const;
  /// Numbers the messages from `first` on.
  void number(std::uint32_t first);

 private:
  nlmsghdr* last();

  SecretBuffer buffer_;
  std::size_t size_ = 0;
  std::vector<std::size_t> starts_;
  bool ok_ = true;
};

/// A netlink socket. Every wait has a deadline.
class Netlink {
 public:
  static constexpr std::chrono::milliseconds kPatience{10'000};

  /// What the kernel decided about a request.
  struct Verdict {
    int error = 0;     ///< errno; 0: done.
    std::string text;  ///< Its extended error text, if it gave one.
  };
  using Payload = absl::FunctionRef<void(std::size_t index, const NetlinkMessage&)>;
  using Done = absl::FunctionRef<void(std::size_t index, const Verdict&)>;
  using Sink = absl::FunctionRef<void(const NetlinkMessage&)>;

  /// A socket of a netlink protocol, which hears the groups. Errors: unsupported, denied, io.
  static Result<Netlink> open(int protocol, std::span<const unsigned> groups = {});
  /// Takes over a connected datagram socket; tests have the kernel's part played at its other end.
  explicit Netlink(int fd, std::chrono::milliseconds patience = kPatience);

  /// Sends the batch and gives what comes back: messages that answer, then the verdict, of each request by its index.
  /// Errors (no verdict was given for the rest): timeout, malformed (an answer was cut short), io (answers were lost).
  Result<void> exchange(NetlinkBatch& batch, Payload payload, Done done);

  /// Sends the batch's one message, a dump, and gives its whole answer, message by message. One that the kernel marks
  /// as interrupted is thrown away and asked for again. Errors as above, and io when it never comes to rest.
  Result<Verdict> dump(NetlinkBatch& batch, absl::FunctionRef<void(const NetlinkMessage&)> each);

  /// What hear() found.
  enum class Heard : std::uint8_t {
    some,
    nothing,
    lost,  ///< Messages were lost, unknown how many; the next hear() gives the rest.
  };
  /// Gives messages that have come already, some datagrams of them at most. Does not wait.
  Result<Heard> hear(Sink sink);
  /// Gives all that have come already: nothing, or lost.
  Result<Heard> hear_all(Sink sink);

  /// For poll(): readable when hear() has something.
  int descriptor() const { return fd_.get(); }

 private:
  enum class Came : std::uint8_t { some, nothing };

  Result<void> send(Bytes messages);
  /// Waits for datagrams, `at_most` of them share the buffer, and takes them apart.
  Result<void> receive(std::size_t at_most, absl::FunctionRef<void(const NetlinkMessage&)> each);
  std::unexpected<Error> after_loss(absl::FunctionRef<void(const NetlinkMessage&)> each);
  static Result<void> open_up(const msghdr& message, Bytes left, absl::FunctionRef<void(const NetlinkMessage&)> each);
  Result<Came> take(std::size_t at_most, absl::FunctionRef<void(const NetlinkMessage&)> each);

  Descriptor fd_;
  std::chrono::milliseconds patience_;
  std::uint32_t seq_ = 0;
  SecretBuffer in_;
};

}  // namespace ipseckey::kernel
