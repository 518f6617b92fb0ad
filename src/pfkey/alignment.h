#pragma once
/// How long AH is.
#include <cstdint>

namespace ipseckey::pfkey {

/// Whether AH over IPv4 with an ICV of that many bits is longer when it is a multiple of 8 bytes (Linux' way, unless an
/// SA has the flag align4) than as one of 4 (RFC 4302 section 2.6).
constexpr bool alignment_matters(std::uint32_t icv_bits) { return (96 + icv_bits) % 64 != 0; }

}  // namespace ipseckey::pfkey
