#pragma once
/// ESP in UDP on a port that another program holds, usually an IKE daemon: a raw socket receives its datagrams, too.
#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/net.h"
#include "ipsecd/packets/inlet.h"
#include "traffic/plane.h"

namespace ipseckey::ipsecd {

/// The filter of a raw socket for UDP that receives a share of the ESP on that port, divided as in share_filter().
/// Packets with the non-ESP marker and keepalives (RFC 3948 section 2) are for the other program.
std::vector<sock_filter> beside_filter(Family family, std::uint16_t port, Share share);

/// A datagram as a raw socket returns it: for IPv4 with its IP header, for IPv6 without.
struct Datagram {
  traffic::Arrival arrival;  ///< For IPv6 only the ports are set.
  Bytes payload;             ///< Of UDP.
};
/// nullopt: its lengths contradict each other.
std::optional<Datagram> read_datagram(Family family, Bytes raw);

/// A sender's block of many datagrams (UDP_SEGMENT) crosses a virtual link uncut, and a raw socket does not learn where
/// to cut it. Returns the size of each datagram but the last, which is found from ESP headers that follow the first
/// one's; the size of the whole block if it is one datagram.
std::size_t size_of_each(Bytes esp);

}  // namespace ipseckey::ipsecd
