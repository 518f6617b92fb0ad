#pragma once
/// Merges consecutive TCP segments, or UDP datagrams of one flow, into one long packet (receive offload), so that the
/// host's stack processes many at once. Segments cuts the result into the same packets again. The result depends only
/// on the packets.
#include <absl/functional/function_ref.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "traffic/plane.h"
#include "traffic/segment.h"

namespace ipseckey::traffic {

/// Not thread-safe; its memory is its own and of fixed size.
///
/// Only consecutive packets of one connection with data are merged, if their headers match apart from counters and
/// their checksums are right; the last one may be shorter, and a segment may have FIN or PSH. A packet with IPv4
/// options, IPv6 extension headers, SYN, RST, URG or CWR (RFC 3168), a fragment, a datagram without a checksum, or a
/// packet with another ECN mark is not merged. The order within a connection is kept.
class Coalescer {
 public:
  static constexpr std::size_t kMost = 128;          ///< The largest number of packets that one join() handles.
  static constexpr std::size_t kMostDatagrams = 64;  ///< The most in one long packet: Linux's limit until 6.9.

  /// `datagrams`: the receiver accepts merged datagrams, too.
  explicit Coalescer(bool datagrams = true) : datagrams_(datagrams) {}

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
    std::uint32_t key;        ///< Of its connection: another key, another connection.
    std::uint32_t sequence;   ///< TCP's next sequence number.
    std::uint16_t ipv4_id;    ///< The IPv4 ID of the last one.
    std::uint8_t protocol;    ///< TCP or UDP.
    std::size_t ip, headers;  ///< Bytes of the first one's IP header, and of its IP and TCP or UDP headers.
  };

  std::optional<Segment> segment_of(Bytes packet) const;
  void take(std::span<Item> items, std::size_t number);
  void begin(std::size_t number, const Segment* segment);
  bool append(Run& run, Bytes head, const Segment& segment, std::size_t number);
  void close(std::span<Item> items, Bytes packet, bool ports_known);
  void give(std::span<Item> items, const Run& run, Sink sink);

  bool datagrams_;
  std::array<Run, kMost> runs_;
  std::size_t count_ = 0;
  std::array<std::uint8_t, kMost> next_;  // The packet after a packet of a run.
};

}  // namespace ipseckey::traffic
