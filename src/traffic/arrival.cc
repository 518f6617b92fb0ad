#include <algorithm>

#include "traffic/header.h"
#include "traffic/plane.h"

namespace ipseckey::traffic {
namespace {

// Extension headers may be longer than the room that is reserved for a new outer header.
bool make_room(Packet& packet, std::size_t front) {
  if (packet.at >= front) return true;
  if (packet.memory.size() < front + packet.size) return false;
  const MutableBytes place = packet.memory.subspan(front, packet.size);
  std::ranges::copy_backward(packet.bytes(), place.end());
  packet.at = front;
  return true;
}

// RFC 791 section 3.1: the second half of the first octet is the number of 32-bit words in the header.
bool fits(Bytes options, Family family) {
  return options.empty() || (family == Family::v4 && options.size() <= 40 && options.size() % 4 == 0);
}

void put_options(MutableBytes packet, Bytes options) {
  std::ranges::copy(options, packet.subspan(header_size(Family::v4)).begin());
  packet[0] = static_cast<std::byte>(0x45 + options.size() / 4);
  mend_checksum(packet);
}

}  // namespace

bool add_header(Packet& packet, const Arrival& arrival) {
  const bool udp = arrival.protocol == kUdp;
  if (!fits(arrival.options, arrival.dst.family)) return false;
  std::size_t front = header_size(arrival.dst.family) + arrival.options.size() + (udp ? 8 : 0);
  for (const Extension& e : arrival.extensions) {
    if (e.octets.empty()) return false;
    front += e.octets.size();
  }
  if (packet.size + front > UINT16_MAX || arrival.src.family != arrival.dst.family || !make_room(packet, front))
    return false;
  packet.at -= front;
  packet.size += front;
  const MutableBytes all = packet.bytes();
  write_header(all,
               {.src = arrival.src,
                .dst = arrival.dst,
                .protocol = arrival.protocol,
                .traffic_class = arrival.traffic_class,
                .hop_limit = arrival.hop_limit},
               packet.size);
  if (!arrival.options.empty()) put_options(all, arrival.options);
  std::size_t at = header_size(arrival.dst.family) + arrival.options.size(), next_at = 6;
  for (const Extension& e : arrival.extensions) {
    std::ranges::copy(e.octets, all.subspan(at).begin());
    all[at] = all[next_at];
    all[next_at] = static_cast<std::byte>(e.protocol);
    next_at = at;
    at += e.octets.size();
  }
  if (udp) write_udp(all.subspan(at), arrival.src_port, arrival.dst_port, packet.size - at);
  return true;
}

}  // namespace ipseckey::traffic
