// 1. held_sa() takes from an SA what choosing needs.
// 2. serve() makes a Need of each protocol that an alternative demands, and orders the SAs of that protocol as the
//    database tries them: the newest first, those that are dying last.
// 3. fate_of() compares one SA with the alternative (judge.h), with the direction, and with the packet.
// 4. The kernel does not compare algorithms of what it sends, and of what comes in only that of integrity. So what it
//    takes can break a rule: objected_by() separates what it compares from what only the rule says.
// 5. take_newest() leaves one SA for each pair of addresses; the others are older.
#include "policy/serving.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "pfkey/icmp.h"

namespace ipseckey::policy {
namespace {

using pfkey::SaType;

// A rule with one of its alternatives.
Rule only(const Rule& rule, std::size_t alternative) {
  Rule one = rule;
  one.alternatives = {rule.alternatives[alternative]};
  return one;
}

// Whether the kernel compares this before it takes an SA.
bool compared_by_kernel(Objection objection, Direction direction, const Protection& p) {
  using enum Objection;
  switch (objection) {
    case protocol:
    case mode:
    case ends:
    case addresses:
    case inner_addresses:
    case mark:
    case if_id:
    case spi:
      return true;
    case reqid:  // Without one, every SA is accepted.
      return direction == Direction::out || p.reqid.has_value();
    case ah_algorithm:
    case integrity:
      return direction == Direction::in;
    case ah_short:
    case ah_long:
    case cipher:
    case cipher_short:
    case cipher_long:
    case integrity_short:
    case integrity_long:
      return false;
  }
  return true;
}

bool port_fits(std::uint16_t of_sa, const std::optional<std::uint16_t>& of_packet) {
  return of_sa == 0 || of_sa == of_packet;
}

bool icmp_fits(std::uint16_t of_sa, const std::optional<std::uint8_t>& of_packet) {
  const auto number = pfkey::icmp_of_port(of_sa);
  return !number || number == of_packet;
}

bool is_for(const HeldSa& sa, const Flow& flow, Direction direction) {
  const bool out = direction == Direction::out;
  const Address& from = out ? flow.local : flow.remote;
  const Address& to = out ? flow.remote : flow.local;
  const bool any_src = !sa.facts.src || is_unspecified(*sa.facts.src);
  if (sa.facts.tunnel) {
    if (sa.facts.inner_src && !sa.facts.inner_src->contains(from)) return false;
    if (sa.facts.inner_dst && !sa.facts.inner_dst->contains(to)) return false;
  } else if (sa.facts.dst != to || (!any_src && *sa.facts.src != from)) {
    return false;
  }
  const std::uint8_t protocol = std::max(sa.src_selector.proto, sa.dst_selector.proto);
  if (protocol != 0 && protocol != flow.protocol) return false;
  if (pfkey::is_icmp(protocol))
    return icmp_fits(sa.src_selector.port, flow.icmp_type) && icmp_fits(sa.dst_selector.port, flow.icmp_code);
  return port_fits(sa.src_selector.port, out ? flow.local_port : flow.remote_port) &&
         port_fits(sa.dst_selector.port, out ? flow.remote_port : flow.local_port);
}

// Its fate without the other SAs.
Candidate fate_of(const Rule& one, Direction direction, const HeldSa& sa, Chooser chooser, const Flow* flow) {
  const Protection& p = one.alternatives[0].protection;
  Candidate c;
  c.objections = judge(one, direction, sa.facts)[0].objections;
  const bool taken = std::ranges::none_of(
      c.objections, [&](Objection o) { return chooser == Chooser::exact || compared_by_kernel(o, direction, p); });
  if (!taken) {
    c.fate = Fate::other;
  } else if (flow && !is_for(sa, *flow, direction)) {
    c.fate = Fate::other_packets;
  } else if (sa.direction && *sa.direction != direction) {
    c.fate = Fate::wrong_way;
  } else if (!sa.usable) {
    c.fate = Fate::not_usable;
  } else {
    c.fate = c.objections.empty() ? Fate::serves : Fate::breaks;
  }
  return c;
}

// Of what is sent, each pair of addresses uses one SA.
void take_newest(std::span<const HeldSa> sas, std::vector<Candidate>& candidates) {
  using Pair = std::tuple<std::optional<Address>, Address, std::optional<Prefix>, std::optional<Prefix>, std::uint8_t,
                          std::uint16_t, std::uint16_t>;
  std::set<Pair> taken;
  for (Candidate& c : candidates) {
    if (c.fate != Fate::serves && c.fate != Fate::breaks) continue;
    const HeldSa& sa = sas[c.sa];
    if (!taken
             .insert({sa.facts.src, sa.facts.dst, sa.facts.inner_src, sa.facts.inner_dst, sa.dst_selector.proto,
                      sa.src_selector.port, sa.dst_selector.port})
             .second)
      c.fate = Fate::older;
  }
}

// The first of all that fit one packet.
void take_first(std::vector<Candidate>& candidates) {
  bool taken = false;
  for (Candidate& c : candidates) {
    if (c.fate != Fate::serves && c.fate != Fate::breaks) continue;
    if (std::exchange(taken, true)) c.fate = Fate::older;
  }
}

std::vector<std::size_t> all_of(std::span<const HeldSa> sas) {
  std::vector<std::size_t> numbers(sas.size());
  for (std::size_t i = 0; i < sas.size(); ++i) numbers[i] = i;
  return numbers;
}

std::vector<std::size_t> newest_first(std::span<const HeldSa> sas, std::vector<std::size_t> numbers) {
  std::ranges::stable_sort(numbers, [&](std::size_t a, std::size_t b) {
    return std::pair(sas[a].dying, sas[b].added) < std::pair(sas[b].dying, sas[a].added);
  });
  return numbers;
}

// An SA that one alternative objects to breaks no rule if another alternative demands it.
void forgive(const Rule& rule, Direction direction, std::span<const HeldSa> sas, Need& need) {
  for (Candidate& c : need.candidates)
    if (c.fate == Fate::breaks && satisfies(judge(rule, direction, sas[c.sa].facts))) c.fate = Fate::other;
}

void conclude(Serving& serving) {
  std::optional<std::size_t> unserved;  // The last alternative that lacks an SA.
  for (const Need& need : serving.needs) {
    if (need.first(Fate::breaks)) serving.service = Service::broken;
    if (!need.first(Fate::serves)) unserved = need.alternative;
    const bool last = &need == &serving.needs.back() || (&need)[1].alternative != need.alternative;
    if (last && unserved != need.alternative && !serving.used) serving.used = need.alternative;
  }
  if (serving.service == Service::broken) return;
  serving.service = serving.used ? Service::served : Service::missing;
}

// The only peer of a rule.
std::optional<Address> peer_of(const Rule& rule) {
  std::optional<Address> peer;
  for (const Alternative& a : rule.alternatives) {
    if (a.action != Action::ipsec) continue;
    const std::optional<Prefix>& remote = rule.selector.remote;
    std::optional<Address> one;
    if (a.protection.ends) {
      one = a.protection.ends->remote;
    } else if (remote && remote->length == remote->address.bits() && !in_tunnel_mode(rule, a.protection)) {
      one = remote->address;
    }
    if (!one || (peer && *peer != *one)) return std::nullopt;
    peer = one;
  }
  return peer;
}

}  // namespace

SasByPeer::SasByPeer(std::span<const HeldSa> sas) : sas_(sas) {
  for (std::size_t i = 0; i < sas.size(); ++i) {
    to_[sas[i].facts.dst].push_back(i);
    const std::optional<Address>& src = sas[i].facts.src;
    from_[src && !is_unspecified(*src) ? src : std::nullopt].push_back(i);
  }
}

std::vector<std::size_t> SasByPeer::of(const Rule& rule, Direction direction) const {
  const auto peer = peer_of(rule);
  if (!peer) return all_of(sas_);
  std::vector<std::size_t> numbers;
  const auto take = [&](const auto& map, const auto& key) {
    if (const auto at = map.find(key); at != map.end())
      numbers.insert(numbers.end(), at->second.begin(), at->second.end());
  };
  if (direction == Direction::out) {
    take(to_, *peer);
  } else {
    take(from_, peer);
    take(from_, std::optional<Address>());
  }
  return numbers;
}

HeldSa held_sa(const pfkey::Message& m) {
  HeldSa sa;
  sa.facts = facts(m);
  if (m.current) sa.added = m.current->addtime;
  using enum pfkey::State;
  sa.usable = m.sa->state == mature || m.sa->state == dying || m.sa->state == active;
  sa.dying = m.sa->state == dying;
  const bool in = (m.sa->flags & pfkey::kFlagInbound) != 0, out = (m.sa->flags & pfkey::kFlagOutbound) != 0;
  if (in != out) sa.direction = in ? Direction::in : Direction::out;
  // A tunnel's outer addresses have the protocol of what is inside; its packets are those of the inner ones.
  const auto& src = sa.facts.tunnel ? m.inner_src : m.src;
  const auto& dst = sa.facts.tunnel ? m.inner_dst : m.dst;
  if (src) sa.src_selector = *src;
  if (dst) sa.dst_selector = *dst;
  return sa;
}

std::string_view words(Fate fate) {
  switch (fate) {
    case Fate::serves:
    case Fate::other:
      return "";
    case Fate::breaks:
      return "it is used although it is not what the rule demands";
    case Fate::not_usable:
      return "it is larval or dead";
    case Fate::wrong_way:
      return "it is for the other direction";
    case Fate::other_packets:
      return "it is for other packets: its addresses, protocol or ports differ";
    case Fate::older:
      return "there is a newer one, or one that is not dying";
  }
  return "";
}

const Candidate* Need::first(Fate fate) const {
  const auto found = std::ranges::find(candidates, fate, &Candidate::fate);
  return found == candidates.end() ? nullptr : &*found;
}

Serving serve(const Rule& rule, Direction direction, std::span<const HeldSa> sas, Chooser chooser, const Flow* flow,
              const SasByPeer* among) {
  Serving serving;
  if (!rule.has(direction)) return serving;
  const auto tried = newest_first(sas, among ? among->of(rule, direction) : all_of(sas));
  for (std::size_t i = 0; i < rule.alternatives.size(); ++i) {
    if (rule.alternatives[i].action != Action::ipsec) continue;
    const Rule one = only(rule, i);
    const Protection& p = one.alternatives[0].protection;
    for (const SaType type : {SaType::esp, SaType::ah}) {
      if (type == SaType::esp ? !p.esp() : !p.ah) continue;
      Need& need = serving.needs.emplace_back(Need{i, type, {}});
      for (const std::size_t number : tried) {
        if (sas[number].facts.type != type) continue;
        need.candidates.push_back(fate_of(one, direction, sas[number], chooser, flow));
        need.candidates.back().sa = number;
      }
      if (direction == Direction::out) flow ? take_first(need.candidates) : take_newest(sas, need.candidates);
      forgive(rule, direction, sas, need);
    }
  }
  if (!serving.needs.empty()) conclude(serving);
  return serving;
}

}  // namespace ipseckey::policy
