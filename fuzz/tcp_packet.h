#pragma once
/// Packets of TCP and UDP, built field by field with a checksum of their own, for a fuzz target that segments and
/// merges them.
#include <array>
#include <cstdint>
#include <vector>

#include "traffic/header.h"

namespace ipseckey {

/// A segment of a stream, or many at once as a device passes them.
struct Segment {
  const char* src = "192.0.2.1";
  const char* dst = "192.0.2.2";
  std::uint8_t protocol = traffic::kTcp;
  std::uint16_t port = 1111;
  std::size_t skip = 0, payload = 0;                       ///< Octets of the stream: its offset and number.
  std::uint8_t flags = 0, options = 0, traffic_class = 0;  ///< Options: words of four octets.
  std::uint16_t id = 0;
  bool dont_fragment = false;
  bool unsummed = false;  ///< Only the sum of the pseudo header.
};

inline constexpr std::uint32_t kFirst = 0xffffff00;  ///< Sequence number of the stream's first octet: it wraps.

inline std::byte stream_octet(std::size_t at) { return static_cast<std::byte>(at * 7 + at / 256); }

/// RFC 1071, word by word.
inline std::uint16_t slow_sum(Bytes b, std::uint32_t sum) {
  for (std::size_t i = 0; i < b.size(); ++i) sum += std::to_integer<std::uint32_t>(b[i]) << (i % 2 == 0 ? 8 : 0);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

inline std::size_t header_of(const Segment& s) {
  return s.protocol == traffic::kTcp ? 20 + std::size_t{s.options} * 4 : 8;
}

inline std::vector<std::byte> packet_of(const Segment& s) {
  using namespace traffic;
  const Address src = *parse_address(s.src), dst = *parse_address(s.dst);
  const bool tcp = s.protocol == kTcp;
  const std::size_t ip = header_size(dst.family), header = header_of(s);
  std::vector<std::byte> packet(ip + header + s.payload);
  write_header(packet,
               {.src = src,
                .dst = dst,
                .protocol = s.protocol,
                .traffic_class = s.traffic_class,
                .id = s.id,
                .dont_fragment = s.dont_fragment},
               packet.size());
  const MutableBytes upper = MutableBytes(packet).subspan(ip);
  set(upper, 0, s.port);
  set(upper, 2, std::uint16_t{2222});
  if (tcp) {
    set(upper, 4, static_cast<std::uint32_t>(kFirst + s.skip));
    set(upper, 8, std::uint32_t{77});
    set(upper, 12, static_cast<std::uint8_t>(header / 4 << 4));
    set(upper, 13, s.flags);
    set(upper, 14, std::uint16_t{501});
    for (std::size_t i = 20; i < header; ++i) upper[i] = std::byte{1};
  } else {
    set(upper, 4, static_cast<std::uint16_t>(upper.size()));
  }
  for (std::size_t i = 0; i < s.payload; ++i) upper[header + i] = stream_octet(s.skip + i);
  std::uint32_t sum = s.protocol + static_cast<std::uint32_t>(upper.size());
  sum = slow_sum(dst.bytes(), slow_sum(src.bytes(), sum));
  if (!s.unsummed) sum = static_cast<std::uint16_t>(~slow_sum(upper, sum));
  if (!s.unsummed && sum == 0) sum = 0xffff;
  set(upper, tcp ? 16 : 6, static_cast<std::uint16_t>(sum));
  return packet;
}

}  // namespace ipseckey
