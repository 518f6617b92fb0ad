#pragma once
/// The fields of a UDP header (RFC 768), for code that cuts and merges datagrams.
#include <cstddef>

namespace ipseckey::traffic {

inline constexpr std::size_t kUdpHeader = 8;  ///< Bytes.
inline constexpr std::size_t kUdpLength = 4, kUdpSum = 6;

}  // namespace ipseckey::traffic
