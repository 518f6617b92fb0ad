// What rules demand of an inbound packet:
// 1. permit(): of one that an SA has opened. examine() compares the SAs with the rule, part by part as Solaris does:
//    AH and ESP exactly as demanded, neither more nor less, and with them everything that policy::objections()
//    compares. The answer is remembered with the connection.
// 2. admit(): of one that arrived in clear.
// 3. A fragment has no ports: it is refused if an earlier rule that names them may be about it, and would refuse it.
#include <algorithm>
#include <array>

#include "traffic/detail/ruled.h"
#include "traffic/worker.h"

namespace ipseckey::traffic {
namespace {

using policy::Direction;
using RuleIndex = policy::Lookup;
using policy::Objection;
using policy::Outcome;

/// The protection that a packet had.
struct Under {
  const Flow* ah = nullptr;
  const Flow* esp = nullptr;
};

Under under(const Work& w) {
  if (w.flow->id.satype == pfkey::SaType::ah) return {.ah = w.flow, .esp = nullptr};
  return {.ah = w.around.flow, .esp = w.flow};
}

/// The cause that names an objection; the first that applies counts.
struct Named {
  Objection objection;
  Cause cause;
};
constexpr std::array kNamed = {
    Named{Objection::protocol, Cause::bad_sa},
    Named{Objection::ah_algorithm, Cause::bad_ahalg},
    Named{Objection::ah_short, Cause::bad_ahalg},
    Named{Objection::ah_long, Cause::bad_ahalg},
    Named{Objection::cipher, Cause::bad_espealg},
    Named{Objection::cipher_short, Cause::bad_espealg},
    Named{Objection::cipher_long, Cause::bad_espealg},
    Named{Objection::integrity, Cause::bad_espaalg},
    Named{Objection::integrity_short, Cause::bad_espaalg},
    Named{Objection::integrity_long, Cause::bad_espaalg},
    Named{Objection::mode, Cause::bad_sa},
    Named{Objection::ends, Cause::bad_sa},
    Named{Objection::addresses, Cause::bad_sa},
    Named{Objection::inner_addresses, Cause::bad_sa},
    Named{Objection::reqid, Cause::bad_sa},
    Named{Objection::spi, Cause::bad_sa},
    Named{Objection::mark, Cause::bad_sa},
    Named{Objection::if_id, Cause::bad_sa},
};
static_assert(kNamed.size() == policy::kObjections);

Cause cause_of(policy::Objections against) {
  const auto named = std::ranges::find_if(kNamed, [&](const Named& n) { return against.has(n.objection); });
  return named == kNamed.end() ? Cause::none : named->cause;
}

// What AH around ESP must be besides its algorithm follows from the ESP.
Cause fault_of(const policy::Rule& rule, const policy::Protection& p, const Under& had) {
  using enum Objection;
  if (p.ah && !had.ah) return Cause::bad_ahalg;
  if (!p.ah && had.ah) return Cause::got_ah;
  if (p.esp() && !had.esp) return p.cipher ? Cause::bad_espealg : Cause::bad_espaalg;
  if (!p.esp() && had.esp) return Cause::got_esp;
  if (had.ah) {
    const auto against = objections(rule, p, Direction::in, had.ah->facts());
    const auto counted = had.esp ? against.without({mode, ends, addresses, inner_addresses}) : against;
    if (const Cause cause = cause_of(counted); cause != Cause::none) return cause;
  }
  return had.esp ? cause_of(objections(rule, p, Direction::in, had.esp->facts())) : Cause::none;
}

// Of several alternatives, the fault of the first is reported.
Cause fault_of(const policy::Rule& rule, const Under& had) {
  std::optional<Cause> first;
  for (const policy::Alternative& a : rule.alternatives) {
    if (a.action != policy::Action::ipsec) continue;
    const Cause cause = fault_of(rule, a.protection, had);
    if (cause == Cause::none) return cause;
    if (!first) first = cause;
  }
  return first.value_or(Cause::got_secure);
}

Cause fault_of_protected(const policy::Rule& rule, const Under& had) {
  switch (outcome(rule, Direction::in)) {
    case Outcome::clear:
      return Cause::got_secure;
    case Outcome::discard:
      return Cause::by_rule;
    case Outcome::protect:
    case Outcome::protect_or_clear:
      return fault_of(rule, had);
  }
  return Cause::got_secure;
}

bool without_ports(const Headers& h) { return h.fragment || h.later_fragment; }

struct Message {
  std::uint8_t type, first_code, last_code;
};
constexpr std::array kInClearV4 = {Message{0, 0, 255}, Message{3, 0, 1},    Message{3, 4, 4},    Message{4, 0, 255},
                                   Message{9, 0, 255}, Message{11, 0, 255}, Message{14, 0, 255}, Message{16, 0, 255}};
constexpr std::array<std::uint8_t, 2> kNotInClearV6 = {4, 128};  // Parameter problem, echo request.

}  // namespace

bool accepted_in_clear(Family family, std::uint8_t type, std::uint8_t code) {
  if (family == Family::v6) return std::ranges::find(kNotInClearV6, type) == kNotInClearV6.end();
  return std::ranges::any_of(
      kInClearV4, [&](const Message& m) { return m.type == type && m.first_code <= code && code <= m.last_code; });
}

// A fragment is judged without ports, so it shares no verdict with the whole packets of its connection, nor a first one
// with the others.
Cause Worker::State::permit(const Work& w, Memory::Entry& seen) const {
  if (without_ports(w.h)) return noted(examine(w), Direction::in);
  const std::uint32_t mark = w.item->arrived.mark;
  const bool same = seen.generation == began && seen.rules == orders->serial && seen.flow == w.flow &&
                    seen.around == w.around.flow && seen.mark == mark;
  if (!same) {
    seen.generation = began, seen.rules = orders->serial;
    seen.flow = w.flow, seen.around = w.around.flow, seen.mark = mark;
    const Judged judged = examine(w);
    seen.verdict = judged.cause, seen.rule = judged.rule;
  }
  return noted({seen.verdict, seen.rule}, Direction::in);
}

// A rule that refuses a packet counts it.
Cause Worker::State::noted(const Judged& judged, Direction direction) const {
  if (judged.cause == Cause::none || judged.cause == Cause::clear || !judged.rule) return judged.cause;
  if (policy::Tally* const tally = orders->lookup->tally(*judged.rule))
    tally->drop(direction, static_cast<std::uint8_t>(judged.cause));
  return judged.cause;
}

// What came through a tunnel belongs to the one with its ends, or to that which the device is.
Worker::State::Judged Worker::State::examine(const Work& w) const {
  const RuleIndex& lookup = *orders->lookup;
  RuleIndex::Head head = RuleIndex::kHost;
  if (w.flow->tunnel) {
    const auto between = lookup.tunnel_between(w.flow->id.dst, w.flow->src);
    head = between ? *between : orders->device.value_or(RuleIndex::kHost);
  }
  const policy::Probe probe = probe_of(w.h, Direction::in, w.item->arrived.mark);
  const auto found = lookup.find(probe, Direction::in, head);
  if (without_ports(w.h)) {
    const auto possible = lookup.find_possible(probe, Direction::in, head);
    if (possible && (!found || *possible < *found) &&
        fault_of_protected(lookup.rules()[*possible], under(w)) != Cause::none)
      return {Cause::fragment, possible};
  }
  if (!found) {
    if (lookup.discards_the_rest(head)) return {Cause::no_rule};
    return {plane.options.unruled == Unruled::drop ? Cause::got_secure : Cause::none};
  }
  if (const Cause cause = fault_of_protected(lookup.rules()[*found], under(w)); cause != Cause::none)
    return {cause, found};
  if (!plane.owners.load()) return {Cause::none};
  Headers back = w.h;
  std::swap(back.src, back.dst), std::swap(back.src_port, back.dst_port);
  const std::uint64_t owner = w.flow->owner.load();
  return {owner == 0 || owner == tag_of(back) ? Cause::none : Cause::selector, found};
}

Worker::State::Judged Worker::State::admit(const Item& item) const {
  const auto h = parse(item.packet.bytes());
  if (!h) return {Cause::malformed};
  const RuleIndex& lookup = *orders->lookup;
  const RuleIndex::Head head = head_of(item);
  const policy::Probe probe = probe_of(*h, Direction::in, item.arrived.mark);
  const auto found = lookup.find(probe, Direction::in, head);
  if (without_ports(*h)) {
    const auto possible = lookup.find_possible(probe, Direction::in, head);
    if (possible && (!found || *possible < *found)) return {Cause::fragment, possible};
  }
  if (!found) return {lookup.discards_the_rest(head) ? Cause::no_rule : Cause::none};
  const policy::Rule& rule = lookup.rules()[*found];
  const Outcome wanted = outcome(rule, Direction::in);
  if (wanted == Outcome::discard) return {Cause::by_rule, found};
  if (wanted != Outcome::protect) return {Cause::none};
  const bool excepted = plane.options.icmp_in_clear && !rule.selector.protocol && h->icmp_type && h->icmp_code;
  const bool accepted = excepted && accepted_in_clear(h->dst.family, static_cast<std::uint8_t>(*h->icmp_type),
                                                      static_cast<std::uint8_t>(*h->icmp_code));
  return {accepted ? Cause::none : Cause::got_clear, found};
}

void Worker::admit(std::span<Item> items, Instant) {
  State& s = *state_;
  const Epochs::Guard inside(s.plane.epochs, s.number);
  s.begin_call();
  for (Item& item : items) {
    item.cause = s.orders ? s.noted(s.admit(item), Direction::in) : Cause::none;
    if (item.cause != Cause::none) {
      s.desk.inbound.drop(item.cause);
    } else if (s.orders) {
      s.desk.inbound.let_go();
    }
  }
}

}  // namespace ipseckey::traffic
