#pragma once
/// ICMP errors (RFC 792, RFC 4443) and the packets that they quote, which say whose they are where their own header
/// does not (RFC 4301 section 6.2).
#include <optional>

#include "traffic/detail/flow.h"
#include "traffic/packet.h"
#include "traffic/plane.h"

namespace ipseckey::traffic {

/// Whether a packet, whole and with the headers `h`, is one.
bool is_icmp_error(Bytes packet, const Headers& h);

/// The selectors of the traffic that answers the packet that an ICMP error quotes: its addresses and ports swapped, the
/// reply to a request of ICMP. The error goes to who sent that packet. nullopt: `packet`, whole and with the headers
/// `h`, is not an ICMP error, or what it quotes is malformed, an ICMP error itself, or from another host than the error
/// goes to.
std::optional<Headers> answer_to_quoted(Bytes packet, const Headers& h);

/// Whether the SA covers a packet that came by it, `ends` being its headers with what AH vouches for.
bool covers(const Flow& flow, Bytes packet, const Headers& ends, IcmpErrors errors);

}  // namespace ipseckey::traffic
