#include "engine/traffic/header.h"
#include "engine/traffic/plane.h"

namespace engine::traffic {

bool add_header(Packet& packet, const Arrival& arrival) {
  const bool udp = arrival.protocol == kUdp;
  const std::size_t front = header_size(arrival.dst.family) + (udp ? 8 : 0);
  if (packet.at < front || packet.size + front > UINT16_MAX || arrival.src.family != arrival.dst.family) return false;
  if (udp) write_udp(packet.memory.subspan(packet.at - 8), arrival.src_port, arrival.dst_port, packet.size + 8);
  packet.at -= front;
  packet.size += front;
  write_header(packet.bytes(),
               {.src = arrival.src,
                .dst = arrival.dst,
                .protocol = arrival.protocol,
                .traffic_class = arrival.traffic_class,
                .hop_limit = arrival.hop_limit},
               packet.size);
  return true;
}

}  // namespace engine::traffic
