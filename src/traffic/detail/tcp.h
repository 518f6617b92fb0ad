#pragma once
/// The fields of a TCP header (RFC 9293 section 3.1), for code that cuts and merges segments.
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace ipseckey::traffic {

inline constexpr std::size_t kTcpLeast = 20;  ///< Bytes of a header without options.
inline constexpr std::size_t kTcpSequence = 4, kTcpAck = 8, kTcpOffset = 12, kTcpFlags = 13, kTcpWindow = 14,
                             kTcpSum = 16;
inline constexpr std::byte kTcpFin{0x01}, kTcpSyn{0x02}, kTcpPush{0x08}, kTcpAcks{0x10}, kTcpEcho{0x40},
    kTcpReduced{0x80};

/// Bytes of the header with its options; 0: it is truncated, or its length is below the minimum.
inline std::size_t tcp_header(Bytes segment) {
  if (segment.size() < kTcpLeast) return 0;
  const std::size_t size = std::to_integer<std::size_t>(segment[kTcpOffset] >> 4) * 4;
  return size < kTcpLeast || size > segment.size() ? 0 : size;
}

}  // namespace ipseckey::traffic
