#include <algorithm>

#include "traffic/header.h"
#include "traffic/plane.h"

namespace ipseckey::traffic {
namespace {

constexpr std::uint8_t kFragment = 44;

// RFC 791 section 3.1: only options with the copy bit are copied into fragments after the first.
std::size_t later_header_v4(Bytes header, MutableBytes out) {
  std::ranges::copy(header.first(20), out.begin());
  std::size_t size = 20;
  Bytes rest = header.subspan(20);
  while (!rest.empty()) {
    const auto type = std::to_integer<unsigned>(rest[0]);
    if (type == 0) break;
    const std::size_t length = type == 1 || rest.size() < 2 ? 1 : std::to_integer<std::size_t>(rest[1]);
    if (length == 0 || length > rest.size()) break;
    if (type & 0x80) {
      std::ranges::copy(rest.first(length), out.subspan(size).begin());
      size += length;
    }
    rest = rest.subspan(length);
  }
  while (size % 4 != 0) out[size++] = std::byte{0};
  out[0] = static_cast<std::byte>(0x40 | size / 4);
  return size;
}

bool fragment_v4(Bytes packet, const Headers& h, std::uint32_t mtu, MutableBytes room,
                 absl::FunctionRef<void(Bytes)> sink) {
  if (h.dont_fragment || mtu < 68 || room.size() < mtu) return false;
  const std::uint16_t word = get<std::uint16_t>(packet, 6);
  std::size_t header = h.network;
  std::ranges::copy(packet.first(header), room.begin());
  for (std::size_t at = h.network; at < h.total;) {
    const std::size_t most = (mtu - header) / 8 * 8, left = h.total - at, size = std::min(most, left);
    const bool last = size == left;
    std::ranges::copy(packet.subspan(at, size), room.subspan(header).begin());
    const auto offset = static_cast<std::uint16_t>((word & 0x1fff) + (at - h.network) / 8);
    set(room, 6, static_cast<std::uint16_t>(offset | (last ? word & 0x2000 : 0x2000)));
    mend_length(room.first(header + size));
    sink(room.first(header + size));
    at += size;
    header = later_header_v4(packet.first(h.network), room);
  }
  return true;
}

// RFC 8200 section 4.5.
bool fragment_v6(Bytes packet, const Headers& h, std::uint32_t mtu, std::uint32_t id, MutableBytes room,
                 absl::FunctionRef<void(Bytes)> sink) {
  const std::size_t header = h.network + 8;
  if (h.fragment || mtu < header + 8 || room.size() < mtu) return false;
  // All headers go into the first fragment, including the upper layer's, whose ports are in its first octets.
  if (h.upper_at + 8 > h.network + (mtu - header) / 8 * 8) return false;
  std::ranges::copy(packet.first(h.network), room.begin());
  room[h.next_at] = std::byte{kFragment};
  for (std::size_t at = h.network; at < h.total;) {
    const std::size_t most = (mtu - header) / 8 * 8, left = h.total - at, size = std::min(most, left);
    Writer w(room.subspan(h.network));
    w.net(h.next);
    w.net(std::uint8_t{0});
    w.net(static_cast<std::uint16_t>((at - h.network) | (size == left ? 0 : 1)));
    w.net(id);
    w.bytes(packet.subspan(at, size));
    mend_length(room.first(header + size));
    if (at == h.network && !parse(room.first(header + size))) return false;  // One header too many.
    sink(room.first(header + size));
    at += size;
  }
  return true;
}

}  // namespace

bool fragment(Bytes packet, std::uint32_t mtu, std::uint32_t id, MutableBytes room,
              absl::FunctionRef<void(Bytes)> sink) {
  const auto h = parse(packet);
  if (!h) return false;
  if (h->total <= mtu) {
    sink(packet.first(h->total));
    return true;
  }
  return h->dst.family == Family::v4 ? fragment_v4(packet, *h, mtu, room, sink)
                                     : fragment_v6(packet, *h, mtu, id, room, sink);
}

}  // namespace ipseckey::traffic
