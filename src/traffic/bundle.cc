// AH and ESP together (RFC 4301 section 4.4.2.1): two SAs between the same hosts with the same bundle number.
// 1. Out: chosen() finds the SA that covers the packet, and its companion. ESP is applied first, as usual; wrap()
//    reserves room for AH before it. AH is sealed together with ESP.
// 2. In: AH is checked as usual; find_inside() finds ESP of the same bundle behind it, which then continues like any
//    ESP.
// 3. A packet with only one of the two, in either direction, is dropped: it has half of the agreed protection.
#include "traffic/header.h"
#include "traffic/worker.h"

namespace ipseckey::traffic {

// If AH is not a tunnel itself, it covers the packet that ESP produces.
template <class Is>
Flow* Worker::State::companion_if(const Flow& flow, const Headers& h, Is is) const {
  Flow* const beside =
      plane.choice.find(h, [&](const Flow& f) { return joined(flow, f) && f.tunnel == flow.tunnel && is(f); });
  if (beside || !flow.tunnel || flow.id.satype == pfkey::SaType::ah) return beside;
  Headers made;
  made.src = flow.src, made.dst = flow.id.dst, made.upper = kEsp;
  return plane.choice.find(made, [&](const Flow& f) { return joined(flow, f) && !f.tunnel && is(f); });
}

Flow* Worker::State::companion(const Flow& flow, const Headers& h) const {
  return companion_if(flow, h, [](const Flow&) { return true; });
}

// A rule that demands both takes the newest AH that fits its part, beside the same ends. Its mode and addresses follow
// from those.
Flow* Worker::State::companion_for(const policy::Rule& rule, const policy::Protection& p, const Flow& esp,
                                   const Headers& h, std::uint64_t tag) const {
  using enum policy::Objection;
  return companion_if(esp, h, [&](const Flow& f) {
    const std::uint64_t owner = f.owner.load(std::memory_order_relaxed);
    if (f.id.satype != pfkey::SaType::ah || (owner != 0 && owner != tag)) return false;
    if (p.unique && owner == 0 && f.chosen.load(std::memory_order_relaxed)) return false;
    return objections(rule, p, policy::Direction::out, f.facts())
        .without({mode, ends, addresses, inner_addresses})
        .empty();
  });
}

Worker::State::Chosen Worker::State::chosen(const Headers& h) const {
  Flow* const found = plane.choice.find(h);
  if (!found || found->bundle == 0) return {found, nullptr};
  Flow* const other = companion(*found, h);
  if (!other) return {found, nullptr};
  return found->id.satype == pfkey::SaType::esp ? Chosen{found, other} : Chosen{other, found};
}

Cause Worker::State::take_bundle(Work& w, const Memory::Entry& seen) {
  if (!seen.around) return Cause::bundle;
  w.around.flow = seen.around;
  w.around.keyed = seen.around->sealing(number);
  if (!w.around.keyed) return Cause::crypto;
  // An SA at its last number reports that when the next one is requested: before either SA is charged.
  for (Flow* const flow : {w.around.flow, w.flow})
    if (!flow->has_number() && !flow->next_number()) return call_for(*flow), Cause::exhausted;
  return Cause::none;
}

// Both SAs count the inner packet. ESP is charged last, but its room is checked first, so that AH records neither a
// connection nor a first use for a packet that is not carried. AH records them only if another thread takes the last
// room in between.
bool Worker::State::charge_both(Work& w, Memory::Entry& seen, Instant now) {
  const auto charge_esp = [&] { return charge(*w.flow, seen.counted, w, seen, now); };
  const bool room = w.flow->has_room(w.h.total, uncounted(*w.flow, seen.counted, seen));
  if (!room && !charge_esp()) return false;
  if (!charge(*w.around.flow, seen.counted_around, w, seen, now)) {
    if (!room) w.flow->give_back(w.h.total);
    return false;
  }
  if (!room || charge_esp()) return true;
  w.around.flow->give_back(w.h.total);
  return false;
}

// Under rules, AH and ESP of one packet need no bundle number: they are the pair of a rule if both SAs are for it.
bool Worker::State::pair_arrived(const Work& w) const {
  const Bytes packet = w.item->packet.bytes();
  if (w.flow->tunnel || std::to_integer<unsigned>(packet[w.at]) != kEsp) return false;
  const std::size_t at = w.at + (std::to_integer<std::size_t>(packet[w.at + 1]) + 2) * 4;
  if (packet.size() < at + kEspHeader) return false;
  const Flow* const esp = plane.find({pfkey::SaType::esp, get<std::uint32_t>(packet, at), w.h.dst});
  return esp && esp->bundle == 0 && joined(*w.flow, *esp);
}

// The ICV of AH is right, so its number counts, whatever happens to the ESP inside.
Cause Worker::State::find_inside(Work& w) {
  if (const Cause cause = dropped_by(w.flow->mark(w.number).verdict); cause != Cause::none) return cause;
  w.around = ah_of(w);
  const Bytes packet = w.item->packet.bytes();
  if (std::to_integer<unsigned>(packet[w.at]) != kEsp) return Cause::bundle;
  w.at += (std::to_integer<std::size_t>(packet[w.at + 1]) + 2) * 4;
  if (packet.size() - w.at < kEspHeader) return Cause::truncated;
  Flow* const esp = plane.find({pfkey::SaType::esp, get<std::uint32_t>(packet, w.at), w.h.dst});
  if (!esp) return Cause::no_sa;
  if (!joined(*w.flow, *esp)) return Cause::bundle;
  if (!esp->receives.load(std::memory_order_relaxed) || !esp->usable.load()) return Cause::not_usable;
  if (esp->tunnel && !w.flow->tunnel) {
    Headers made = w.h;
    made.upper = kEsp;
    if (!w.flow->selectors.match(made)) return Cause::selector;
  }
  w.flow = esp;
  return Cause::none;
}

}  // namespace ipseckey::traffic
