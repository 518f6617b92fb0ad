#include <algorithm>

#include "traffic/detail/quote.h"
#include "traffic/header.h"
#include "traffic/plane.h"

namespace ipseckey::traffic {
namespace {

constexpr std::uint8_t kIcmp = 1, kIcmpV6 = 58;
constexpr std::uint8_t kUnreachable = 3, kFragmentationNeeded = 4, kPacketTooBig = 2;
constexpr std::size_t kIcmpHeader = 8;
// RFC 1812 section 4.3.2.3 and RFC 4443 section 2.4 (c).
constexpr std::size_t kMostV4 = 576, kMostV6 = 1280;

// RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e). Under IPv6, "packet too big" may answer a multicast packet.
bool may_answer(Bytes packet, const Headers& h) {
  if (h.later_fragment || is_unspecified(h.src) || is_multicast(h.src) || is_loopback(h.src)) return false;
  return !is_icmp_error(packet, h) && (h.dst.family == Family::v6 || !is_multicast(h.dst));
}

std::uint16_t icmp_v6_checksum(Bytes message, const Address& src, const Address& dst) {
  std::array<std::byte, 40> pseudo;
  Writer w(pseudo);
  w.bytes(src.bytes());
  w.bytes(dst.bytes());
  w.net(static_cast<std::uint32_t>(message.size()));
  w.net(std::uint32_t{kIcmpV6});
  return checksum(message, static_cast<std::uint16_t>(~checksum(pseudo)));
}

// The quoted packet is truncated, so parse() would reject it. The first fragment contains the SPI; later fragments,
// which are never longer than the first, do not.
std::optional<engine::SaId> quoted(Bytes packet) {
  constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kDestination = 60;
  constexpr unsigned kOffsetV4 = 0x1fff, kOffsetV6 = 0xfff8;
  if (packet.size() < 20) return std::nullopt;
  const bool v4 = std::to_integer<unsigned>(packet[0]) >> 4 == 4;
  engine::SaId id;
  std::size_t at = v4 ? (std::to_integer<std::size_t>(packet[0]) & 0xf) * 4 : 40;
  if (packet.size() < std::max<std::size_t>(at, 20)) return std::nullopt;
  id.dst.family = v4 ? Family::v4 : Family::v6;
  std::ranges::copy(packet.subspan(v4 ? 16 : 24, id.dst.size()), id.dst.octets.begin());
  auto next = std::to_integer<std::uint8_t>(packet[v4 ? 9 : 6]);
  if (v4 && (get<std::uint16_t>(packet, 6) & kOffsetV4) != 0) return std::nullopt;
  while (!v4 && (next == kHopByHop || next == kRouting || next == kFragment || next == kDestination) &&
         at + 4 <= packet.size()) {
    const bool fragment = next == kFragment;
    if (fragment && (get<std::uint16_t>(packet, at + 2) & kOffsetV6) != 0) return std::nullopt;
    next = std::to_integer<std::uint8_t>(packet[at]);
    at += 8 + (fragment ? 0 : std::to_integer<std::size_t>(packet[at + 1]) * 8);
  }
  if (next != kEsp && next != kAh && next != kUdp) return std::nullopt;
  id.satype = next == kAh ? pfkey::SaType::ah : pfkey::SaType::esp;
  Reader in(packet.subspan(std::min(at, packet.size())));
  in.pad(next == kUdp ? 8 : next == kAh ? 4 : 0);
  in.net(id.spi);
  if (!in.ok() || id.spi == 0) return std::nullopt;
  return id;
}

}  // namespace

bool make_too_big(Packet& packet, std::uint32_t mtu, const std::optional<Address>& teller) {
  const auto h = parse(packet.bytes());
  if (!h || (teller && teller->family != h->dst.family) || !may_answer(packet.bytes(), *h)) return false;
  const Address from = teller.value_or(unspecified(h->dst.family));
  const bool v4 = from.family == Family::v4;
  const std::size_t header = header_size(from.family), front = header + kIcmpHeader;
  const std::size_t quote = std::min<std::size_t>(h->total, (v4 ? kMostV4 : kMostV6) - front);
  if (packet.at < front) return false;
  packet.at -= front;
  packet.size = front + quote;
  const MutableBytes bytes = packet.bytes(), message = bytes.subspan(header);
  write_header(bytes, {.src = from, .dst = h->src, .protocol = v4 ? kIcmp : kIcmpV6}, packet.size);
  Writer w(message);
  w.net(v4 ? kUnreachable : kPacketTooBig);
  w.net(v4 ? kFragmentationNeeded : std::uint8_t{0});
  w.net(std::uint16_t{0});
  w.net(v4 ? std::min<std::uint32_t>(mtu, UINT16_MAX) : mtu);
  set(message, 2, v4 ? checksum(message) : icmp_v6_checksum(message, from, h->src));
  return true;
}

std::optional<PathReport> read_path_report(Bytes packet) {
  const auto h = parse(packet);
  if (!h || h->fragment) return std::nullopt;
  const bool v4 = h->dst.family == Family::v4;
  const Bytes message = packet.first(h->total).subspan(h->upper_at);
  if (h->upper != (v4 ? kIcmp : kIcmpV6) || message.size() < kIcmpHeader) return std::nullopt;
  if ((v4 ? checksum(message) : icmp_v6_checksum(message, h->src, h->dst)) != 0) return std::nullopt;
  const auto type = get<std::uint8_t>(message, 0), code = get<std::uint8_t>(message, 1);
  if (v4 ? type != kUnreachable || code != kFragmentationNeeded : type != kPacketTooBig) return std::nullopt;
  const auto id = quoted(message.subspan(kIcmpHeader));
  if (!id || id->dst.family != h->dst.family) return std::nullopt;
  constexpr std::uint32_t kUnsaid = 576;  // Routers older than RFC 1191 set the field to 0.
  const std::uint32_t mtu = get<std::uint32_t>(message, 4);
  const std::uint32_t said = v4 ? mtu & 0xffff : mtu;
  return PathReport{*id, said == 0 ? kUnsaid : said};
}

}  // namespace ipseckey::traffic
