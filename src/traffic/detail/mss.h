#pragma once
/// Lowers the maximum segment size that the ends of a TCP connection announce (RFC 9293 section 3.7.1) to what fits a
/// tunnel, so that no segment is too long for it.
#include "traffic/packet.h"

namespace ipseckey::traffic {

/// Whether the packet is an unfragmented TCP SYN or SYN-ACK.
bool opens_connection(Bytes packet, const Headers& h);

/// Lowers the option, if present, so that packets of the connection have at most `mtu` bytes, but not below what every
/// host accepts: 536, and 1220 over IPv6. Adjusts the checksum for the change, so that a wrong one stays wrong (RFC
/// 1624). `packet` must be complete and open a connection.
void lower_mss(MutableBytes packet, const Headers& h, std::uint32_t mtu);

}  // namespace ipseckey::traffic
