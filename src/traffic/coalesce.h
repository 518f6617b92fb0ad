#pragma once
/// Segments of TCP that followed one another become one long packet again (receive offload), so that the host's stack
/// is walked once for many. What is joined here, Segments cuts into the same segments. A function of the packets alone.
#include <absl/functional/function_ref.h>

#include <array>
#include <cstdint>
#include <span>

#include "traffic/plane.h"
#include "traffic/segment.h"

namespace ipseckey::traffic {

/// Not to be shared by threads; its memory is its own and fixed.
///
/// Joined are only segments of one connection in sequence that have data, the same IP and TCP headers but for what
/// counts up, and a right checksum, the last one possibly shorter or with FIN or PSH. IPv4 options, IPv6 extension
/// headers, fragments, SYN, RST, URG and CWR (RFC 3168) keep a packet as it is, and so does another ECN mark. The order
/// within a connection is kept.
class Coalescer {
 public:
  static constexpr std::size_t kMost = 128;  ///< Packets that are looked at together.

  /// One packet in pieces, which lie in the buffers of the items: the first one whole, then the payloads of the others.
  using Sink = absl::FunctionRef<void(std::span<const MutableBytes> pieces, const Offload& offload)>;

  /// Hands what the items whose cause is none become to `sink`, in order.
  void join(std::span<Item> items, Sink sink);

 private:
  struct Segment;
  struct Run {
    std::uint8_t first, last, count;
    bool open;                ///< More may follow.
    std::uint16_t size;       ///< Payload of each but the last.
    std::size_t total;        ///< Bytes of all.
    std::uint32_t sequence;   ///< That comes next.
    std::uint16_t ipv4_id;    ///< Of the last.
    std::size_t ip, headers;  ///< Bytes of the first one's IP header, and of that and TCP's.
  };

  void take(std::span<Item> items, std::size_t number);
  void begin(std::size_t number, const Segment* segment);
  bool append(Run& run, Bytes head, const Segment& segment, std::size_t number);
  void close(std::span<Item> items, Bytes packet, bool ports_known);
  void give(std::span<Item> items, const Run& run, Sink sink);

  std::array<Run, kMost> runs_;
  std::size_t count_ = 0;
  std::array<std::uint8_t, kMost> next_;  // The packet behind a packet of a run.
};

}  // namespace ipseckey::traffic
