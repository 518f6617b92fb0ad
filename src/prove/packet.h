#pragma once
/// Packets that are made or changed by hand: a datagram past all rules, and a protected packet with a changed number.
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/net.h"

namespace ipseckey::prove {

/// A whole IP packet with a UDP datagram, checksums included. The addresses have one family.
std::vector<std::byte> udp_packet(const Address& from, const Address& to, std::uint16_t from_port,
                                  std::uint16_t to_port, Bytes data);

/// The contents of an echo request: ICMP's header and the data. ICMPv6's checksum is left to the kernel.
std::vector<std::byte> echo_request(Family family, std::uint16_t id, std::uint16_t number, Bytes data);

/// The packet of ESP, ESP in UDP or AH with one bit of its sequence number flipped, so that it is higher by at least 8:
/// the replay window lets it pass, and only an ICV can tell. nullopt: it is none of these.
std::optional<std::vector<std::byte>> renumbered(Bytes packet);

}  // namespace ipseckey::prove
