#pragma once
/// Why an SA is refused, in words that every SADB shares: remarks beside a diagnostic.
#include <string_view>

namespace ipseckey::pfkey {

/// RFC 4303 section 1: numbers that nothing vouches for cannot be believed.
inline constexpr std::string_view kNoWindow =
    "without integrity there is no replay window: a forged number would end the SA";
inline constexpr std::string_view kCounterNeedsIntegrity =
    "a counter mode needs integrity beside it (RFC 3686 section 7)";
inline constexpr std::string_view kExtendedNeedsWindow =
    "extended sequence numbers need a replay window: give `replay N`";
inline constexpr std::string_view kNarrowNumbers = "without `esn` sequence numbers have 32 bits";
inline constexpr std::string_view kWidestWindow = "replay windows have at most 4096 packets";
inline constexpr std::string_view kNoAhThroughNat = "AH cannot pass a NAT";
inline constexpr std::string_view kNoBundleThroughNat = "`bundle` is AH around ESP, and AH cannot pass a NAT";
inline constexpr std::string_view kBundleNeedsSource = "`bundle` is between two hosts: give `src`";

inline constexpr std::string_view kNoSuchIcv =
    "`icv` needs an authentication algorithm and one of its lengths: 96 bits, that of its RFC, or the whole result";
inline constexpr std::string_view kNoSuchAlignment = "`align8` is a number, 4 or 8: AH is a multiple of so many bytes";
inline constexpr std::string_view kMarkBeyondMask =
    "a mark has bits that its mask leaves out: drop them or widen the mask";

}  // namespace ipseckey::pfkey
