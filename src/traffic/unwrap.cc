#include <algorithm>
#include <array>

#include "traffic/detail/quote.h"
#include "traffic/detail/traffic_class.h"
#include "traffic/detail/udp.h"
#include "traffic/detail/wrap.h"

namespace ipseckey::traffic {
namespace {

bool is_esp(const Flow& flow) { return flow.id.satype == pfkey::SaType::esp; }

// The inner packet, in the packet's bytes.
struct Inside {
  std::size_t at = 0, size = 0;
  std::uint8_t next = 0;
};

// RFC 4303 section 2.4: 1, 2, 3 ...
bool padding_right(Bytes padding) {
  for (std::size_t i = 0; i < padding.size(); ++i)
    if (padding[i] != static_cast<std::byte>(i + 1)) return false;
  return true;
}

Cause inside_esp(const Work& w, Bytes packet, Inside& inside) {
  const std::size_t begin = w.at + kEspHeader + w.flow->suite().iv();
  const Bytes text = packet.subspan(begin, packet.size() - begin - w.flow->suite().icv());
  const std::size_t padding = std::to_integer<std::size_t>(text[text.size() - 2]);
  if (padding + 2 > text.size()) return Cause::padding;
  const std::size_t size = text.size() - 2 - padding;
  if (!padding_right(text.subspan(size, padding))) return Cause::padding;
  inside = {begin, size, std::to_integer<std::uint8_t>(text.back())};
  return Cause::none;
}

Cause inside_ah(const Work& w, Bytes packet, Inside& inside) {
  const std::size_t begin = w.at + (std::to_integer<std::size_t>(packet[w.at + 1]) + 2) * 4;
  inside = {begin, packet.size() - begin, std::to_integer<std::uint8_t>(packet[w.at])};
  return Cause::none;
}

Cause unwrap_tunnel(Work& w, const Inside& inside) {
  Packet& p = w.item->packet;
  p.at += inside.at;
  p.size = inside.size;
  Headers& h = w.h;
  const std::uint8_t outer_class = h.traffic_class;
  h = {};
  if (!parse(p.bytes(), h)) return Cause::inner;
  if (inside.next != (h.dst.family == Family::v4 ? kIpv4 : kIpv6)) return Cause::inner;
  p.size = h.total;  // The rest is padding for traffic-flow confidentiality (RFC 4303 section 2.7).
  const auto traffic_class = inner_traffic_class(h.traffic_class, outer_class, w.flow->dscp);
  if (!traffic_class) return Cause::congested;
  if (*traffic_class != h.traffic_class) set_traffic_class(p.bytes(), *traffic_class);
  return Cause::none;
}

Cause unwrap_transport(Work& w, const Inside& inside) {
  Packet& p = w.item->packet;
  const std::size_t header = w.around.flow ? w.around.at : w.at - (w.flow->udp ? kUdpHeader : 0);
  const MutableBytes packet = p.bytes();
  packet[w.h.upper_next_at] = static_cast<std::byte>(inside.next);
  std::ranges::copy_backward(packet.first(header), packet.begin() + static_cast<std::ptrdiff_t>(inside.at));
  p.at += inside.at - header;
  p.size = header + inside.size;
  mend_length(p.bytes());
  const auto h = parse(p.bytes());
  if (!h) return Cause::inner;
  w.h = *h;
  // A NAT has changed the addresses that the checksum covers; the ICV authenticates the rest.
  if (w.flow->udp) mend_transport_checksum(p.bytes(), w.h);
  return Cause::none;
}

}  // namespace

bool begin_esp(Work& w) {
  const crypto::Suite& suite = w.flow->suite();
  const MutableBytes esp = w.item->packet.bytes().subspan(w.at);
  const std::size_t fixed = kEspHeader + suite.iv() + suite.icv();
  if (esp.size() < fixed + suite.block() || (esp.size() - fixed) % suite.block() != 0) return false;
  w.job.esp = esp.first(esp.size() - suite.icv());
  w.job.icv = esp.last(suite.icv());
  w.job.sequence_high = static_cast<std::uint32_t>(w.number >> 32);
  return true;
}

// Of the headers before AH, not of the inner packet.
std::optional<Address> vouched_home(const Work& w) {
  return is_esp(*w.flow) || w.flow->tunnel ? std::nullopt : w.h.home;
}

Cause unwrap(Work& w, IcmpErrors errors) {
  Inside inside;
  const Bytes packet = w.item->packet.bytes();
  const Cause wrong = is_esp(*w.flow) ? inside_esp(w, packet, inside) : inside_ah(w, packet, inside);
  if (wrong != Cause::none) return wrong;
  if (inside.next == kNoNext) return Cause::dummy;
  const std::optional<Address> home = vouched_home(w);
  const Cause odd = w.flow->tunnel ? unwrap_tunnel(w, inside) : unwrap_transport(w, inside);
  if (odd != Cause::none) return odd;
  // AH in transport mode around a tunnel covers the packet that ESP produced.
  const Flow* const around = w.around.flow;
  if (around && around->tunnel == w.flow->tunnel && !covers(*around, w.item->packet.bytes(), w.h, errors))
    return Cause::selector;
  if (!home) return covers(*w.flow, w.item->packet.bytes(), w.h, errors) ? Cause::none : Cause::selector;
  Headers at_home = w.h;
  at_home.src = *home;
  return covers(*w.flow, w.item->packet.bytes(), at_home, errors) ? Cause::none : Cause::selector;
}

}  // namespace ipseckey::traffic
