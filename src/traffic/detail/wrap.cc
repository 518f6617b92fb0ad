// How an outbound packet gets its new headers, in the room around it:
// 1. layout_of() computes the length of each part: outer header, AH or ESP in front, padding, trailer, ICV.
// 2. has_room() checks whether the packet's buffer can hold that; inner_mtu() is the reverse: what fits a link.
// 3. wrap() moves the beginning of the packet and calls write_front(): a tunnel's new header (RFC 4301 section 5.1.2),
//    or in transport mode the packet's own header moved to the front.
// 4. If the SA uses UDP, that header follows (RFC 3948).
// 5. write_esp() or write_ah() fills SPI, number, padding and trailer, and returns the cipher's job. Sealing comes
//    later, for a whole batch.
#include "traffic/detail/wrap.h"

#include <algorithm>

#include "traffic/detail/traffic_class.h"
#include "traffic/detail/udp.h"

namespace ipseckey::traffic {
namespace {

// The maximum before and behind a packet. Before: an IPv6 tunnel of ESP with AH around it; UDP instead of AH needs no
// more. Behind: ESP's padding to its block, two octets, and an ICV.
constexpr std::size_t kMostIv = 16, kMostBlock = 16, kMostIcv = 64, kMostAhUnit = 8;
constexpr std::size_t kMostAh = (kAhFixed + kMostIcv + kMostAhUnit - 1) / kMostAhUnit * kMostAhUnit;
static_assert(kUdpHeader <= kMostAh);
static_assert(Packet::kHeadroom >= header_size(Family::v6) + kMostAh + kEspHeader + kMostIv);
static_assert(Packet::kTailroom >= kMostBlock - 1 + 2 + kMostIcv);

bool is_esp(const Flow& flow) { return flow.id.satype == pfkey::SaType::esp; }

std::size_t new_header(const Flow& flow, const Headers& h) {
  return flow.tunnel ? header_size(flow.id.dst.family) : h.network;
}

// RFC 4301 section 8.1. An inner IPv6 header has no such bit to copy.
bool outer_dont_fragment(const Work& w) {
  if (w.flow->df != pfkey::kDfCopy) return w.flow->df == pfkey::kDfSet;
  return w.h.dont_fragment && !w.may_be_cut && w.h.dst.family == Family::v4;
}

// The new header of a tunnel (RFC 4301 section 5.1.2), or the packet's own moved to the front.
void write_front(const Work& w, const Place* moved, MutableBytes packet, const Layout& layout, Departure& d) {
  Flow &flow = *w.flow, &shown = outermost(w);
  const std::uint8_t protocol = protocol_of(shown);
  if (flow.tunnel) {
    Header outer{.src = flow.src,
                 .dst = moved ? moved->address : flow.id.dst,
                 .protocol = protocol,
                 .traffic_class = outer_traffic_class(w.h.traffic_class, flow.dscp),
                 .hop_limit = w.nested ? static_cast<std::uint8_t>(w.h.hop_limit - 1) : Header().hop_limit,
                 .id = flow.id.dst.family == Family::v4 ? shown.datagrams.next_v4() : std::uint16_t{0},
                 .dont_fragment = outer_dont_fragment(w)};
    if (is_unspecified(outer.src)) outer.src = unspecified(outer.dst.family);
    // RFC 4301 section 5.1.2.2: the IDs of the packets that a gateway carries for many hosts would collide under one
    // pair of addresses.
    if (w.h.dst.family == Family::v6 && w.h.src == outer.src)
      outer.flow_label = get<std::uint32_t>(packet, layout.outer + layout.wrap) & 0xfffff;
    write_header(packet, outer, packet.size());
    d = {.src = outer.src,
         .dst = outer.dst,
         .traffic_class = outer.traffic_class,
         .dont_fragment = outer.dont_fragment,
         .whole = flow.df == pfkey::kDfSet};
  } else {
    std::ranges::copy(packet.subspan(layout.wrap, layout.outer), packet.begin());
    packet[w.h.next_at] = static_cast<std::byte>(protocol);
    if (w.h.dst.family == Family::v4 && get<std::uint16_t>(packet, 4) == 0) set(packet, 4, shown.datagrams.next_v4());
    if (w.may_be_cut) set(packet, 6, std::uint16_t{0});
    mend_length(packet);
    d = {.src = w.h.src,
         .dst = w.h.dst,
         .traffic_class = w.h.traffic_class,
         .dont_fragment = w.h.dont_fragment && !w.may_be_cut};
  }
  d.protocol = protocol;
  d.header = layout.outer;
  d.sa = shown.id;
}

void write_esp(Work& w, MutableBytes packet, const Layout& layout, std::uint8_t next) {
  const Flow& flow = *w.flow;
  const crypto::Suite& suite = flow.suite();
  const MutableBytes esp = packet.subspan(w.at);
  set(esp, 0, flow.id.spi);
  set(esp, 4, static_cast<std::uint32_t>(w.number));
  const MutableBytes behind = esp.subspan(kEspHeader + suite.iv() + layout.text);
  if (layout.hiding != 0) std::ranges::fill(behind.first(layout.hiding), std::byte{0});  // Seldom: a call less.
  const MutableBytes trail = behind.subspan(layout.hiding);
  for (std::size_t i = 0; i < layout.padding; ++i) trail[i] = static_cast<std::byte>(i + 1);
  trail[layout.padding] = static_cast<std::byte>(layout.padding);
  trail[layout.padding + 1] = static_cast<std::byte>(next);
  w.job.esp = esp.first(esp.size() - layout.icv);
  w.job.icv = esp.last(layout.icv);
  w.job.sequence_high = static_cast<std::uint32_t>(w.number >> 32);
}

// After the text: the padding that, with the two octets after it, makes whole blocks (RFC 4303 section 2.4).
void end_esp(Layout& l, const crypto::Suite& suite) {
  const std::size_t over = (l.text + l.hiding + 2) % suite.block();
  l.padding = over == 0 ? 0 : suite.block() - over;
  l.trail = l.hiding + l.padding + 2 + l.icv;
}

void write_ah(const AhPart& part, MutableBytes place, std::uint8_t next) {
  Writer ah(place);
  ah.net(next);
  ah.net(static_cast<std::uint8_t>(place.size() / 4 - 2));
  ah.net(std::uint16_t{0});
  ah.net(part.flow->id.spi);
  ah.net(static_cast<std::uint32_t>(part.number));
  ah.pad(place.size() - kAhFixed);
}

// 0 would mean that there is no checksum.
void sum_udp(MutableBytes packet) {
  const auto h = parse(packet);
  if (!h) return;
  set(packet, h->upper_at + 6, std::uint16_t{1});
  mend_transport_checksum(packet, *h);
}

}  // namespace

std::uint8_t protocol_of(const Flow& flow) { return flow.udp ? kUdp : is_esp(flow) ? kEsp : kAh; }

std::size_t ah_size(std::size_t unit, std::size_t icv) { return (kAhFixed + icv + unit - 1) / unit * unit; }

Layout layout_of(const Flow& flow, const Headers& h, const Flow* around) {
  const crypto::Suite& suite = flow.suite();
  Layout l;
  if (around) l.ah = ah_size(around->ah_unit, around->suite().icv());
  l.outer = new_header(flow, h);
  l.icv = suite.icv();
  l.text = flow.tunnel ? h.total : h.total - h.network;
  if (!is_esp(flow)) {
    l.wrap = ah_size(flow.ah_unit, l.icv);
    return l;
  }
  l.wrap = l.ah + (flow.udp ? kUdpHeader : 0) + kEspHeader + suite.iv();
  end_esp(l, suite);
  return l;
}

void hide_length(Layout& l, const Flow& flow, std::size_t size) {
  if (size <= l.text) return;
  l.hiding = size - l.text;
  end_esp(l, flow.suite());
}

std::uint32_t inner_mtu(const Flow& flow, const Headers& h, std::uint32_t mtu, const Flow* around) {
  const Layout l = layout_of(flow, h, around);
  const std::size_t kept = flow.tunnel ? 0 : h.network;
  const std::size_t fixed = l.outer + l.wrap + (is_esp(flow) ? l.icv : 0);
  if (mtu <= fixed) return 0;
  std::size_t room = mtu - fixed;
  if (is_esp(flow)) room = std::max<std::size_t>(room / flow.suite().block() * flow.suite().block(), 2) - 2;
  return static_cast<std::uint32_t>(room + kept);
}

bool has_room(const Packet& packet, const Headers& h, const Layout& l) {
  const std::size_t front = l.wrap + (l.outer + l.text - h.total);
  return packet.at >= front && packet.memory.size() - packet.at - h.total >= l.trail;
}

void wrap(Work& w, const Layout& layout) {
  Packet& p = w.item->packet;
  const Flow& flow = *w.flow;
  const std::uint8_t next = flow.tunnel ? (w.h.dst.family == Family::v4 ? kIpv4 : kIpv6) : w.h.next;
  p.at -= layout.wrap + (flow.tunnel ? layout.outer : 0);
  p.size = layout.total();
  const MutableBytes packet = p.bytes();
  Departure& d = w.item->departure;
  const Place* const moved = flow.udp ? flow.sends_to() : nullptr;
  write_front(w, moved, packet, layout, d);
  w.at = layout.outer + layout.ah;
  if (layout.ah != 0) {
    w.around.at = layout.outer;
    write_ah(w.around, packet.subspan(layout.outer, layout.ah), kEsp);
  }
  if (flow.udp) {
    d.src_port = pfkey::nat_port(flow.local), d.dst_port = moved ? moved->port : pfkey::nat_port(flow.remote);
    write_udp(packet.subspan(layout.outer), d.src_port, d.dst_port, packet.size() - layout.outer);
    d.header += kUdpHeader;
    w.at += kUdpHeader;
  }
  if (is_esp(flow)) {
    write_esp(w, packet, layout, next);
  } else {
    write_ah(ah_of(w), packet.subspan(w.at, layout.wrap), next);
  }
}

void finish_udp(const Work& w) { sum_udp(w.item->packet.bytes()); }

void write_keep_alive(Item& item, Flow& flow, std::uint32_t mtu) {
  const Place* const moved = flow.sends_to();
  const Address& dst = moved ? moved->address : flow.id.dst;
  Departure& d = item.departure;
  d = {.src = is_unspecified(flow.src) ? unspecified(dst.family) : flow.src, .dst = dst};
  d.protocol = kUdp;
  d.src_port = pfkey::nat_port(flow.local), d.dst_port = moved ? moved->port : pfkey::nat_port(flow.remote);
  d.header = header_size(dst.family) + kUdpHeader;
  d.mtu = mtu;
  d.sa = flow.id;
  Packet& p = item.packet;
  p.at = Packet::kHeadroom;
  p.size = d.header + 1;
  const MutableBytes packet = p.bytes();
  write_header(packet,
               {.src = d.src,
                .dst = d.dst,
                .protocol = kUdp,
                .id = dst.family == Family::v4 ? flow.datagrams.next_v4() : std::uint16_t{0}},
               p.size);
  write_udp(packet.subspan(header_size(dst.family)), d.src_port, d.dst_port, kUdpHeader + 1);
  packet.back() = std::byte{0xff};
  if (dst.family == Family::v6) sum_udp(packet);
  item.cause = Cause::none;
}

}  // namespace ipseckey::traffic
