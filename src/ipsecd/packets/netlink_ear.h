#pragma once
/// A netlink socket that hears what the kernel reports to groups of one protocol.
#include <absl/functional/function_ref.h>

#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

class NetlinkEar {
 public:
  /// `protocol`: NETLINK_...; `changes`: what the groups report, for the error, which says that ipsecd cannot notice
  /// when these change. Errors: denied, io.
  static Result<NetlinkEar> make(int protocol, std::span<const int> groups, std::string_view changes);

  /// Becomes readable when hear() has something to read.
  int fd() const { return fd_.get(); }
  /// Passes on each datagram that waits; a datagram can contain several messages. Never waits. False: some datagrams
  /// were lost for lack of room.
  bool hear(absl::FunctionRef<void(Bytes messages)> each);

 private:
  explicit NetlinkEar(Descriptor fd) : fd_(std::move(fd)) {}
  Descriptor fd_;
};

}  // namespace ipseckey::ipsecd
