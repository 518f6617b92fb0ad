#pragma once
/// The maximum segment size that the ends of a TCP connection tell each other (RFC 9293 section 3.7.1), lowered to what
/// a tunnel has room for, so that no segment is too long for it.
#include "traffic/packet.h"

namespace ipseckey::traffic {

/// Whether it is TCP's SYN or SYN-ACK, whole.
bool opens_connection(Bytes packet, const Headers& h);

/// Lowers the option, if there is one, so that packets of the connection are at most `mtu` bytes, but not below what
/// every host takes: 536, and 1220 over IPv6. Mends the checksum for what was changed, so that a wrong one stays wrong
/// (RFC 1624). `packet` is a whole one that opens a connection.
void lower_mss(MutableBytes packet, const Headers& h, std::uint32_t mtu);

}  // namespace ipseckey::traffic
