#include "traffic/detail/loop.h"

#include "traffic/detail/wrap.h"
#include "traffic/hash.h"

namespace ipseckey::traffic {
namespace {

std::uint64_t seconds_of(Instant t) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(t.steady).count());
}

std::uint64_t place_of(std::uint32_t tag, std::uint64_t seconds) { return std::uint64_t{tag} << 32 | (seconds + 1); }

// The identification of a datagram's fragments (RFC 791 section 3.1, RFC 8200 section 4.5).
std::uint32_t tag_of(const Headers& h, Bytes packet) {
  const bool v4 = h.dst.family == Family::v4;
  Hasher hash;
  hash.add(h.src), hash.add(h.dst);
  hash.add(v4 ? std::uint64_t{get<std::uint16_t>(packet, 4)} : get<std::uint32_t>(packet, h.upper_next_at + 4));
  return hash.value();
}

// ESP in UDP has an SPI there; a key manager's message has 0, and a keepalive is shorter (RFC 3948 section 2).
bool holds_esp(const Headers& h, Bytes packet) {
  const Bytes payload = packet.first(h.total).subspan(std::min(h.upper_at + 8, h.total));
  return payload.size() >= 4 && get<std::uint32_t>(payload, 0) != 0;
}

// `returned`: nullptr for packets that are not between the SA's own ends.
bool is_own_udp(const Flow& flow, const Headers& h, Bytes packet, Returned* returned, Instant now) {
  if (h.later_fragment) return returned && returned->contains(tag_of(h, packet), now);
  const Place* const moved = flow.sends_to();
  if (h.src_port != pfkey::nat_port(flow.local) || h.dst_port != (moved ? moved->port : pfkey::nat_port(flow.remote)) ||
      !holds_esp(h, packet))
    return false;
  if (h.fragment && returned) returned->add(tag_of(h, packet), now);
  return true;
}

// In transport mode the packet's own addresses remain.
bool same_ends(const Flow& flow, const Headers& h) {
  const Place* const moved = flow.udp ? flow.sends_to() : nullptr;
  const Address& dst = moved ? moved->address : flow.id.dst;
  return !flow.tunnel || (h.dst == dst && (is_unspecified(flow.src) || h.src == flow.src));
}

}  // namespace

void Returned::add(std::uint32_t tag, Instant now) {
  places_[tag % kPlaces].store(place_of(tag, seconds_of(now)), std::memory_order_relaxed);
}

bool Returned::contains(std::uint32_t tag, Instant now) const {
  const std::uint64_t place = places_[tag % kPlaces].load(std::memory_order_relaxed);
  const std::uint64_t newest = place_of(tag, seconds_of(now));
  return place >> 32 == tag && place <= newest && newest - place <= static_cast<std::uint64_t>(kKept.count());
}

Nesting nesting(const Flow& flow, const Headers& h, Bytes packet, Returned& returned, Instant now) {
  const bool naked = h.upper == kEsp || h.upper == kAh;
  if (!naked && !(h.upper == kUdp && flow.udp)) return Nesting::none;
  const bool same = same_ends(flow, h);
  if (!naked && !is_own_udp(flow, h, packet, same ? &returned : nullptr, now)) return Nesting::none;
  if (!same) return h.hop_limit > 1 ? Nesting::inside : Nesting::back;
  // An SA that names AH or ESP and adds the other one is meant for exactly that: AH around ESP.
  // A tunnel forwards the packet; in transport mode its hop limit is unchanged.
  const std::uint8_t outermost = flow.bundle != 0 ? kAh : protocol_of(flow);
  const bool meant =
      naked && flow.selectors.protocol == h.upper && outermost != h.upper && (!flow.tunnel || h.hop_limit > 1);
  return meant ? Nesting::inside : Nesting::back;
}

}  // namespace ipseckey::traffic
