#pragma once
/// Netlink: many requests to the kernel in one send, with their answers matched by sequence number.
/// This code does not interpret the messages' contents. Framing: RFC 3549 section 2.3, netlink(7).
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

/// One received message: its header and its payload.
struct NetlinkMessage {
  std::uint16_t type = 0, flags = 0;
  std::uint32_t seq = 0;
  Bytes payload;
};

/// Requests to be sent together. Contains keys; the memory is wiped before it is reused or released.
class NetlinkBatch {
 public:
  static constexpr std::size_t kRoom = 8192;  ///< The largest size of one message, in bytes.

  NetlinkBatch() = default;

  /// Starts a message. NLM_F_REQUEST and NLM_F_ACK are always set.
  void begin(std::uint16_t type, std::uint16_t flags = 0);
  /// Appends the fixed structure after the header.
  void body(Bytes fixed);
  /// Appends an attribute. Too many of them invalidate the message; see ok().
  void attribute(std::uint16_t type, Bytes value);
  /// Removes the last message.
  void drop();
  void clear();

  bool ok() const { return ok_; }
  std::size_t count() const { return starts_.size(); }
  Bytes bytes() const { return buffer_.bytes().first(size_); }
  /// The bytes of the messages from `index` on: as many complete ones as fit in `most` bytes, at least one; and their
  /// number.
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

  /// The kernel's verdict on a request.
  struct Verdict {
    int error = 0;     ///< errno; 0: success.
    std::string text;  ///< Its extended error text, if it gave one.
  };
  using Payload = absl::FunctionRef<void(std::size_t index, const NetlinkMessage&)>;
  using Done = absl::FunctionRef<void(std::size_t index, const Verdict&)>;
  using Sink = absl::FunctionRef<void(const NetlinkMessage&)>;

  /// A socket of a netlink protocol, subscribed to the groups. Errors: unsupported, denied, io.
  static Result<Netlink> open(int protocol, std::span<const unsigned> groups = {});
  /// Takes over a connected datagram socket; in tests, the other end plays the kernel.
  explicit Netlink(int fd, std::chrono::milliseconds patience = kPatience);

  /// Sends the batch and passes on what is returned, by the index of the request: messages that answer, then the
  /// verdict. Errors (the remaining requests get no verdict): timeout, malformed (an answer was truncated), io (answers
  /// were lost).
  Result<void> exchange(NetlinkBatch& batch, Payload payload, Done done);

  /// Sends the batch's only message, a dump, and passes on the whole answer, message by message. An answer that the
  /// kernel marks as interrupted is discarded and requested again. Errors as above, and io if it is interrupted every
  /// time.
  Result<Verdict> dump(NetlinkBatch& batch, absl::FunctionRef<void(const NetlinkMessage&)> each);

  /// The result of hear().
  enum class Heard : std::uint8_t {
    some,
    nothing,
    lost,  ///< An unknown number of messages was lost; the next hear() returns the rest.
  };
  /// Passes on messages that have already arrived, at most some datagrams of them. Does not wait.
  Result<Heard> hear(Sink sink);
  /// Passes on everything that has arrived. Returns nothing or lost.
  Result<Heard> hear_all(Sink sink);

  /// For poll(): readable if hear() would return something.
  int descriptor() const { return fd_.get(); }

 private:
  enum class Came : std::uint8_t { some, nothing };

  Result<void> send(Bytes messages);
  /// Waits for datagrams, of which `at_most` share the buffer, and splits them into messages.
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
