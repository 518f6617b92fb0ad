// Where an arriving packet has its ESP or AH, and whose it is. Until the ICV is checked, only the position of things is
// trusted.
#include <algorithm>
#include <utility>

#include "traffic/detail/udp.h"
#include "traffic/worker.h"

namespace ipseckey::traffic {
namespace {

// RFC 4301 section 4.1: the SPI identifies a unicast SA, and the ICV proves that the sender has the key. In transport
// mode the source is a selector.
bool source_matters(const Flow& flow, const PlaneOptions& options) {
  if (is_unspecified(flow.src)) return false;
  return options.same_source || !flow.tunnel || flow.suite().icv() == 0 || is_multicast(flow.id.dst);
}

// As of a packet that is nothing but UDP's payload.
void read_told(const Arrival& told, Headers& h) {
  h.src = told.src, h.dst = told.dst;
  h.upper = h.next = told.protocol;
  h.traffic_class = told.traffic_class, h.hop_limit = told.hop_limit;
  h.src_port = told.src_port, h.dst_port = told.dst_port;
}

bool read_outer(Work& w) {
  Packet& p = w.item->packet;
  if (const Arrival* const told = w.item->told) return read_told(*told, w.h), true;
  if (!parse(p.bytes(), w.h)) return false;
  p.size = w.h.total;
  return true;
}

}  // namespace

bool move_to_spare(Item& item) {
  Packet longer{std::exchange(item.spare, {}), Packet::kHeadroom, item.packet.size};
  if (longer.memory.size() < longer.at + longer.size + Packet::kTailroom) return false;
  std::ranges::copy(item.packet.bytes(), longer.bytes().begin());
  item.packet = longer;
  return true;
}

Cause Worker::State::locate(Work& w) {
  if (!read_outer(w)) return Cause::malformed;
  const Bytes packet = w.item->packet.bytes();
  const Headers& h = w.h;
  w.at = h.upper_at;
  const bool in_udp = h.upper == kUdp;
  if (h.upper != kEsp && h.upper != kAh && !in_udp) return Cause::not_ipsec;
  if (h.fragment) return Cause::fragment;
  if (in_udp && !w.item->told) {
    if (packet.size() - h.upper_at < kUdpHeader) return Cause::malformed;
    const std::size_t length = get<std::uint16_t>(packet, h.upper_at + kUdpLength);
    if (length < kUdpHeader || length > packet.size() - h.upper_at) return Cause::malformed;
    w.at += kUdpHeader;
    w.item->packet.size = h.upper_at + length;
  }
  if (in_udp) {
    const Bytes datagram = w.item->packet.bytes().subspan(w.at);
    if (datagram.size() == 1 && datagram[0] == std::byte{0xff}) return Cause::keep_alive;
    if (datagram.size() >= 4 && get<std::uint32_t>(datagram, 0) == 0) return Cause::ike;
  }
  const bool ah = h.upper == kAh;
  const std::size_t least = ah ? kAhFixed : 8;
  if (w.item->packet.size - w.at < least) return Cause::truncated;
  const std::uint32_t spi = get<std::uint32_t>(packet, w.at + (ah ? 4 : 0));
  w.flow = plane.find({ah ? pfkey::SaType::ah : pfkey::SaType::esp, spi, h.dst});
  if (!w.flow) return Cause::no_sa;
  if (!w.flow->receives.load(std::memory_order_relaxed) || !w.flow->usable.load()) return Cause::not_usable;
  if (w.flow->udp != in_udp) return Cause::wrong_encapsulation;
  const Address& src = ah && h.home ? *h.home : h.src;
  if (src != w.flow->src && source_matters(*w.flow, plane.options)) return Cause::wrong_source;
  return Cause::none;
}

}  // namespace ipseckey::traffic
