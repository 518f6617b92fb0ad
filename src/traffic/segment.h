#pragma once
/// The work that a network device leaves to its reader, as it would to a card: the checksum, and cutting a packet that
/// is longer than the link's MTU (TCP and UDP segmentation offload). The result depends only on the packet.
#include <cstdint>
#include <optional>

#include "traffic/packet.h"

namespace ipseckey::traffic {

/// The offload information that a device passes along with a packet, in either direction.
struct Offload {
  enum class Kind : std::uint8_t { none, tcp, udp };
  Kind kind = Kind::none;    ///< The kind of segments to cut it into; none: it is one packet of the link.
  std::uint16_t size = 0;    ///< Payload bytes of each segment but the last, which may be shorter.
  bool unsummed = false;     ///< The checksum field contains only the sum of the pseudo header.
  std::uint16_t sum_at = 0;  ///< If so: the offset in the packet where the checksum begins,
  std::uint16_t field = 0;   ///< and the offset of its field from there.
  bool operator==(const Offload&) const = default;
};

/// The packets of the link that one packet of a device represents, in order.
class Segments {
 public:
  /// The packet's bytes are read until the last segment is written. nullopt: packet and offload contradict each other.
  static std::optional<Segments> of(Bytes packet, const Offload& offload);

  std::size_t left() const { return count_ - number_; }
  bool begun() const { return number_ > 0; }  ///< One was written.
  /// Writes the next one into `into.memory`, behind Packet::kHeadroom. False: none is left, or it does not fit.
  bool next(Packet& into);

 private:
  Segments(Bytes packet, const Offload& offload) : packet_(packet), offload_(offload) {}

  void mend(MutableBytes segment, std::uint16_t payload_sum, bool last) const;

  Bytes packet_;
  Offload offload_;
  std::size_t upper_at_ = 0, payload_at_ = 0;
  std::size_t number_ = 0, count_ = 1;
};

}  // namespace ipseckey::traffic
