// Fragments that leave: a tunnel carries them as they are, transport mode carries whole datagrams.
#include "traffic/worker.h"

namespace ipseckey::traffic {

// A tunnel that names ports cannot know a later fragment by them (RFC 4301 section 7): where there is one, the whole
// datagram decides, or its pieces would go by different SAs.
bool Worker::State::leaves_as_fragment(const Headers& h) {
  if (plane.choice.names_ports(h.dst.family)) return false;
  const Flow* const flow = choose(h).flow;
  return flow && flow->tunnel;
}

// What was cut may be cut again, under IPv6 too: the fragments had the same source as what is protected.
Cause Worker::State::make_whole(Work& w, Instant now) {
  const auto verdict = reassembly.take(w.item->packet, w.h, now);
  count_lost_pieces();
  if (verdict == Reassembly::Verdict::kept) return Cause::held;
  if (verdict == Reassembly::Verdict::refused) return Cause::fragment;
  const auto h = parse(w.item->packet.bytes());
  if (!h) return Cause::malformed;
  w.h = *h;
  w.h.dont_fragment = false;
  return Cause::none;
}

void Worker::State::count_lost_pieces() {
  for (std::size_t left = reassembly.lost(); left > 0; --left) desk.outbound.drop(Cause::fragment);
}

void Worker::State::expire_pieces(Instant now) {
  reassembly.expire(now);
  count_lost_pieces();
}

}  // namespace ipseckey::traffic
