#pragma once
/// One packet on the wire, as far as a stranger can read it: addresses, AH, ESP, and whether it is a probe of ours.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/net.h"
#include "prove/wire.h"

namespace ipseckey::prove {

/// AH or ESP: RFC 4302 and 4303, section 2.
struct Seal {
  std::uint32_t spi = 0, number = 0;
  bool operator==(const Seal&) const = default;
};

/// An ICMP error about a packet that was not delivered.
struct Complaint {
  std::uint8_t type = 0, code = 0;
  std::uint32_t mtu = 0;  ///< Octets, of "fragmentation needed" and "packet too big"; else 0.
  bool too_big = false;   ///< It is one of these.
  bool operator==(const Complaint&) const = default;
};

struct Sighting {
  bool out = false;  ///< It left this host.
  Address from, to;
  std::size_t size = 0;  ///< Octets, with the IP header.
  std::optional<Seal> ah, esp;
  bool udp = false;                          ///< ESP in UDP (RFC 3948).
  std::uint8_t protocol = 0;                 ///< That which follows IP's headers, and AH.
  std::uint16_t from_port = 0, to_port = 0;  ///< Of UDP and TCP; of ICMP: type and code.
  bool piece = false;                        ///< A fragment.
  std::optional<Head> ours;                  ///< In clear, or under AH only.
  std::size_t ours_at = 0;                   ///< Where it begins in the packet.
  std::uint32_t number = 0, next = 0;        ///< Of TCP: sequence number, and that which is acknowledged.
  bool mine = false;  ///< Protected: a probe of this run, or an answer to it, by time and size (prove/own.h).
  std::optional<Complaint> complaint;

  bool sealed() const { return ah || esp; }
  bool operator==(const Sighting&) const = default;
};

/// Reads an IP packet. `udp_ports`: those of SAs in UDP, besides 4500. nullopt: it is not a whole header.
std::optional<Sighting> sight(Bytes packet, std::span<const std::uint16_t> udp_ports = {});

}  // namespace ipseckey::prove
