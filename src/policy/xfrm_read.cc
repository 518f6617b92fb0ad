// 1. read_selector() takes the addresses as they lie to this host, and ports or ICMP numbers where a rule has such.
// 2. read_templates() looks for ESP and AH, in this order, and names everything else in a remark.
// 3. A set of algorithms becomes an alternative for each of them.
#include "policy/xfrm_read.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "pfkey/algorithms.h"
#include "pfkey/icmp.h"

namespace ipseckey::policy {
namespace {

constexpr std::size_t kMostAlternatives = 20;

using Remarks = std::vector<std::string>;

std::optional<std::uint16_t> port_of(const MaskedPort& port, std::string_view which, Remarks& remarks) {
  if (port.mask == UINT16_MAX) return port.value;
  if (port.mask != 0)
    remarks.push_back(
        fmt::format("it is about several {} ports only: {:#x} under the mask {:#x}", which, port.value, port.mask));
  return std::nullopt;
}

// Of the bits of a mask only those of an octet count.
std::optional<NumberRange> range_of(const MaskedPort& port, std::string_view which, Remarks& remarks) {
  const unsigned open = ~unsigned{port.mask} & 0xffu;
  if (open == 0xff) return std::nullopt;
  const auto first = static_cast<std::uint8_t>(port.value & ~open & 0xffu);
  if ((open & (open + 1)) == 0) return NumberRange{first, static_cast<std::uint8_t>(first | open)};
  remarks.push_back(
      fmt::format("it is about some ICMP {}s only: {:#x} under the mask {:#x}", which, port.value, port.mask));
  return std::nullopt;
}

void read_ports(const XfrmSelector& s, bool out, Selector& selector, Remarks& remarks) {
  if (s.source_port.mask == 0 && s.destination_port.mask == 0) return;
  if (pfkey::is_icmp(s.protocol)) {
    selector.icmp_type = range_of(s.source_port, "type", remarks);
    selector.icmp_code = range_of(s.destination_port, "code", remarks);
    return;
  }
  if (s.has_gre_key()) {
    remarks.push_back(fmt::format("it is about the GRE key {:#x} only", s.gre_key()));
    return;
  }
  if (s.has_mobility_type()) {
    remarks.push_back(fmt::format("it is about type {} of the mobility header only", s.source_port.value));
    return;
  }
  const MaskedPort& local = out ? s.source_port : s.destination_port;
  const MaskedPort& remote = out ? s.destination_port : s.source_port;
  selector.local_port = port_of(local, "local", remarks), selector.remote_port = port_of(remote, "remote", remarks);
  if (s.protocol == 0) remarks.emplace_back("its ports are also compared with ICMP types and codes");
}

Selector read_selector(const XfrmSelector& s, bool out, Remarks& remarks) {
  Selector selector;
  const Prefix& local = out ? s.source : s.destination;
  const Prefix& remote = out ? s.destination : s.source;
  if (local.length != 0) selector.local = local;
  // One of the two says the family.
  if (remote.length != 0 || local.length == 0) selector.remote = remote;
  if (s.protocol != 0) selector.protocol = s.protocol;
  read_ports(s, out, selector, remarks);
  if (s.device != 0) remarks.push_back(fmt::format("it is about the interface with the number {} only", s.device));
  if (s.user != 0) remarks.push_back(fmt::format("it names the user {}, which the kernel ignores", s.user));
  return selector;
}

// The algorithms of a set; one that is any if it is all of them.
std::vector<Choice> choices(std::uint32_t bits, pfkey::AlgorithmKind kind) {
  std::vector<Choice> list;
  if (bits != UINT32_MAX)
    for (std::uint8_t number = 1; number < 32; ++number)
      if ((bits >> number & 1) != 0 && pfkey::find_algorithm(kind, number))
        list.push_back({.number = number, .min_bits = {}, .max_bits = {}});
  if (list.empty()) list.emplace_back();
  return list;
}

// What ESP and AH templates demand, as alternatives.
std::vector<Protection> algorithms_of(const XfrmTemplate* esp, const XfrmTemplate* ah) {
  std::vector<Protection> list(1);
  const auto multiply = [&](const std::vector<Choice>& by, std::optional<Choice> Protection::* member) {
    std::vector<Protection> all;
    for (const Protection& p : list)
      for (const Choice& choice : by) {
        all.push_back(p);
        all.back().*member = choice;
      }
    list = std::move(all);
  };
  if (ah) multiply(choices(ah->auth, pfkey::AlgorithmKind::auth), &Protection::ah);
  if (!esp) return list;
  multiply(choices(esp->encrypt, pfkey::AlgorithmKind::encrypt), &Protection::cipher);
  // Bit 0 is that of combined ciphers and of no integrity.
  if (esp->auth != UINT32_MAX && esp->auth != 1)
    multiply(choices(esp->auth, pfkey::AlgorithmKind::auth), &Protection::integrity);
  return list;
}

void remark_template(const XfrmTemplate& t, bool several, Remarks& remarks) {
  if (t.protocol != kProtoEsp && t.protocol != kProtoAh)
    remarks.push_back(
        fmt::format("it also demands protocol {}{}", t.protocol, t.protocol == 108 ? " (compression)" : ""));
  if (t.mode == 4) remarks.emplace_back("it demands an SA in mode beet, which is neither tunnel nor transport");
  if (t.mode != kTransportMode && t.mode != kTunnelMode && t.mode != 4)
    remarks.push_back(fmt::format("it demands an SA in mode {}, which is neither tunnel nor transport", t.mode));
  if (t.spi != 0 && several) remarks.push_back(fmt::format("it demands the SA with the SPI {:#x}", t.spi));
}

const XfrmTemplate* find(const std::vector<XfrmTemplate>& templates, std::uint8_t protocol) {
  const auto found = std::ranges::find(templates, protocol, &XfrmTemplate::protocol);
  return found == templates.end() ? nullptr : &*found;
}

std::vector<Alternative> read_templates(const XfrmPolicy& policy, Remarks& remarks) {
  const std::vector<XfrmTemplate>& templates = policy.templates;
  const bool out = policy.name.direction == XfrmDirection::out;
  for (const XfrmTemplate& t : templates) remark_template(t, templates.size() > 1, remarks);
  if (templates.size() > 5) remarks.emplace_back("it demands more than five SAs, with which every packet fails");
  const XfrmTemplate* const esp = find(templates, kProtoEsp);
  const XfrmTemplate* const ah = find(templates, kProtoAh);
  if (esp && ah && ah < esp) remarks.emplace_back("it demands AH inside ESP");
  if (templates.size() > std::size_t{esp != nullptr} + std::size_t{ah != nullptr})
    remarks.push_back(fmt::format("it demands {} SAs for each packet", templates.size()));
  std::vector<Protection> list = algorithms_of(esp, ah);
  if (list.size() > kMostAlternatives) {
    remarks.emplace_back("it accepts some algorithms only");
    const XfrmTemplate any;
    list = algorithms_of(esp ? &any : nullptr, ah ? &any : nullptr);
  }
  const bool some = std::ranges::any_of(templates, &XfrmTemplate::optional);
  const bool all = std::ranges::all_of(templates, &XfrmTemplate::optional);
  if (some && !all) remarks.emplace_back("some of its SAs may be missing");
  std::uint32_t reqid = 0;
  const XfrmTemplate* tunnel = nullptr;
  for (const XfrmTemplate& t : templates) {
    if (reqid != 0 && t.reqid != 0 && t.reqid != reqid) remarks.emplace_back("its SAs have different reqids");
    if (reqid == 0) reqid = t.reqid;
    if (!tunnel && (t.mode == kTunnelMode || t.mode == 4)) tunnel = &t;
  }
  std::vector<Alternative> alternatives;
  for (Protection& p : list) {
    p.may_be_clear = all;
    if (reqid != 0) p.reqid = reqid;
    if (templates.size() == 1 && templates[0].spi != 0) p.spi = templates[0].spi;
    if (tunnel)
      p.ends = out ? TunnelEnds{tunnel->source, tunnel->destination} : TunnelEnds{tunnel->destination, tunnel->source};
    alternatives.push_back({Action::ipsec, p});
  }
  return alternatives;
}

}  // namespace

ReadRule read_xfrm(const XfrmPolicy& policy) {
  ReadRule read;
  const XfrmPolicyName& name = policy.name;
  Rule& rule = read.rule;
  rule.out = name.direction == XfrmDirection::out, rule.in = !rule.out;
  if (name.direction == XfrmDirection::fwd)
    read.remarks.emplace_back("it is about packets that this host passes on, not about those that it gets itself");
  rule.selector = read_selector(name.selector, rule.out, read.remarks);
  if (name.mark != 0 || name.mark_mask != 0) rule.mark = pfkey::Mark{name.mark, name.mark_mask};
  if (name.if_id != 0) rule.if_id = name.if_id;
  if (policy.block || policy.templates.empty()) {
    rule.alternatives = {{policy.block ? Action::drop : Action::pass, {}}};
  } else {
    const std::size_t before = read.remarks.size();
    rule.alternatives = read_templates(policy, read.remarks);
    read.demands_more = read.remarks.size() > before;
  }
  return read;
}

}  // namespace ipseckey::policy
