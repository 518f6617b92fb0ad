// Which SA protects an outbound packet: the one for its own headers, for the route that it follows, or for the packet
// that it quotes.
#include "traffic/detail/quote.h"
#include "traffic/worker.h"

namespace ipseckey::traffic {

void Worker::State::ask_for(const Headers& h) {
  engine::Wanted wanted{.satype = pfkey::SaType::esp,
                        .src = {.address = h.src},
                        .dst = {.address = h.dst},
                        .inner_src = {},
                        .inner_dst = {}};
  attention |= desk.questions.push(wanted);
}

Memory::Entry& Worker::State::choose_again(Memory::Entry& entry, const Headers& h, std::uint64_t generation) {
  const Chosen found = chosen(h);
  entry.flow = found.flow, entry.around = found.around;
  entry.generation = generation;
  if (found.flow) found.flow->chosen.store(true, std::memory_order_relaxed);
  return entry;
}

// RFC 4301 section 6.2: an ICMP error that no SA covers uses the SA for replies to the quoted packet, but only through
// a tunnel: in transport mode, its sender must be one of the SA's ends.
Memory::Entry* Worker::State::choose_by_quote(Work& w) {
  if (plane.options.icmp_errors == IcmpErrors::own) return nullptr;
  const auto answer = answer_to_quoted(w.item->packet.bytes(), w.h);
  if (!answer) return nullptr;
  Memory::Entry& entry = pick(w, *answer);
  if (!entry.flow || !entry.flow->tunnel) return nullptr;
  w.flow = entry.flow;
  return &entry;
}

// A tunnel may begin along the route. In transport mode the peer is the packet's final destination, and our own address
// is the home address, which only AH authenticates.
Memory::Entry& Worker::State::choose_peer(Work& w) {
  Memory::Entry& here = pick(w, w.before && recent ? *recent : outgoing.at(w.h), w.h);
  recent = nullptr;
  w.flow = here.flow;
  const auto ends = w.flow && w.flow->tunnel ? std::nullopt : true_ends(w.item->packet.bytes().first(w.h.network));
  if (!ends) {
    if (w.flow) recent = &here;
    if (w.flow || (orders && here.verdict != Cause::no_sa && here.rule)) return here;
    if (Memory::Entry* const back = choose_by_quote(w)) return *back;
    orders ? ask_as_ruled(*w.item, w.h) : ask_for(w.h);
    return here;
  }
  Headers there = w.h;
  there.src = ends->src, there.dst = ends->dst;
  Memory::Entry& entry = pick(w, there);
  w.flow = entry.flow;
  const bool away = w.h.home && ends->src != w.h.src;
  if (w.flow && (w.flow->tunnel || (away && w.flow->id.satype != pfkey::SaType::ah))) w.flow = nullptr;
  if (!w.flow) orders ? ask_as_ruled(*w.item, there) : ask_for(there);
  return entry;
}

}  // namespace ipseckey::traffic
