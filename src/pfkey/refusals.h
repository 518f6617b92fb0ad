#pragma once
/// Why an SA is refused, in words that every SADB shares: remarks beside a diagnostic.
#include <string_view>

namespace ipseckey::pfkey {

/// RFC 4303 section 1: sequence numbers without integrity cannot be trusted.
inline constexpr std::string_view kNoWindow =
    "a replay window needs integrity: one forged sequence number would disable the SA";
inline constexpr std::string_view kCounterNeedsIntegrity =
    "a counter mode needs an authentication algorithm (RFC 3686 section 7)";
inline constexpr std::string_view kExtendedNeedsWindow =
    "extended sequence numbers need a replay window: give `replay N`";
inline constexpr std::string_view kNarrowNumbers = "without `esn` sequence numbers have 32 bits";
inline constexpr std::string_view kWidestWindow = "replay windows have at most 4096 packets";
inline constexpr std::string_view kNoAhThroughNat = "AH cannot pass a NAT";
inline constexpr std::string_view kNoBundleThroughNat = "`bundle` is AH around ESP, and AH cannot pass a NAT";
inline constexpr std::string_view kBundleNeedsSource = "`bundle` needs the source address: give `src`";

inline constexpr std::string_view kNoSuchIcv =
    "`icv` needs an authentication algorithm and one of its lengths: 96 bits, the length in its RFC, or the full "
    "output";
inline constexpr std::string_view kNoSuchAlignment = "the alignment of AH must be 4 or 8 bytes (`align8` is 8)";
inline constexpr std::string_view kMarkBeyondMask = "a mark has bits outside its mask: drop them or widen the mask";

}  // namespace ipseckey::pfkey
