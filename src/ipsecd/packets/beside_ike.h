#pragma once
/// ESP in UDP on a port that another program holds, an IKE daemon as a rule: a raw socket sees its datagrams too.
#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/net.h"
#include "ipsecd/packets/inlet.h"
#include "traffic/plane.h"

namespace ipseckey::ipsecd {

/// The filter of a raw socket for UDP that gets a share of the ESP on that port, as share_filter() has it. Packets with
/// the non-ESP marker and keep-alives (RFC 3948 section 2) are for the other program.
std::vector<sock_filter> beside_filter(Family family, std::uint16_t port, Share share);

/// A datagram as a raw socket gives it: of IPv4 with its IP header, of IPv6 without.
struct Datagram {
  traffic::Arrival arrival;  ///< Of IPv6 the ports only.
  Bytes payload;             ///< Of UDP.
};
/// nullopt: its lengths contradict one another.
std::optional<Datagram> read_datagram(Family family, Bytes raw);

/// A sender's piece of many datagrams (UDP_SEGMENT) crosses a virtual link uncut, and a raw socket does not learn where
/// to cut it: the bytes of each datagram but the last, which ESP's header shows that follows the first one's. It is the
/// size of all if that is one datagram.
std::size_t size_of_each(Bytes esp);

}  // namespace ipseckey::ipsecd
