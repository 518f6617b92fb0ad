#pragma once
/// ICMP errors (RFC 792, RFC 4443) and the packets that they quote. The quoted packet names the SA if the error's own
/// header does not (RFC 4301 section 6.2).
#include <optional>

#include "traffic/detail/flow.h"
#include "traffic/packet.h"
#include "traffic/plane.h"

namespace ipseckey::traffic {

/// Whether a complete packet with the headers `h` is an ICMP error.
bool is_icmp_error(Bytes packet, const Headers& h);

/// The selectors of replies to the packet that an ICMP error quotes: addresses and ports swapped, an ICMP request
/// replaced by its reply. The error goes to the sender of the quoted packet. nullopt: `packet`, complete and with the
/// headers `h`, is not an ICMP error; or the quoted packet is malformed, an ICMP error itself, or from a host other
/// than the error's destination.
std::optional<Headers> answer_to_quoted(Bytes packet, const Headers& h);

/// Whether the SA covers a packet that arrived by it; `ends` are its headers with the addresses that AH authenticates.
bool covers(const Flow& flow, Bytes packet, const Headers& ends, IcmpErrors errors);

}  // namespace ipseckey::traffic
