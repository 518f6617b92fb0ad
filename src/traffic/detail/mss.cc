#include "traffic/detail/mss.h"

#include <algorithm>

#include "traffic/detail/tcp.h"
#include "traffic/header.h"

namespace ipseckey::traffic {
namespace {

constexpr std::uint16_t kLeastV4 = 536, kLeastV6 = 1220;
constexpr std::size_t kEnd = 0, kNothing = 1, kMss = 2, kMssSize = 4;  // RFC 9293 section 3.1.

std::uint16_t swapped(std::uint16_t v) { return static_cast<std::uint16_t>(v << 8 | v >> 8); }

// RFC 1624 section 3: HC' = ~(~HC + ~m + m'). A value across two words counts with its octets swapped.
void replace(MutableBytes segment, std::size_t at, std::uint16_t value) {
  const bool odd = at % 2 != 0;
  const std::uint16_t old = get<std::uint16_t>(segment, at);
  const auto word = [&](std::uint16_t v) { return std::uint32_t{odd ? swapped(v) : v}; };
  const auto inverse = [](std::uint32_t v) { return ~v & 0xffff; };
  std::uint32_t sum = inverse(get<std::uint16_t>(segment, kTcpSum)) + inverse(word(old)) + word(value);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  set(segment, at, value);
  set(segment, kTcpSum, static_cast<std::uint16_t>(~sum));
}

}  // namespace

bool opens_connection(Bytes packet, const Headers& h) {
  if (h.upper != kTcp || h.fragment) return false;
  const Bytes segment = packet.first(h.total).subspan(h.upper_at);
  return tcp_header(segment) != 0 && (segment[kTcpFlags] & kTcpSyn) != std::byte{0};
}

void lower_mss(MutableBytes packet, const Headers& h, std::uint32_t mtu) {
  const std::uint32_t headers = static_cast<std::uint32_t>(header_size(h.dst.family) + kTcpLeast);
  const std::uint32_t least = h.dst.family == Family::v4 ? kLeastV4 : kLeastV6;
  const auto most =
      static_cast<std::uint16_t>(std::clamp<std::uint32_t>(mtu - std::min(mtu, headers), least, UINT16_MAX));
  const MutableBytes segment = packet.first(h.total).subspan(h.upper_at);
  const std::size_t end = tcp_header(segment);
  for (std::size_t at = kTcpLeast; at < end;) {
    const auto kind = std::to_integer<std::size_t>(segment[at]);
    if (kind == kEnd) return;
    if (kind == kNothing) {
      ++at;
      continue;
    }
    const std::size_t size = at + 1 < end ? std::to_integer<std::size_t>(segment[at + 1]) : 0;
    if (size < 2 || size > end - at) return;  // Its length is wrong: whatever follows cannot be read.
    if (kind == kMss && size == kMssSize && get<std::uint16_t>(segment, at + 2) > most) replace(segment, at + 2, most);
    at += size;
  }
}

}  // namespace ipseckey::traffic
