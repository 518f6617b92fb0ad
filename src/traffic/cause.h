#pragma once
/// Why packets are dropped: the one table for counters, status and Prometheus.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ipseckey::traffic {

enum class Cause : std::uint8_t {
  none,        ///< Not dropped.
  malformed,   ///< Not a complete IP packet, or its lengths contradict each other.
  no_sa,       ///< Outbound: no SA covers it. Inbound: no SA with that SPI and destination.
  not_usable,  ///< The SA is larval, dead, idle or elsewhere, for the other direction, or lacks a source to send from.
  exhausted,   ///< A hard limit or the last sequence number is reached.
  looped,      ///< Outbound: its SA has already protected it, and routing returned it; or it is nested too deeply.
  too_big,     ///< Larger than the path MTU, and must not be fragmented.
  fragment,    ///< A fragment where only whole datagrams are allowed, and the rest of the datagram is missing or wrong.
  wrong_source,         ///< The SA has another source address.
  wrong_encapsulation,  ///< In UDP although the SA does not use UDP, or the reverse.
  truncated,            ///< Too short for the SA's algorithms, or not a whole number of blocks.
  replayed,             ///< The sequence number was received before.
  late,                 ///< The sequence number is below the replay window.
  corrupt,              ///< The ICV is wrong.
  padding,              ///< The padding is not 1, 2, 3 ..., or is longer than the packet.
  inner,                ///< The content is not a packet of the SA's mode.
  congested,            ///< Marked by the network, and the inner packet does not support marks (RFC 6040 section 4.2).
  selector,             ///< The inner packet is not covered by the SA.
  bundle,               ///< It arrived, or would leave, under only one SA of a bundle.
  by_rule,              ///< A rule discards it, whatever it is.
  no_rule,              ///< No rule is about it, and its tunnel has rules.
  misrouted,            ///< A rule lets it go in clear, which it cannot do from the device that it was routed into.
  got_clear,            ///< In clear, and its rule demands protection.
  got_secure,           ///< Protected, and its rule demands that it is not, or there is none.
  got_ah,               ///< Under AH, and its rule demands ESP only.
  got_esp,              ///< Under ESP, and its rule demands AH only.
  bad_ahalg,            ///< Not under the AH that its rule demands: none, or another algorithm or length of the key.
  bad_espealg,          ///< Not under the cipher that its rule demands: no ESP, or another cipher or length of the key.
  bad_espaalg,          ///< Under ESP without the integrity algorithm or length of the key that its rule demands.
  bad_sa,  ///< Its SA is in another mode, for another tunnel, or of another reqid, SPI, mark or if_id than in its rule.
  dummy,   ///< Traffic-flow confidentiality: meant to be dropped (RFC 4303 section 2.6).
  not_ipsec,   ///< Neither ESP nor AH.
  keep_alive,  ///< A NAT keep-alive (RFC 3948 section 2.3).
  ike,         ///< Behind a non-ESP marker (RFC 3948 section 2.2): for a key manager.
  no_room,     ///< The buffer has too little room around the packet.
  crypto,      ///< The cryptographic library refused.
  not_ready,   ///< Taken for rules that an earlier ipsecd had. The code that takes it counts it.
  unsent,      ///< Protected or accepted, but the kernel did not take it. The code that passes it on counts it.
  overrun,     ///< Lost in a full queue before it was read. The code that reads the queue counts it.
  held,        ///< Not dropped and not counted: a fragment waiting for the rest of its datagram.
  clear,       ///< Not dropped: rules let it go in clear. Used inside only: Item::clear reports it.
};
/// The number of causes that are counted.
inline constexpr std::size_t kCauses = static_cast<std::size_t>(Cause::overrun) + 1;

/// The label of the counter, such as "no_sa".
std::string_view name(Cause cause);
/// One sentence for people.
std::string_view sentence(Cause cause);

}  // namespace ipseckey::traffic
