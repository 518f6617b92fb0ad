#pragma once
/// A packet in its buffer, and what is read of its headers: IPv4 (RFC 791), IPv6 and its extension headers (RFC 8200).
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/net.h"

namespace ipseckey::traffic {

/// An IP packet in a buffer of the caller, with room to grow in place on both sides.
struct Packet {
  static constexpr std::size_t kHeadroom = 160;  ///< Enough for whatever protect() puts before a packet (wrap.cc).
  static constexpr std::size_t kTailroom = 96;   ///< And behind it: padding, and an ICV of 64 bytes.

  MutableBytes memory;   ///< The whole buffer.
  std::size_t at = 0;    ///< Where the packet starts in it.
  std::size_t size = 0;  ///< Bytes, from the IP header's first on.

  MutableBytes bytes() const { return memory.subspan(at, size); }
};

/// The selectors of a packet (RFC 4301 section 4.4.1.1), and where its parts are.
struct Headers {
  Address src, dst;
  std::optional<Address> home;    ///< Of a Home Address option (RFC 6275 section 6.3): who a source that is away is.
  std::size_t network = 0;        ///< Bytes of the IP header and the extension headers that travel before ESP and AH.
  std::size_t next_at = 0;        ///< Where in the packet the octet stands that names what follows them.
  std::uint8_t next = 0;          ///< What follows them.
  std::size_t upper_at = 0;       ///< Where the upper-layer header starts: behind all extension headers.
  std::size_t upper_next_at = 0;  ///< Where the octet stands that names it.
  std::uint8_t upper = 0;         ///< The upper-layer protocol, ESP, AH or 59; of fragments too.
  std::size_t total = 0;          ///< Bytes of the packet as its length field says, at most those that are there.
  std::optional<std::uint16_t> src_port, dst_port;  ///< Of TCP, UDP, UDP-Lite, SCTP, DCCP; nullopt: there is none here.
  std::optional<std::uint16_t> icmp_type;           ///< Of ICMP and ICMPv6.
  std::optional<std::uint16_t> icmp_code;           ///< The same.
  bool fragment = false;                            ///< Part of a datagram.
  bool later_fragment = false;                      ///< And not its first part: there is no upper-layer header.
  bool dont_fragment = false;                       ///< IPv4's DF; always for IPv6.
  std::uint8_t traffic_class = 0;                   ///< DSCP and ECN.
  std::uint8_t hop_limit = 0;
};

/// nullopt: not IPv4 or IPv6, cut off, lengths that contradict one another, an IPv4 checksum that is wrong, or more
/// extension headers than kMostExtensions and that of a fragment.
std::optional<Headers> parse(Bytes packet);
inline constexpr unsigned kMostExtensions = 16;

/// Where in a whole destination options header the 16 octets of a home address are; 0: there is none.
std::size_t home_address_at(Bytes extension);

/// The Internet checksum (RFC 1071) of `bytes`, with `sum` taken in; big-endian words, the result in host order.
std::uint16_t checksum(Bytes bytes, std::uint32_t sum = 0);

}  // namespace ipseckey::traffic
