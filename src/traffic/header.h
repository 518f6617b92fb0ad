#pragma once
/// Writes and updates IP and UDP headers.
#include <cstdint>

#include "base/bytes.h"
#include "base/net.h"
#include "traffic/packet.h"

namespace ipseckey::traffic {

inline constexpr std::uint8_t kEsp = 50, kAh = 51, kUdp = 17, kTcp = 6, kNoNext = 59, kIpv4 = 4, kIpv6 = 41;

/// Bytes of a plain header.
inline constexpr std::size_t header_size(Family family) { return family == Family::v4 ? 20 : 40; }

struct Header {
  Address src, dst;
  std::uint8_t protocol = 0;
  std::uint8_t traffic_class = 0;
  std::uint8_t hop_limit = 64;
  std::uint16_t id = 0;          ///< IPv4 alone.
  bool dont_fragment = false;    ///< IPv4 alone.
  std::uint32_t flow_label = 0;  ///< IPv6 alone.
};
/// Writes header_size() bytes at the front of `out`, for a packet of `total` bytes, with its checksum.
void write_header(MutableBytes out, const Header& header, std::size_t total);

/// Writes 8 bytes, without a checksum, as RFC 3948 section 2.1 recommends.
void write_udp(MutableBytes out, std::uint16_t src_port, std::uint16_t dst_port, std::size_t length);

/// Sets the length field, and IPv4's checksum, of a packet of `packet.size()` bytes.
void mend_length(MutableBytes packet);
/// Sets IPv4's header checksum.
void mend_checksum(MutableBytes packet);
/// Sets IPv4's header checksum if there are options: the host, which has checked it, writes its address or the time
/// into some of them (RFC 791 section 3.1) and leaves the checksum as it was.
void mend_after_options(MutableBytes packet);
/// Sets the traffic class, and IPv4's checksum.
void set_traffic_class(MutableBytes packet, std::uint8_t traffic_class);
/// Sets the checksum of a TCP or UDP header; other protocols are left unchanged (RFC 3948 section 3.1.2). UDP's covers
/// its own length: anything behind that, such as padding against traffic analysis (RFC 4303 section 2.7), is not part
/// of the datagram. TCP's covers everything to the packet's end. A packet with an inconsistent UDP length is left
/// unchanged.
void mend_transport_checksum(MutableBytes packet, const Headers& h);

/// An integer at an offset, in network order.
template <class T>
T get(Bytes b, std::size_t at) {
  T v = 0;
  Reader(b.subspan(at)).net(v);
  return v;
}
template <class T>
void set(MutableBytes b, std::size_t at, T v) {
  Writer(b.subspan(at)).net(v);
}

}  // namespace ipseckey::traffic
