#pragma once
/// Merges consecutive TCP segments into one long packet (receive offload), so that the host's stack processes many at
/// once. Segments cuts the result into the same segments again. The result depends only on the packets.
#include <absl/functional/function_ref.h>

#include <array>
#include <cstdint>
#include <span>

#include "traffic/plane.h"
#include "traffic/segment.h"

namespace ipseckey::traffic {

/// Not thread-safe; its memory is its own and of fixed size.
///
/// Only consecutive segments of one connection with data are merged, if their IP and TCP headers match apart from
/// counters and their checksums are right; the last one may be shorter or have FIN or PSH. A packet with IPv4 options,
/// IPv6 extension headers, SYN, RST, URG or CWR (RFC 3168), a fragment, or a packet with another ECN mark is not
/// merged. The order within a connection is kept.
class Coalescer {
 public:
  static constexpr std::size_t kMost = 128;  ///< The largest number of packets that one join() handles.

  /// One packet in pieces, which are in the buffers of the items: the first piece is the whole packet, the others are
  /// payloads.
  using Sink = absl::FunctionRef<void(std::span<const MutableBytes> pieces, const Offload& offload)>;

  /// Passes the packets that result from the items without a cause to `sink`, in order.
  void join(std::span<Item> items, Sink sink);

 private:
  struct Segment;
  struct Run {
    std::uint8_t first, last, count;
    bool open;                ///< More may follow.
    std::uint16_t size;       ///< Payload bytes of each segment but the last.
    std::size_t total;        ///< Bytes of all of them.
    std::uint32_t sequence;   ///< The next sequence number.
    std::uint16_t ipv4_id;    ///< The IPv4 ID of the last one.
    std::size_t ip, headers;  ///< Bytes of the first one's IP header, and of its IP and TCP headers.
  };

  void take(std::span<Item> items, std::size_t number);
  void begin(std::size_t number, const Segment* segment);
  bool append(Run& run, Bytes head, const Segment& segment, std::size_t number);
  void close(std::span<Item> items, Bytes packet, bool ports_known);
  void give(std::span<Item> items, const Run& run, Sink sink);

  std::array<Run, kMost> runs_;
  std::size_t count_ = 0;
  std::array<std::uint8_t, kMost> next_;  // The packet after a packet of a run.
};

}  // namespace ipseckey::traffic
