// What the other end of a proof, or a stranger, sends: packets as a capture sees them, and datagrams to the port of a
// proof.
#include <cstddef>
#include <cstdint>

#include "must.h"
#include "prove/packet.h"
#include "prove/sighting.h"

using namespace ipseckey;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  if (const auto s = prove::sight(bytes)) {
    MUST(s->size <= size);
    if (s->ours) MUST(s->ours_at + prove::kHead <= size && prove::read_head(bytes.subspan(s->ours_at)) == s->ours);
  }
  if (const auto other = prove::renumbered(bytes)) MUST(other->size() == size);
  // What is read is written as the same.
  const auto head = prove::read_head(bytes);
  if (!head) return 0;
  if (const auto ask = prove::read_ask(bytes)) MUST(prove::read_ask(prove::write_ask(*head, *ask)) == ask);
  if (const auto tell = prove::read_tell(bytes)) {
    auto again = prove::read_tell(prove::write_tell(*head, *tell));
    MUST(again.has_value());
    again->counters = tell->counters;  // Those that are 0 are not written.
    MUST(again == tell);
  }
  return 0;
}
