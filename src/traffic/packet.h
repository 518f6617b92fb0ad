#pragma once
/// A packet in its buffer, and its parsed headers: IPv4 (RFC 791), IPv6 and its extension headers (RFC 8200).
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/net.h"

namespace ipseckey::traffic {

/// An IP packet in a buffer of the caller, with room to grow in place on both sides.
struct Packet {
  static constexpr std::size_t kHeadroom = 160;  ///< Enough for what protect() puts before a packet (wrap.cc).
  static constexpr std::size_t kTailroom = 96;   ///< The same behind it: padding, and an ICV of 64 bytes.

  MutableBytes memory;   ///< The whole buffer.
  std::size_t at = 0;    ///< Where the packet starts in it.
  std::size_t size = 0;  ///< Bytes, from the IP header's first on.

  MutableBytes bytes() const { return memory.subspan(at, size); }
};

/// The selectors of a packet (RFC 4301 section 4.4.1.1), and where its parts are. Lengths and offsets are 32 bits long,
/// and members of one size are together: each packet has several of these, and a batch of packets must fit into the
/// first cache.
struct Headers {
  Address src, dst;
  std::optional<Address> home;     ///< The source's home address, from its option (RFC 6275 section 6.3).
  bool fragment = false;           ///< Part of a datagram.
  bool later_fragment = false;     ///< And not its first part: the upper-layer header is missing.
  bool dont_fragment = false;      ///< IPv4's DF; always for IPv6.
  std::uint8_t traffic_class = 0;  ///< DSCP and ECN.
  std::uint8_t hop_limit = 0;
  std::uint8_t next = 0;            ///< The protocol after the headers that travel before ESP and AH.
  std::uint8_t upper = 0;           ///< The upper-layer protocol, ESP, AH or 59; of fragments too.
  std::uint32_t network = 0;        ///< Bytes of the IP header and the extension headers that travel before ESP and AH.
  std::uint32_t next_at = 0;        ///< The offset in the packet of the octet that is `next`.
  std::uint32_t upper_at = 0;       ///< Where the upper-layer header starts: after all extension headers.
  std::uint32_t upper_next_at = 0;  ///< The offset of the octet that is `upper`.
  std::uint32_t total = 0;          ///< The packet's length from its length field, in bytes; at most those present.
  std::optional<std::uint16_t> src_port, dst_port;  ///< For TCP, UDP, UDP-Lite, SCTP and DCCP; nullopt: it has none.
  std::optional<std::uint16_t> icmp_type;           ///< For ICMP and ICMPv6.
  std::optional<std::uint16_t> icmp_code;           ///< The same.
};

/// nullopt: not IPv4 or IPv6, truncated, contradictory lengths, a wrong IPv4 checksum, or more extension headers than
/// kMostExtensions and a Fragment header.
std::optional<Headers> parse(Bytes packet);
/// The same into `h`, which is as by default before; false: it is undefined.
bool parse(Bytes packet, Headers& h);
inline constexpr unsigned kMostExtensions = 16;

/// The offset of a home address's 16 octets in a complete destination options header; 0: it has none.
std::size_t home_address_at(Bytes extension);

/// The Internet checksum (RFC 1071) of `bytes`, added to `sum`; big-endian words, the result in host order.
std::uint16_t checksum(Bytes bytes, std::uint32_t sum = 0);
/// Copies `from` to the beginning of `to`, and returns the sum of its words, which checksum() accepts: what precedes
/// them in a checksum has an even length. One pass over the bytes costs little more than the copy.
std::uint16_t copy_and_sum(Bytes from, MutableBytes to);

}  // namespace ipseckey::traffic
