#pragma once
/// The traffic classes of a tunnel: ECN by RFC 6040 sections 4.1 and 4.2, the rest as the SA specifies (pfkey::Dscp;
/// RFC 4301 section 5.1.2). They are here because every packet of a tunnel asks for one.
#include <cstdint>
#include <optional>

#include "pfkey/message.h"

namespace ipseckey::traffic {

/// That of the outer header, for a packet with the traffic class `inner`.
inline std::uint8_t outer_traffic_class(std::uint8_t inner, std::uint32_t dscp) {
  return dscp > pfkey::kDscpMost ? inner : static_cast<std::uint8_t>(dscp << 2 | (inner & 3u));
}

/// That of the packet inside after decapsulation (RFC 6040 figure 4). nullopt: the packet is dropped.
inline std::optional<std::uint8_t> inner_traffic_class(std::uint8_t inner, std::uint8_t outer, std::uint32_t dscp) {
  constexpr unsigned kNone = 0, kEct1 = 1, kEct0 = 2, kMarked = 3;
  const unsigned in = inner & 3u, out = outer & 3u;
  unsigned result = in;
  if (out == kMarked && in == kNone) return std::nullopt;
  if (out == kMarked) result = kMarked;
  if (out == kEct1 && in == kEct0) result = kEct1;
  return static_cast<std::uint8_t>(((dscp == pfkey::kDscpCopy ? outer : inner) & 0xfcu) | result);
}

}  // namespace ipseckey::traffic
