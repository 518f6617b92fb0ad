// The packet parser, and what is made of packets that it takes: ICMP answers, path reports, fragments.
#include <cstdint>
#include <vector>

#include "engine/traffic/header.h"
#include "engine/traffic/plane.h"
#include "must.h"

using namespace engine::traffic;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = std::as_bytes(std::span(data, size));
  read_path_report(input);
  const auto h = parse(input);
  if (!h) return 0;
  MUST(h->total <= size && h->network <= h->upper_at && h->upper_at <= h->total);
  MUST(h->next_at < h->network && h->upper_next_at < h->upper_at);

  std::vector<std::byte> memory(128 + size);
  std::ranges::copy(input, memory.begin() + 128);
  Packet packet{memory, 128, size};
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
