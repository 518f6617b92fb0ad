#pragma once
/// How long the segments are that a TCP socket of this host sends now. netfilter's queues pass on packets that the
/// stack has not cut into segments yet, and do not say how to cut them; the socket knows (sock_diag(7)).
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/net.h"
#include "base/result.h"
#include "system/descriptor.h"
#include "traffic/packet.h"

namespace ipseckey::ipsecd {

/// For one thread.
class SegmentSize {
 public:
  /// Error unsupported: this kernel does not tell.
  static Result<SegmentSize> make();

  /// The payload of a segment, in bytes, with a TCP header of `header` bytes as the packet has it. `out`: the index of
  /// the interface by which it leaves. Without such a socket, what every host accepts (RFC 9293 section 3.7.1). An
  /// answer holds for some milliseconds.
  std::uint16_t of(const traffic::Headers& packet, std::uint32_t out, std::size_t header, std::chrono::nanoseconds now);

 private:
  explicit SegmentSize(Descriptor fd) : fd_(std::move(fd)) {}

  struct Said {
    std::uint16_t payload = 0;  // With a header of this many bytes.
    std::uint16_t header = 0;
  };
  struct Known {
    Address src, dst;
    std::uint16_t src_port = 0, dst_port = 0;
    std::chrono::nanoseconds until{};
    std::optional<Said> said;
  };
  std::optional<Said> ask(const traffic::Headers& packet, std::uint32_t out);

  static constexpr std::size_t kKnown = 256;
  Descriptor fd_;
  std::array<Known, kKnown> known_{};
};

}  // namespace ipseckey::ipsecd
