// Outbound fragments: tunnel mode carries fragments, transport mode carries whole datagrams. gather(): inbound ones.
#include "traffic/worker.h"

namespace ipseckey::traffic {

// A tunnel with ports cannot match later fragments, which have none (RFC 4301 section 7): if such a tunnel exists, the
// whole datagram decides; otherwise its fragments would use different SAs.
bool Worker::State::leaves_as_fragment(Work& w) {
  const Headers& h = w.h;
  if (orders) return ruled_as_fragment(w);
  if (plane.choice.names_ports(h.dst.family)) return false;
  const Flow* const flow = choose(outgoing.at(h), h).flow;
  return flow && flow->tunnel;
}

// A datagram that was fragmented may be fragmented again, under IPv6 too: the fragments had the same source as the
// protected packet.
Cause Worker::State::make_whole(Work& w, Instant now) {
  move_to_spare(*w.item);  // The whole datagram may be long.
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

void Worker::gather(Item& item, Instant now) {
  const auto h = parse(item.packet.bytes());
  if (!h || !h->fragment) return;
  Reassembly& pieces = state_->gathered;
  pieces.expire(now);
  const auto verdict = pieces.take(item.packet, *h, now);
  if (verdict == Reassembly::Verdict::kept) item.cause = Cause::held;
  if (verdict == Reassembly::Verdict::refused) item.cause = Cause::fragment;
  const std::size_t lost = pieces.lost() + (item.cause == Cause::fragment ? 1 : 0);
  for (std::size_t left = lost; left > 0; --left) state_->desk.inbound.drop(Cause::fragment);
}

void Worker::State::expire_pieces(Instant now) {
  reassembly.expire(now);
  count_lost_pieces();
}

}  // namespace ipseckey::traffic
