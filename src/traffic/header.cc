#include "traffic/header.h"

#include <algorithm>

namespace ipseckey::traffic {
namespace {

constexpr std::size_t kUdpLength = 4, kV4Header = 20;

bool is_v4(Bytes packet) { return std::to_integer<unsigned>(packet[0]) >> 4 == 4; }

std::uint32_t pseudo_header_sum(const Headers& h, std::uint8_t protocol, std::size_t length) {
  const auto sum = [](Bytes b) { return static_cast<std::uint32_t>(static_cast<std::uint16_t>(~checksum(b))); };
  return sum(h.src.bytes()) + sum(h.dst.bytes()) + protocol + static_cast<std::uint32_t>(length);
}

}  // namespace

void write_header(MutableBytes out, const Header& header, std::size_t total) {
  Writer w(out);
  if (header.src.family == Family::v4 && header.dst.family == Family::v4) {
    w.net(std::uint8_t{0x45});
    w.net(header.traffic_class);
    w.net(static_cast<std::uint16_t>(total));
    w.net(header.id);
    w.net(static_cast<std::uint16_t>(header.dont_fragment ? 0x4000 : 0));
    w.net(header.hop_limit);
    w.net(header.protocol);
    w.net(std::uint16_t{0});
    w.bytes(header.src.bytes());
    w.bytes(header.dst.bytes());
    mend_checksum(out);
    return;
  }
  w.net(0x60000000u | std::uint32_t{header.traffic_class} << 20 | header.flow_label);
  w.net(static_cast<std::uint16_t>(total - 40));
  w.net(header.protocol);
  w.net(header.hop_limit);
  w.bytes(header.src.octets);
  w.bytes(header.dst.octets);
}

void write_udp(MutableBytes out, std::uint16_t src_port, std::uint16_t dst_port, std::size_t length) {
  Writer w(out);
  w.net(src_port);
  w.net(dst_port);
  w.net(static_cast<std::uint16_t>(length));
  w.net(std::uint16_t{0});
}

void mend_checksum(MutableBytes packet) {
  if (!is_v4(packet)) return;
  const std::size_t size = (std::to_integer<std::size_t>(packet[0]) & 0xf) * 4;
  set(packet, 10, std::uint16_t{0});
  set(packet, 10, checksum(packet.first(size)));
}

void mend_after_options(MutableBytes packet) {
  if (packet.size() < kV4Header || !is_v4(packet)) return;
  const std::size_t size = (std::to_integer<std::size_t>(packet[0]) & 0xf) * 4;
  if (size > kV4Header && size <= packet.size()) mend_checksum(packet);
}

void mend_length(MutableBytes packet) {
  if (is_v4(packet)) {
    set(packet, 2, static_cast<std::uint16_t>(packet.size()));
    mend_checksum(packet);
  } else {
    set(packet, 4, static_cast<std::uint16_t>(packet.size() - 40));
  }
}

void set_traffic_class(MutableBytes packet, std::uint8_t traffic_class) {
  if (is_v4(packet)) {
    packet[1] = static_cast<std::byte>(traffic_class);
    mend_checksum(packet);
  } else {
    set(packet, 0, (get<std::uint32_t>(packet, 0) & 0xf00fffff) | std::uint32_t{traffic_class} << 20);
  }
}

void mend_transport_checksum(MutableBytes packet, const Headers& h) {
  const std::size_t field = h.upper == kTcp ? 16 : 6, least = h.upper == kTcp ? 20 : 8;
  MutableBytes segment = packet.subspan(h.upper_at, h.total - h.upper_at);
  if ((h.upper != kTcp && h.upper != kUdp) || h.later_fragment || segment.size() < least) return;
  if (h.upper == kUdp) {
    if (get<std::uint16_t>(segment, field) == 0) return;  // It has none.
    const std::size_t length = get<std::uint16_t>(segment, kUdpLength);
    if (length < least || length > segment.size()) return;
    segment = segment.first(length);
  }
  set(segment, field, std::uint16_t{0});
  const std::uint16_t sum = checksum(segment, pseudo_header_sum(h, h.upper, segment.size()));
  set(segment, field, static_cast<std::uint16_t>(sum == 0 && h.upper == kUdp ? 0xffff : sum));
}

}  // namespace ipseckey::traffic
