#include "prove/facts.h"

#include <algorithm>

#include "pfkey/algorithms.h"

namespace ipseckey::prove {
namespace {

using policy::Direction;
using policy::Fate;

std::uint64_t grown(const Counters& before, const Counters& after, std::string_view names) {
  std::uint64_t sum = 0;
  while (!names.empty()) {
    const std::string name(names.substr(0, names.find(' ')));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    const auto now = after.find(name), then = before.find(name);
    const std::uint64_t was = then == before.end() ? 0 : then->second;
    if (now != after.end() && now->second > was) sum += now->second - was;
  }
  return sum;
}

const policy::Serving& serving(const Facts& f, Direction d) { return d == Direction::out ? f.out : f.in; }

// The SAs of the alternative that is used, AH before ESP, as they are on the wire.
std::vector<const SaView*> used(const Facts& f, Direction d) {
  std::vector<const SaView*> all;
  const policy::Serving& s = serving(f, d);
  for (const policy::Need& need : s.needs) {
    if (s.used && need.alternative != *s.used) continue;
    const policy::Candidate* c = need.first(Fate::serves);
    if (!c && d == Direction::out) c = need.first(Fate::breaks);
    if (c) all.insert(need.type == pfkey::SaType::ah ? all.begin() : all.end(), &f.sas[c->sa]);
  }
  return all;
}

bool sealed_by(const Sighting& s, const SaView& sa) {
  const auto& seal = sa.held.facts.type == pfkey::SaType::ah ? s.ah : s.esp;
  return seal && seal->spi == sa.held.facts.spi;
}

}  // namespace

SaView view_of(const pfkey::Message& m) {
  SaView v;
  v.held = policy::held_sa(m);
  v.window = m.window(), v.esn = m.extended();
  v.udp = m.natt_local || m.natt_remote;
  const auto* const mac = pfkey::find_algorithm(pfkey::AlgorithmKind::auth, v.held.facts.auth);
  const auto* const cipher = pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, v.held.facts.encrypt);
  v.integrity = !pfkey::without_integrity(cipher, mac);
  const auto* const maker = mac ? mac : cipher;
  v.icv_bits = static_cast<std::uint16_t>(m.icv ? m.icv->value : maker ? maker->icv * 8u : 0);
  if (v.udp) v.src_port = pfkey::nat_port(m.natt_local), v.dst_port = pfkey::nat_port(m.natt_remote);
  if (m.replay_value) v.number = m.replay_value->number();
  if (m.current) v.current = *m.current;
  if (m.hard) v.hard = *m.hard;
  if (m.traffic) v.traffic = *m.traffic;
  return v;
}

const SaView* sa_of(const Facts& f, Direction direction) {
  const auto all = used(f, direction);
  return all.empty() ? nullptr : all.front();
}

std::optional<std::uint32_t> spi_of(const Facts& f, Direction direction) {
  const SaView* const sa = sa_of(f, direction);
  return sa ? std::optional(sa->held.facts.spi) : std::nullopt;
}

bool as_modelled(const Facts& f, const Sighting& s) {
  if (!s.sealed()) return false;
  if (s.out) {
    const auto all = used(f, Direction::out);
    return !all.empty() && std::ranges::all_of(all, [&](const SaView* sa) { return sealed_by(s, *sa); });
  }
  // Inbound, each SA that the rule accepts.
  for (const policy::Need& need : f.in.needs)
    for (const policy::Candidate& c : need.candidates)
      if ((c.fate == Fate::serves || c.fate == Fate::older) && sealed_by(s, f.sas[c.sa])) return true;
  return false;
}

bool in_clear(const Facts& f, const Sighting& s) {
  if (s.sealed()) return false;
  if (s.ours) return s.ours->kind == Kind::probe || s.ours->kind == Kind::echo;
  // TCP carries no marker: it is known by its numbers, whatever NAT did to it, or by its addresses and ports.
  if (s.complaint || s.protocol != f.flow.protocol || s.protocol != pfkey::kProtoTcp) return false;
  if (f.first_number && s.out && s.number - *f.first_number <= 1) return true;
  if (f.first_number && !s.out && s.next - *f.first_number == 1) return true;
  const Address &here = s.out ? s.from : s.to, &there = s.out ? s.to : s.from;
  const std::uint16_t mine = s.out ? s.from_port : s.to_port, its = s.out ? s.to_port : s.from_port;
  return here == f.flow.local && there == f.flow.remote && mine == f.flow.local_port && its == f.flow.remote_port;
}

std::uint64_t grown_here(const Facts& f, std::string_view names) { return grown(f.before, f.after, names); }

std::uint64_t grown_there(const Facts& f, std::string_view names) {
  return f.there && f.there_before ? grown(f.there_before->counters, f.there->counters, names) : 0;
}

}  // namespace ipseckey::prove
