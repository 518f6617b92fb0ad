#pragma once
/// A packet as rules compare it.
#include "policy/match.h"
#include "traffic/plane.h"

namespace ipseckey::traffic {

/// Outbound the source is local, inbound the destination.
inline policy::Probe probe_of(const Headers& h, policy::Direction direction, std::uint32_t mark) {
  const bool out = direction == policy::Direction::out;
  const auto octet = [](const std::optional<std::uint16_t>& number) {
    return number ? std::optional(static_cast<std::uint8_t>(*number)) : std::nullopt;
  };
  return {.local = out ? h.src : h.dst,
          .remote = out ? h.dst : h.src,
          .protocol = h.upper,
          .local_port = out ? h.src_port : h.dst_port,
          .remote_port = out ? h.dst_port : h.src_port,
          .icmp_type = octet(h.icmp_type),
          .icmp_code = octet(h.icmp_code),
          .mark = mark,
          .if_id = 0};
}

}  // namespace ipseckey::traffic
