#pragma once
/// What ipsecd tells a client beyond PF_KEY: base headers of type RESERVED (0) with pid 0, which PF_KEY itself never
/// sends. doc/reference/pf-key.md lists them.
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string_view>

#include "pfkey/message.h"

namespace ipseckey::pfkey {

/// Why two SAs are no pair: remarks of a PAIR_INAPPROPRIATE.
inline constexpr std::string_view kServesBoth =
    "an SA that serves both directions has no pair: say inbound or outbound";
inline constexpr std::string_view kSameDirection =
    "both SAs have the same direction: one must be inbound, the other outbound";
inline constexpr std::string_view kOwnPair = "an SA cannot be paired with itself or with SPI 0";
inline constexpr std::string_view kNoPartner = "no SA with that SPI leads to this one's source";
inline constexpr std::string_view kOtherSource = "the other SA's source is not this one's destination";
inline constexpr std::string_view kPartnerNotMature = "the other SA is not mature";
/// The one that can be mended by swapping two words of the command.
inline constexpr std::string_view kSameWayRound =
    "both SAs run the same way round: of a pair, one's src is the other's dst, so swap src and dst of one";

/// Stands where messages were left out because the client read too slowly. Its seq says how many, and is at most
/// 2^32 - 1; 0: nobody knows (the kernel does not say). Its errno is ENOBUFS. Replies to the client's own requests are
/// never left out.
inline Message gap_notice(std::uint32_t lost) {
  Message m;
  m.error = ENOBUFS, m.seq = lost;
  return m;
}

/// How many messages were left out; nullopt when m is no gap notice.
inline std::optional<std::uint32_t> messages_lost(const Message& m) {
  if (m.type != Type::reserved || m.pid != 0 || m.error != ENOBUFS) return std::nullopt;
  return m.seq;
}

/// The only message on a connection that ipsecd will not serve: EPERM for a user who has no right to it, EMFILE when
/// there are too many clients. The connection ends after it.
inline Message refusal_notice(std::uint8_t error) {
  Message m;
  m.error = error;
  return m;
}

/// The errno of a refusal; nullopt when m is none.
inline std::optional<std::uint8_t> refusal(const Message& m) {
  if (m.type != Type::reserved || m.pid != 0 || m.seq != 0 || (m.error != EPERM && m.error != EMFILE))
    return std::nullopt;
  return m.error;
}

}  // namespace ipseckey::pfkey
