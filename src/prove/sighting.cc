#include "prove/sighting.h"

#include <algorithm>

#include "pfkey/message.h"

namespace ipseckey::prove {
namespace {

constexpr std::uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kFragment = 44, kEsp = 50, kAh = 51, kIcmp6 = 58;

template <class T>
T at(Bytes b, std::size_t offset) {
  T value = 0;
  Reader(offset <= b.size() ? b.subspan(offset) : Bytes()).net(value);
  return value;
}

Address address(Bytes b, Family family) {
  Address a = unspecified(family);
  std::ranges::copy(b.first(a.size()), a.octets.begin());
  return a;
}

struct Rest {
  Bytes bytes;
  std::uint8_t protocol;
};

std::optional<Rest> read_v4(Bytes p, Sighting& s) {
  const std::size_t head = (std::to_integer<std::size_t>(p[0]) & 15) * 4;
  if (p.size() < 20 || head < 20 || p.size() < head) return std::nullopt;
  const std::size_t total = at<std::uint16_t>(p, 2);
  s.size = total >= head && total <= p.size() ? total : p.size();  // 0: the kernel will cut it.
  s.from = address(p.subspan(12), Family::v4), s.to = address(p.subspan(16), Family::v4);
  const auto piece = at<std::uint16_t>(p, 6);
  s.piece = (piece & 0x3fff) != 0;
  if ((piece & 0x1fff) != 0) return Rest{{}, at<std::uint8_t>(p, 9)};
  return Rest{p.first(s.size).subspan(head), at<std::uint8_t>(p, 9)};
}

std::optional<Rest> read_v6(Bytes p, Sighting& s) {
  if (p.size() < 40) return std::nullopt;
  const std::size_t total = 40u + at<std::uint16_t>(p, 4);
  s.size = total > 40 && total <= p.size() ? total : p.size();
  s.from = address(p.subspan(8), Family::v6), s.to = address(p.subspan(24), Family::v6);
  Rest rest{p.first(s.size).subspan(40), at<std::uint8_t>(p, 6)};
  if (rest.protocol == kFragment) {
    if (rest.bytes.size() < 8) return std::nullopt;
    s.piece = true;
    const bool first = (at<std::uint16_t>(rest.bytes, 2) & 0xfff8) == 0;
    rest = {first ? rest.bytes.subspan(8) : Bytes(), at<std::uint8_t>(rest.bytes, 0)};
  }
  return rest;
}

std::optional<Complaint> complaint(const Rest& rest) {
  if (rest.bytes.size() < 8) return std::nullopt;
  Complaint c{at<std::uint8_t>(rest.bytes, 0), at<std::uint8_t>(rest.bytes, 1), 0, false};
  if (rest.protocol == kIcmp) {
    if (c.type != 3 && c.type != 11 && c.type != 12) return std::nullopt;
    c.too_big = c.type == 3 && c.code == 4;
    if (c.too_big) c.mtu = at<std::uint16_t>(rest.bytes, 6);
    return c;
  }
  if (c.type < 1 || c.type > 4) return std::nullopt;
  c.too_big = c.type == 2;
  if (c.too_big) c.mtu = at<std::uint32_t>(rest.bytes, 4);
  return c;
}

// ESP in UDP, and not a key manager's (RFC 3948 section 2.2), nor a keepalive.
bool is_esp(Bytes udp, const Sighting& s, std::span<const std::uint16_t> ports) {
  const auto known = [&](std::uint16_t port) {
    return port == pfkey::kNatPort || std::ranges::find(ports, port) != ports.end();
  };
  return udp.size() >= 16 && (known(s.from_port) || known(s.to_port)) && at<std::uint32_t>(udp, 8) != 0;
}

}  // namespace

std::optional<Sighting> sight(Bytes packet, std::span<const std::uint16_t> udp_ports) {
  if (packet.empty()) return std::nullopt;
  Sighting s;
  const unsigned version = std::to_integer<unsigned>(packet[0]) >> 4;
  auto rest = version == 4 ? read_v4(packet, s) : version == 6 ? read_v6(packet, s) : std::nullopt;
  if (!rest) return std::nullopt;
  Bytes b = rest->bytes;
  if (rest->protocol == kAh && b.size() >= 12) {
    s.ah = Seal{at<std::uint32_t>(b, 4), at<std::uint32_t>(b, 8)};
    const std::size_t head = (at<std::uint8_t>(b, 1) + std::size_t{2}) * 4;
    rest->protocol = at<std::uint8_t>(b, 0);
    b = b.size() >= head ? b.subspan(head) : Bytes();
  }
  s.protocol = rest->protocol;
  if (s.protocol == kEsp && b.size() >= 8) s.esp = Seal{at<std::uint32_t>(b, 0), at<std::uint32_t>(b, 4)};
  if ((s.protocol == kUdp || s.protocol == kTcp) && b.size() >= 8)
    s.from_port = at<std::uint16_t>(b, 0), s.to_port = at<std::uint16_t>(b, 2);
  if (s.protocol == kTcp && b.size() >= 20) s.number = at<std::uint32_t>(b, 4), s.next = at<std::uint32_t>(b, 8);
  const bool marked = s.protocol == kUdp && b.size() > 8 && read_head(b.subspan(8)).has_value();
  if (s.protocol == kUdp && !marked && is_esp(b, s, udp_ports)) {
    s.udp = true;
    s.esp = Seal{at<std::uint32_t>(b, 8), at<std::uint32_t>(b, 12)};
  }
  if (s.esp) return s;
  if ((s.protocol == kIcmp || s.protocol == kIcmp6) && b.size() >= 8) {
    s.from_port = at<std::uint8_t>(b, 0), s.to_port = at<std::uint8_t>(b, 1);
    s.complaint = complaint({b, s.protocol});
  }
  if (b.size() > 8 && !s.complaint) s.ours = read_head(b.subspan(8));  // UDP's and ICMP's headers have 8 octets.
  if (s.ours) s.ours_at = static_cast<std::size_t>(b.data() - packet.data()) + 8;
  return s;
}

}  // namespace ipseckey::prove
