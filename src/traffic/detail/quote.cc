#include "traffic/detail/quote.h"

#include <algorithm>
#include <array>

#include "pfkey/icmp.h"
#include "traffic/header.h"

namespace ipseckey::traffic {
namespace {

using pfkey::kProtoIcmp, pfkey::kProtoIcmpV6;
constexpr std::size_t kIcmpHeader = 8;

// Requests and replies (RFC 792, RFC 4443).
struct Exchange {
  std::uint8_t protocol;
  std::uint16_t request, reply;
};
constexpr std::array kExchanges = {Exchange{kProtoIcmp, 8, 0}, Exchange{kProtoIcmp, 13, 14},
                                   Exchange{kProtoIcmp, 15, 16}, Exchange{kProtoIcmp, 17, 18},
                                   Exchange{kProtoIcmpV6, 128, 129}};

void turn_type(Headers& h) {
  for (const Exchange& e : kExchanges) {
    if (e.protocol != h.upper || (h.icmp_type != e.request && h.icmp_type != e.reply)) continue;
    h.icmp_type = h.icmp_type == e.request ? e.reply : e.request;
    return;
  }
}

// RFC 1122 section 3.2.2, RFC 4443 section 2.1.
bool names_error(std::uint8_t protocol, std::uint8_t type) {
  constexpr std::array<std::uint8_t, 5> kErrors = {3, 4, 5, 11, 12};
  return protocol == kProtoIcmpV6 ? type < 128 : std::ranges::find(kErrors, type) != kErrors.end();
}

bool is_icmp(const Headers& h) { return h.upper == (h.dst.family == Family::v4 ? kProtoIcmp : kProtoIcmpV6); }

// A quoted packet is usually truncated, and routers have changed its header: it is read as if its length were that of
// the bytes present and its checksum right. Bytes beyond its own length are not part of it (RFC 4884 section 3).
std::optional<Headers> parse_quoted(Bytes quote, MutableBytes room) {
  const std::size_t size = std::min(quote.size(), room.size());
  if (size < header_size(Family::v4)) return std::nullopt;
  const bool v4 = std::to_integer<unsigned>(quote[0]) >> 4 == 4;
  const std::size_t fixed = header_size(v4 ? Family::v4 : Family::v6);
  if (size < fixed) return std::nullopt;
  const std::size_t said = v4 ? get<std::uint16_t>(quote, 2) : fixed + get<std::uint16_t>(quote, 4);
  const MutableBytes copy = room.first(std::min(size, said));
  if (copy.size() < fixed || (v4 && (std::to_integer<std::size_t>(quote[0]) & 0xf) * 4 > copy.size()))
    return std::nullopt;
  std::ranges::copy(quote.first(copy.size()), copy.begin());
  mend_length(copy);
  return parse(copy);
}

}  // namespace

bool is_icmp_error(Bytes packet, const Headers& h) {
  return is_icmp(h) && !h.later_fragment && h.upper_at < h.total &&
         names_error(h.upper, std::to_integer<std::uint8_t>(packet[h.upper_at]));
}

std::optional<Headers> answer_to_quoted(Bytes packet, const Headers& h) {
  constexpr std::size_t kMost = 512;  // Headers longer than that cannot be read, whoever quotes them.
  if (!is_icmp_error(packet, h) || h.total - h.upper_at < kIcmpHeader) return std::nullopt;
  std::array<std::byte, kMost> room;
  auto quoted = parse_quoted(packet.first(h.total).subspan(h.upper_at + kIcmpHeader), room);
  if (!quoted || quoted->src != h.dst || is_icmp_error(room, *quoted)) return std::nullopt;
  std::swap(quoted->src, quoted->dst);
  std::swap(quoted->src_port, quoted->dst_port);
  turn_type(*quoted);
  return quoted;
}

bool covers(const Flow& flow, Bytes packet, const Headers& ends, IcmpErrors errors) {
  const bool fits = flow.selectors.match(ends);
  if (errors == IcmpErrors::own || (fits && errors == IcmpErrors::quoted)) return fits;
  if (fits && !is_icmp_error(packet, ends)) return true;
  // In transport mode, an ICMP error from a router has a source other than the SA's.
  if (!fits && !flow.tunnel) return false;
  const auto answer = answer_to_quoted(packet, ends);
  return answer && flow.selectors.match(*answer);
}

}  // namespace ipseckey::traffic
