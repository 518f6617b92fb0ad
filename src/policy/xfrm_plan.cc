// From rules to the kernel's policies:
// 1. place_of() finds where a rule applies: the host, or a tunnel, whose ends, marks and if_id the interface may know.
// 2. packets_of() spells the packets of a rule in the kernel's terms: a selector for each family, each protocol that
//    has ports, and each aligned piece of a range of ICMP types and codes.
// 3. xfrm_demand.h has the templates; policies_of() combines all three for each direction: out, in, and fwd for what
//    forwarded packets meet: tunnels, and the exceptions from them.
// 4. fragment_blocks() closes what forwarded fragments would slip through; remarks_of() says what the kernel does
//    otherwise.
// 5. xfrm_plan() goes through the rules, leaves out what an earlier rule has already, and keeps ::1 reachable.
#include "policy/xfrm_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <ranges>
#include <set>

#include "pfkey/icmp.h"
#include "policy/forwarded.h"
#include "policy/xfrm_demand.h"

namespace ipseckey::policy {
namespace {

const Prefix kLoopback{*parse_address("::1"), 128};

// ---- where a rule applies

struct Place {
  std::optional<TunnelEnds> ends;
  std::vector<std::uint8_t> outer;  // Of a rule about the tunnel's own packets.
  std::uint32_t if_id = 0, mark_out = 0, mark_in = 0;
  bool bound = false;  // The kernel keeps the rule to packets of the tunnel.
};

const std::optional<TunnelEnds>& own_ends(const Rule& rule) { return rule.alternatives[0].protection.ends; }

Result<Place> place_of(const Rule& rule, const PlanSurroundings& around) {
  Place place;
  place.ends = own_ends(rule);
  if (rule.if_id) place.if_id = *rule.if_id;
  if (!rule.tunnel) return place;
  const Result<TunnelLink> link = around.link(rule.tunnel->name);
  const bool enough = rule.tunnel->whole_packets && place.ends;
  if (!link && !enough) return std::unexpected(link.error());
  if (link) {
    if (!place.ends) place.ends = link->ends;
    if (!rule.if_id) place.if_id = link->if_id;
    place.mark_out = link->mark_out, place.mark_in = link->mark_in;
    place.outer = link->protocols;
  }
  const bool demands = rule.alternatives[0].action == Action::ipsec || !rule.tunnel->whole_packets;
  place.bound = place.if_id != 0 || place.mark_out != 0;
  if (!place.ends && demands)
    return fail(
        Errc::unsupported,
        fmt::format("the interface {} has no ends of its own: write them as `tsrc` and `tdst`", rule.tunnel->name));
  if (!rule.tunnel->whole_packets && place.outer.empty())
    return fail(Errc::unsupported,
                fmt::format("the interface {} ({}) has no packets of its own that transport mode could protect: write "
                            "`negotiate tunnel`",
                            rule.tunnel->name, link->kind));
  return place;
}

// ---- the packets of a rule

// A selector before it is known which way it looks.
struct Packets {
  Prefix local, remote;
  std::uint8_t protocol = 0;
  MaskedPort local_port, remote_port;  // ICMP: type and code, both ways.
  bool operator==(const Packets&) const = default;
};

std::vector<MaskedPort> masks_of(const std::optional<NumberRange>& range) {
  return range ? policy::masks_of(*range) : std::vector{MaskedPort{}};
}

// With both addresses of one family, or with any addresses of either.
std::vector<std::pair<Prefix, Prefix>> addresses_of(const Selector& s) {
  std::vector<std::pair<Prefix, Prefix>> list;
  for (const Family family : {Family::v4, Family::v6}) {
    const Prefix any{unspecified(family), 0};
    const Prefix local = s.local.value_or(any), remote = s.remote.value_or(any);
    if (local.address.family == family && remote.address.family == family) list.emplace_back(local, remote);
  }
  return list;
}

MaskedPort exactly(const std::optional<std::uint16_t>& port) {
  return port ? MaskedPort{*port, UINT16_MAX} : MaskedPort{};
}

std::vector<Packets> packets_of(const Selector& s) {
  std::vector<std::uint8_t> protocols = {s.protocol.value_or(0)};
  // Without a protocol the kernel would compare ports with ICMP types, too.
  if (!s.protocol && (s.local_port || s.remote_port)) protocols = protocols_with_ports();
  const bool icmp = s.icmp_type || s.icmp_code;
  const std::vector<MaskedPort> types = masks_of(s.icmp_type), codes = masks_of(s.icmp_code);
  std::vector<Packets> list;
  for (const auto& [local, remote] : addresses_of(s))
    for (const std::uint8_t protocol : protocols) {
      const Packets one{local, remote, protocol, exactly(s.local_port), exactly(s.remote_port)};
      if (!icmp) list.push_back(one);
      if (!icmp) continue;
      for (const MaskedPort& type : types)
        for (const MaskedPort& code : codes) {
          list.push_back(one);
          list.back().local_port = type, list.back().remote_port = code;
        }
    }
  return list;
}

// What the packets of a rule are compared with when they pass through in fragments: the kernel takes their ports for 0,
// even in the first, and unfragmented packets have other ports. Of ICMP that is an echo reply; ICMPv6 has no type 0.
std::vector<Packets> fragments_of(const Selector& s) {
  static constexpr MaskedPort kZero{0, UINT16_MAX};
  std::vector<Packets> list;
  for (Packets p : packets_of(s)) {
    if (p.protocol == pfkey::kProtoIcmp) continue;
    p.local_port = p.remote_port = kZero;
    if (std::ranges::find(list, p) == list.end()) list.push_back(p);
  }
  return list;
}

std::vector<Packets> outer_packets(const Place& place) {
  const auto whole = [](const Address& a) { return Prefix{a, static_cast<std::uint8_t>(a.bits())}; };
  std::vector<Packets> list;
  list.reserve(place.outer.size());
  for (const std::uint8_t protocol : place.outer)
    list.push_back({whole(place.ends->local), whole(place.ends->remote), protocol, {}, {}});
  return list;
}

XfrmSelector selector_of(const Packets& p, XfrmDirection direction) {
  XfrmSelector s;
  s.protocol = p.protocol;
  s.source = p.local, s.destination = p.remote;
  s.source_port = p.local_port, s.destination_port = p.remote_port;
  if (direction == XfrmDirection::out) return s;
  std::swap(s.source, s.destination);
  if (!pfkey::is_icmp(p.protocol)) std::swap(s.source_port, s.destination_port);
  return s;
}

// ---- the policies of a rule

// `passing`: packets that come in and pass on meet it.
std::vector<XfrmDirection> directions_of(const Rule& rule, bool passing) {
  std::vector<XfrmDirection> list;
  if (rule.out) list.push_back(XfrmDirection::out);
  if (rule.in) list.push_back(XfrmDirection::in);
  if (rule.in && passing) list.push_back(XfrmDirection::fwd);
  return list;
}

XfrmPolicyName name_of(const Rule& rule, const Place& place, const Packets& packets, XfrmDirection direction) {
  XfrmPolicyName name{direction, selector_of(packets, direction), 0, 0, place.if_id};
  const std::uint32_t own = direction == XfrmDirection::out ? place.mark_out : place.mark_in;
  if (rule.mark) {
    name.mark = rule.mark->value, name.mark_mask = rule.mark->mask;
  } else if (own != 0) {
    name.mark = own, name.mark_mask = UINT32_MAX;
  }
  return name;
}

Result<std::vector<XfrmPolicy>> policies_of(const Rule& rule, const Place& place, Forwarded forwarded) {
  std::optional<XfrmDemand> demand;
  if (rule.alternatives[0].action == Action::ipsec) {
    auto demanded = xfrm_demand(rule);
    if (!demanded) return std::unexpected(demanded.error());
    demand = *demanded;
  }
  const bool outer = rule.tunnel && !rule.tunnel->whole_packets;
  const bool tunnel = demand ? demand->tunnel : rule.tunnel && !outer;
  std::vector<XfrmPolicy> list;
  for (const Packets& packets : outer ? outer_packets(place) : packets_of(rule.selector))
    for (const XfrmDirection direction : directions_of(rule, tunnel || forwarded.in)) {
      XfrmPolicy& policy = list.emplace_back();
      policy.name = name_of(rule, place, packets, direction);
      policy.block = rule.alternatives[0].action == Action::drop;
      if (demand)
        policy.templates =
            demand->templates(direction, policy.name.selector.family(), place.ends.value_or(TunnelEnds{}));
    }
  return list;
}

bool is_strong(const Rule& rule) {
  const Alternative& first = rule.alternatives[0];
  return first.action == Action::drop || (first.action == Action::ipsec && !first.protection.may_be_clear);
}

// Whether it names what fragments do not have.
bool is_finer(const Selector& s) { return s.local_port || s.remote_port || s.icmp_type || s.icmp_code; }

// Fragments that this host would forward past the rule are blocked: their ports may be those of the rule. `met`: of
// met_on_kernel().
std::vector<XfrmPolicy> fragment_blocks(const Rule& rule, const Place& place, Forwarded met) {
  std::vector<XfrmPolicy> list;
  if (!is_finer(rule.selector) || !is_strong(rule)) return list;
  for (const Packets& packets : fragments_of(rule.selector))
    for (const auto& [is, direction] : {std::pair(met.out, XfrmDirection::out), std::pair(met.in, XfrmDirection::fwd)})
      if (is) list.push_back({name_of(rule, place, packets, direction), 0, true, {}});
  return list;
}

// ---- remarks

std::vector<std::string> remarks_of(const Rule& rule, const Place& place, const PlanSurroundings& around,
                                    Forwarded about, bool blocks) {
  std::vector<std::string> list;
  const Forwarded met = met_on_kernel(rule, about);
  const Action action = rule.alternatives[0].action;
  if (action == Action::ipsec) list = demand_remarks(rule);
  if (action == Action::pass && rule.in && !rule.tunnel)
    list.emplace_back("packets that come protected in transport mode are accepted, too");
  if (around.forwards && action != Action::pass && met.out && !about.out && !rule.tunnel)
    list.emplace_back("packets that this host forwards meet it as well: give `laddr`");
  if (around.forwards && is_finer(rule.selector) && is_strong(rule) && (met.out || met.in))
    list.emplace_back(
        blocks ? "fragments that this host forwards have no ports, even the first: those that may be about it are "
                 "dropped, unless they are joined before, as nf_conntrack does"
               : "fragments of packets that this host forwards, even the first, do not meet it, as it names ports or "
                 "types: a rule behind it for the same addresses and without these is about them");
  if (rule.tunnel && rule.tunnel->whole_packets && !place.bound)
    list.emplace_back(
        "the kernel compares the addresses inside and not the interface, and lets other packets pass it; an "
        "interface of type xfrm binds the rule to it");
  return list;
}

bool can_be_v6(const Selector& s) {
  return (!s.local || s.local->address.family == Family::v6) && (!s.remote || s.remote->address.family == Family::v6);
}

bool of_this_host(const Rule& rule) { return !rule.tunnel && !rule.mark && rule.if_id.value_or(0) == 0; }

bool about_loopback(const Rule& rule) {
  const auto has = [](const std::optional<Prefix>& p) { return !p || p->contains(kLoopback); };
  return is_strong(rule) && of_this_host(rule) && can_be_v6(rule.selector) && has(rule.selector.local) &&
         has(rule.selector.remote);
}

bool names_loopback(const Rule& rule) { return rule.selector.local == kLoopback || rule.selector.remote == kLoopback; }

// The kernel exempts the loopback interface from policies for IPv4 only.
void keep_loopback(XfrmPlan& plan) {
  for (const XfrmDirection direction : {XfrmDirection::out, XfrmDirection::in}) {
    XfrmPolicy pass;
    pass.name.direction = direction;
    pass.name.selector.source = pass.name.selector.destination = kLoopback;
    const auto same = [&](const PlannedPolicy& p) { return p.policy.name == pass.name; };
    if (std::ranges::none_of(plan.policies, same)) plan.policies.push_back({kNoRule, pass});
  }
}

}  // namespace

bool XfrmPlan::refused() const { return std::ranges::any_of(remarks, &PlanRemark::refused); }

std::vector<MaskedPort> masks_of(const NumberRange& range) {
  std::vector<MaskedPort> list;
  unsigned at = range.first;
  const unsigned end = range.last + 1u;
  if (range == NumberRange{}) return {MaskedPort{}};
  while (at < end) {
    unsigned size = 1;
    while (at % (2 * size) == 0 && at + 2 * size <= end) size *= 2;
    list.push_back({static_cast<std::uint16_t>(at), static_cast<std::uint16_t>(~(size - 1))});
    at += size;
  }
  return list;
}

XfrmPlan xfrm_plan(std::span<const Rule> rules, const PlanSurroundings& around) {
  XfrmPlan plan;
  std::set<XfrmPolicyName> names;
  const std::vector<Forwarded> forwarded = about_forwarded(rules);
  bool loopback = false, named = false;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Rule& rule = rules[i];
    const Result<Place> place = place_of(rule, around);
    auto policies = place ? policies_of(rule, *place, forwarded[i]) : std::unexpected(place.error());
    if (!policies) {
      plan.remarks.push_back({i, true, policies.error().text});
      continue;
    }
    // Without a local address, a rule of the host's own packets catches forwarded ones only by accident.
    const bool about = forwarded[i].out || forwarded[i].in || rule.tunnel;
    std::vector<XfrmPolicy> blocks;
    if (around.forwards && about) blocks = fragment_blocks(rule, *place, met_on_kernel(rule, forwarded[i]));
    for (std::string& text : remarks_of(rule, *place, around, forwarded[i], !blocks.empty()))
      plan.remarks.push_back({i, false, std::move(text)});
    if (!loopback && about_loopback(rule)) {
      named = named || names_loopback(rule);
      loopback = !names_loopback(rule);
      if (loopback && named) plan.loopback_before = i;
    }
    std::ranges::move(blocks, std::back_inserter(*policies));
    for (XfrmPolicy& policy : *policies)
      if (names.insert(policy.name).second) plan.policies.push_back({i, std::move(policy)});
  }
  if (loopback) keep_loopback(plan);
  return plan;
}

}  // namespace ipseckey::policy
