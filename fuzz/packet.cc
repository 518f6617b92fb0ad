// The packet parser, and the results for packets that it accepts: ICMP answers, path reports, fragments, quoted
// packets, segment sizes.
#include <cstdint>
#include <vector>

#include "must.h"
#include "traffic/detail/mss.h"
#include "traffic/detail/quote.h"
#include "traffic/detail/tcp.h"
#include "traffic/header.h"
#include "traffic/plane.h"

using namespace ipseckey;
using namespace traffic;

namespace {

// Whether the sum over everything that TCP's checksum covers, with its pseudo header, is right.
bool right(Bytes packet, const Headers& h) {
  std::vector<std::byte> copy(packet.begin(), packet.end());
  mend_transport_checksum(copy, h);
  const auto sum = [&](Bytes b) { return get<std::uint16_t>(b, h.upper_at + kTcpSum) % 0xffff; };  // 0 is 0xffff, too.
  return sum(copy) == sum(packet);
}

void check_segment_size(Bytes input, const Headers& h) {
  if (!opens_connection(input, h)) return;
  std::vector<std::byte> packet(input.begin(), input.end());
  const bool was = right(packet, h);
  lower_mss(packet, h, 1000);
  MUST(right(packet, h) == was);
  const std::vector<std::byte> once = packet;
  lower_mss(packet, h, 1000);
  MUST(packet == once);
  for (std::size_t i = 0; i < packet.size(); ++i)
    MUST(packet[i] == input[i] || i >= h.upper_at + kTcpLeast || (i - h.upper_at) / 2 == kTcpSum / 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = std::as_bytes(std::span(data, size));
  read_path_report(input);
  const auto h = parse(input);
  if (!h) return 0;
  MUST(h->total <= size && h->network <= h->upper_at && h->upper_at <= h->total);
  MUST(h->next_at < h->network && h->upper_next_at < h->upper_at);

  if (const auto answer = answer_to_quoted(input, *h))
    MUST(answer->dst == h->dst && answer->src.family == h->dst.family && !h->later_fragment);
  check_segment_size(input, *h);

  std::vector<std::byte> memory(Packet::kHeadroom + size);
  std::ranges::copy(input, memory.begin() + Packet::kHeadroom);
  Packet packet{memory, Packet::kHeadroom, size};
  Address from = h->dst;
  if (make_too_big(packet, 1000, from)) {
    const auto answer = parse(packet.bytes());
    MUST(answer && answer->dst == h->src && answer->total == packet.size);
  }

  std::vector<std::byte> room(1280);
  std::size_t carried = 0;
  if (fragment(input, 1280, 1, room, [&](Bytes part) {
        const auto piece = parse(part);
        MUST(piece && piece->total == part.size() && part.size() <= std::max<std::size_t>(1280, h->total));
        carried += part.size();
      }))
    MUST(carried >= h->total);
  return 0;
}
