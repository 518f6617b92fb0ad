#pragma once
/// Why packets are dropped: THE table, for counters, status and Prometheus.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ipseckey::traffic {

enum class Cause : std::uint8_t {
  none,          ///< It is not dropped.
  malformed,     ///< Not a whole IP packet, or lengths that contradict one another.
  no_sa,         ///< Outbound: no SA covers it. Inbound: no SA with that SPI and destination.
  not_usable,    ///< The SA is larval, dead, idle or elsewhere, runs the other way, or lacks the source to send from.
  exhausted,     ///< A hard limit or the last sequence number is reached.
  looped,        ///< Outbound: its SA has protected it already, and routing has led it back; or nested too deeply.
  too_big,       ///< Longer than the path takes, and it must not be fragmented.
  fragment,      ///< A fragment where only whole datagrams may be, and the rest of the datagram is missing or wrong.
  wrong_source,  ///< The SA has another source address.
  wrong_encapsulation,  ///< In UDP although the SA is not, or the other way round.
  truncated,            ///< Too short for the SA's algorithms, or no whole number of blocks.
  replayed,             ///< The sequence number was let in before.
  late,                 ///< The sequence number lies left of the replay window.
  corrupt,              ///< The ICV is wrong.
  padding,              ///< The padding is not 1, 2, 3 ... or longer than the packet.
  inner,                ///< What was inside is no packet of the SA's mode.
  congested,            ///< Marked by the network, and what was inside does not know marks (RFC 6040 section 4.2).
  selector,             ///< What was inside is not covered by the SA.
  bundle,               ///< It came, or would leave, under one SA of a bundle of two.
  dummy,                ///< Traffic-flow confidentiality: meant to be dropped (RFC 4303 section 2.6).
  not_ipsec,            ///< Neither ESP nor AH.
  keep_alive,           ///< A NAT keep-alive (RFC 3948 section 2.3).
  ike,                  ///< Behind a non-ESP marker (RFC 3948 section 2.2): a key manager's.
  no_room,              ///< The buffer leaves too little room around the packet.
  crypto,               ///< The cryptographic library refused.
  unsent,               ///< It was made, or let in, but the kernel did not take it. Counted by who hands it over.
  overrun,              ///< It was lost in a full queue, before it was read. Counted by who reads.
  held,                 ///< Not dropped, and not counted: a piece that waits for the rest of its datagram.
};
/// Those that are counted.
inline constexpr std::size_t kCauses = static_cast<std::size_t>(Cause::overrun) + 1;

/// "no_sa": as a label of a counter.
std::string_view name(Cause cause);
/// One sentence for a person.
std::string_view sentence(Cause cause);

}  // namespace ipseckey::traffic
