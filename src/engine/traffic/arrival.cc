#include <algorithm>

#include "engine/traffic/header.h"
#include "engine/traffic/plane.h"

namespace engine::traffic {
namespace {

// Extension headers may be longer than what is kept free for a new outer header.
bool make_room(Packet& packet, std::size_t front) {
  if (packet.at >= front) return true;
  if (packet.memory.size() < front + packet.size) return false;
  const MutableBytes place = packet.memory.subspan(front, packet.size);
  std::ranges::copy_backward(packet.bytes(), place.end());
  packet.at = front;
  return true;
}

}  // namespace

bool add_header(Packet& packet, const Arrival& arrival) {
  const bool udp = arrival.protocol == kUdp;
  std::size_t front = header_size(arrival.dst.family) + (udp ? 8 : 0);
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
  std::size_t at = header_size(arrival.dst.family), next_at = 6;
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

}  // namespace engine::traffic
