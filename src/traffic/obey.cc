// What rules do with an outbound packet:
// 1. head_of(): whose rules are asked, those of the host or those of a tunnel.
// 2. obey() remembers the decision with the connection. It holds as long as neither the SAs nor the rules change
//    (Memory::Entry::generation), so other packets cost one comparison.
// 3. decide() finds the rule. To protect, choose_for() takes the newest SA that fits one of its alternatives.
// 4. `sa unique`: an SA belongs to the connection that took it first. Two threads that choose at once both look again
//    after they have marked the SA; at least one of them sees the other's mark, and takes another SA.
// 5. Fragments: if a rule that names ports may be about them, the whole datagram decides.
#include "pfkey/icmp.h"
#include "traffic/detail/ruled.h"
#include "traffic/worker.h"

namespace ipseckey::traffic {
namespace {

using policy::Direction;
using RuleIndex = policy::Lookup;
using policy::Outcome;

bool usable(const Memory::Entry& e) { return e.flow->usable.load() && (!e.around || e.around->usable.load()); }

// False: another connection has it.
bool claim(Flow& flow, std::uint64_t tag) {
  std::uint64_t owner = 0;
  if (!flow.owner.compare_exchange_strong(owner, tag)) return owner == tag;
  if (!flow.chosen.load()) return true;
  flow.owner.store(0);
  return false;
}

bool belongs_to_other(const Flow& flow, std::uint64_t tag) {
  const std::uint64_t owner = flow.owner.load();
  return owner != 0 && owner != tag;
}

}  // namespace

RuleIndex::Head Worker::State::head_of(const Item& item) const {
  const Arrived& a = item.arrived;
  const auto tunnel = a.by_hook ? orders->lookup->tunnel(a.link) : orders->device;
  if (tunnel) return *tunnel;
  return a.forwarded ? RuleIndex::kForwarded : RuleIndex::kHost;
}

Memory::Entry& Worker::State::obey(const Item& item, Memory::Entry& e, const Headers& h) {
  const RuleIndex::Head head = head_of(item);
  const bool same = e.generation == began && e.rules == orders->serial && e.head == head &&
                    e.mark == item.arrived.mark && e.by_hook == item.arrived.by_hook;
  if (same && (e.flow ? usable(e) : e.verdict != Cause::no_sa)) return e;
  e.generation = began, e.rules = orders->serial, e.head = head;
  e.mark = item.arrived.mark, e.by_hook = item.arrived.by_hook;
  decide(e, item, h);
  return e;
}

void Worker::State::decide(Memory::Entry& e, const Item& item, const Headers& h) const {
  const RuleIndex& lookup = *orders->lookup;
  e.flow = e.around = nullptr;
  e.verdict = Cause::no_sa;
  const auto found = lookup.find(probe_of(h, Direction::out, item.arrived.mark), Direction::out, e.head);
  e.rule = found;
  Chosen chosen_sa{};
  if (!found) {
    if (lookup.discards_the_rest(e.head))
      e.verdict = Cause::no_rule;
    else if (item.arrived.by_hook)
      e.verdict = Cause::clear;
    else
      chosen_sa = chosen(h);
  } else {
    const policy::Rule& rule = lookup.rules()[*found];
    const Outcome wanted = outcome(rule, Direction::out);
    if (wanted == Outcome::clear) e.verdict = Cause::clear;
    if (wanted == Outcome::discard) e.verdict = Cause::by_rule;
    if (wanted == Outcome::protect || wanted == Outcome::protect_or_clear) chosen_sa = choose_for(rule, h);
    if (wanted == Outcome::protect_or_clear && !chosen_sa.flow) e.verdict = Cause::clear;
  }
  e.flow = chosen_sa.flow, e.around = chosen_sa.around;
  for (Flow* const flow : {e.flow, e.around})
    if (flow) flow->chosen.store(true);
}

std::uint64_t Worker::State::tag_of(const Headers& h) const {
  const std::uint64_t ports = std::uint64_t{h.src_port.value_or(0)} << 16 | h.dst_port.value_or(0);
  return plane.tags(h.src, h.dst, (pfkey::is_icmp(h.upper) ? 0 : ports) << 8 | h.upper) | 1;
}

// In a pair, ESP is the one that is chosen.
Worker::State::Fit Worker::State::fit_of(const policy::Rule& rule, const Flow& flow, const Headers& h,
                                         std::uint64_t tag) const {
  if (belongs_to_other(flow, tag)) return {};
  const bool free = flow.owner.load() == 0;
  const policy::SaFacts facts = flow.facts();
  for (const policy::Alternative& a : rule.alternatives) {
    if (a.action != policy::Action::ipsec) continue;
    const policy::Protection& p = a.protection;
    const bool pair = p.ah && p.esp();
    if (pair ? flow.id.satype == pfkey::SaType::ah : flow.bundle != 0) continue;
    if (p.unique && free && flow.chosen.load()) continue;
    if (!objections(rule, p, Direction::out, facts).empty()) continue;
    Flow* const around = pair ? companion_for(rule, p, flow, h, tag) : nullptr;
    if (!pair || around) return {true, around, p.unique};
  }
  return {};
}

Flow* Worker::State::newest_for(const policy::Rule& rule, const Headers& h, std::uint64_t tag) const {
  const auto find = [&](auto wanted) {
    return plane.choice.find(h, [&](const Flow& f) { return wanted(f) && fit_of(rule, f, h, tag).fits; });
  };
  if (plane.owners.load())
    if (Flow* const own = find([&](const Flow& f) { return f.owner.load() == tag; })) return own;
  if (Flow* const with_source = find([](const Flow& f) { return !is_unspecified(f.src); })) return with_source;
  return find([](const Flow&) { return true; });
}

Worker::State::Chosen Worker::State::choose_for(const policy::Rule& rule, const Headers& h) const {
  const std::uint64_t tag = tag_of(h);
  for (;;) {
    Flow* const flow = newest_for(rule, h, tag);
    if (!flow) return {};
    const Fit fit = fit_of(rule, *flow, h, tag);
    if (!fit.fits) continue;  // Another thread has just taken it.
    if (fit.unique) {
      plane.owners.store(true);
      if (claim(*flow, tag) && (!fit.around || claim(*fit.around, tag))) return {flow, fit.around};
      continue;
    }
    flow->chosen.store(true);
    if (fit.around) fit.around->chosen.store(true);
    if (!belongs_to_other(*flow, tag) && !(fit.around && belongs_to_other(*fit.around, tag))) return {flow, fit.around};
  }
}

bool Worker::State::ruled_as_fragment(Work& w) {
  const policy::Probe probe = probe_of(w.h, Direction::out, w.item->arrived.mark);
  if (orders->lookup->find_possible(probe, Direction::out, head_of(*w.item))) return false;
  if (plane.choice.names_ports(w.h.dst.family)) return false;
  const Memory::Entry& entry = obey(*w.item, outgoing.at(w.h), w.h);
  return entry.flow ? entry.flow->tunnel : entry.verdict != Cause::no_sa;
}

// For the first protection that the rule names.
void Worker::State::ask_as_ruled(const Item& item, const Headers& h) {
  const RuleIndex& lookup = *orders->lookup;
  const auto found = lookup.find(probe_of(h, Direction::out, item.arrived.mark), Direction::out, head_of(item));
  if (!found) {
    if (!item.arrived.by_hook) ask_for(h);
    return;
  }
  for (const policy::Alternative& a : lookup.rules()[*found].alternatives) {
    if (a.action != policy::Action::ipsec) continue;
    const policy::Protection& p = a.protection;
    engine::Wanted wanted{.satype = p.esp() ? pfkey::SaType::esp : pfkey::SaType::ah,
                          .src = {.address = h.src},
                          .dst = {.address = h.dst},
                          .inner_src = {},
                          .inner_dst = {}};
    if (p.ends) {
      const auto whole = [](const Address& address) {
        return pfkey::Endpoint{.prefix = static_cast<std::uint8_t>(address.bits()), .address = address};
      };
      wanted.inner_src = whole(h.src), wanted.inner_dst = whole(h.dst);
      wanted.src.address = p.ends->local, wanted.dst.address = p.ends->remote;
    }
    attention |= desk.questions.push(wanted);
    return;
  }
}

}  // namespace ipseckey::traffic
