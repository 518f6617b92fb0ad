#pragma once
/// What a network device leaves to whoever takes its packets, as it would to a card: the checksum, and the cutting of a
/// packet that is longer than its link takes (TCP and UDP segmentation offload). A function of the packet alone.
#include <cstdint>
#include <optional>

#include "traffic/packet.h"

namespace ipseckey::traffic {

/// What a device says of a packet that it hands over, or is told of one that it gets.
struct Offload {
  enum class Kind : std::uint8_t { none, tcp, udp };
  Kind kind = Kind::none;    ///< Segments of what it stands for; none: one packet of the link.
  std::uint16_t size = 0;    ///< Bytes of payload of each segment but the last, which may be shorter.
  bool unsummed = false;     ///< The checksum field holds the sum of the pseudo header alone.
  std::uint16_t sum_at = 0;  ///< Then: where in the packet the checksum begins,
  std::uint16_t field = 0;   ///< and how many bytes behind that its field is.
  bool operator==(const Offload&) const = default;
};

/// The packets of the link that one packet of a device stands for, in order.
class Segments {
 public:
  /// The packet's bytes are read until the last segment is written. nullopt: packet and offload contradict each other.
  static std::optional<Segments> of(Bytes packet, const Offload& offload);

  std::size_t left() const { return count_ - number_; }
  /// Writes the next one into `into.memory`, behind Packet::kHeadroom. False: none is left, or it does not fit.
  bool next(Packet& into);

 private:
  Segments(Bytes packet, const Offload& offload) : packet_(packet), offload_(offload) {}

  void mend(MutableBytes segment, bool last) const;

  Bytes packet_;
  Offload offload_;
  std::size_t upper_at_ = 0, payload_at_ = 0;
  std::size_t number_ = 0, count_ = 1;
};

}  // namespace ipseckey::traffic
