// How a read entry becomes rules:
// 1. side() gives the prefixes of one side: of a literal one, of a network by its name, of a host all its addresses.
// 2. alternatives() turns properties into what is demanded; the ends of a tunnel are looked up, too.
// 3. build() fills a rule with what all pairs share, and repeats it for each pair of one family.
#include "policylang/build.h"

#include <fmt/format.h>

#include "base/harmless.h"
#include "pfkey/icmp.h"
#include "table/faults.h"

namespace ipseckey::policylang {
namespace {

using policy::Prefix;
using table::Severity;

// One side of a pattern, in the words of its style.
struct SideWords {
  std::optional<table::Network> Pattern::* address;
  std::optional<table::Port> Pattern::* port;
  std::optional<Mask> Pattern::* mask;  // nullptr: it has none.
};
constexpr SideWords kLocal{&Pattern::local, &Pattern::local_port, nullptr},
    kRemote{&Pattern::remote, &Pattern::remote_port, nullptr},
    kSource{&Pattern::source, &Pattern::source_port, &Pattern::source_mask},
    kDestination{&Pattern::destination, &Pattern::destination_port, &Pattern::destination_mask};

// A key can be where a name is expected.
std::string_view shown(const table::Host& host) {
  return table::like_a_key(host.name) ? std::string_view("the name") : std::string_view(host.name);
}

Result<std::vector<Address>> look_up(const table::Host& host, const table::Names& names) {
  if (host.literal) return std::vector{*host.literal};
  return names.hosts ? names.hosts(host.name) : fail(Errc::unsupported, "names are not looked up here");
}

// A name that is not that of a host.
std::optional<table::NamedNetwork> named_network(const table::Host& host, const table::Names& names) {
  if (host.literal || !names.network) return std::nullopt;
  if (const auto found = look_up(host, names); found && !found->empty()) return std::nullopt;
  return names.network(host.name);
}

// Every address of a host; empty: there is none, and a fault says so.
std::vector<Address> addresses(ReadEntry& e, const table::Host& host, Piece place, const table::Names& names) {
  const auto found = look_up(host, names);
  if (found && !found->empty()) return *found;
  e.fault(
      Severity::error, place,
      fmt::format("{} has no address: {}", shown(host), found ? "none is known" : text::harmless(found.error().text)));
  return {};
}

// The prefixes of a side; absent: it is open. Empty: a fault was added. Packets carry a mapped address as the IPv4
// address that it is (RFC 4291 section 2.5.5.2).
std::optional<std::vector<Prefix>> side(ReadEntry& e, const SideWords& words, const table::Names& names) {
  const std::optional<table::Network>& network = e.pattern.*words.address;
  if (!network || network->host.any) return std::nullopt;
  const Piece place = place_in(e.entry, kPatternLanguage, e.entry.pattern, row_of(words.address));
  std::optional<unsigned> length;
  if (network->prefix) length = *network->prefix;
  if (words.mask && e.pattern.*words.mask) length = (e.pattern.*words.mask)->length;
  const auto named = named_network(network->host, names);
  if (named && !length) length = named->length;
  const std::vector<Address> found = named ? std::vector{named->address} : addresses(e, network->host, place, names);
  std::vector<Prefix> prefixes;
  if (length && found.size() > 1) {
    e.fault(
        Severity::error, place,
        fmt::format("{} has {} addresses: only a name with one can have a length", shown(network->host), found.size()));
    return prefixes;
  }
  for (const Address& one : found) {
    const Address address = unmapped(one);
    const unsigned bits = length.value_or(address.bits());
    if (bits > address.bits()) {
      e.fault(Severity::error, place, fmt::format("the length /{} is too large for {}", bits, to_string(address)));
      return prefixes;
    }
    prefixes.push_back({masked(address, bits), static_cast<std::uint8_t>(bits)});
  }
  return prefixes;
}

std::optional<policy::TunnelEnds> ends(ReadEntry& e, const ReadClause& clause, const table::Names& names) {
  const Properties& p = clause.properties;
  if (!p.tunnel_source) return std::nullopt;
  const auto one = [&](std::optional<table::Host> Properties::* member) -> std::optional<Address> {
    const table::Host& host = *(p.*member);
    const Piece place = e.place(clause, row_of(member));
    if (host.any) {
      e.fault(Severity::error, place, "the end of a tunnel is one address");
      return std::nullopt;
    }
    const std::vector<Address> found = addresses(e, host, place, names);
    if (found.size() > 1)
      e.fault(Severity::error, place,
              fmt::format("{} has {} addresses: the end of a tunnel is one of them", shown(host), found.size()));
    return found.size() == 1 ? std::optional(unmapped(found[0])) : std::nullopt;
  };
  const auto local = one(&Properties::tunnel_source), remote = one(&Properties::tunnel_destination);
  if (!local || !remote) return std::nullopt;
  if (local->family != remote->family)
    e.fault(Severity::error, e.place(clause, row_of(&Properties::tunnel_destination)),
            "tsrc and tdst are of different families");
  return policy::TunnelEnds{*local, *remote};
}

template <class T>
std::optional<policy::Choice> choice(const std::optional<T>& algorithm) {
  return algorithm && !algorithm->none ? std::optional(algorithm->choice) : std::nullopt;
}

policy::Alternative alternative(ReadEntry& e, const ReadClause& clause, const table::Names& names) {
  policy::Alternative a{clause.action->action, {}};
  if (a.action != policy::Action::ipsec) return a;
  const Properties& p = clause.properties;
  a.protection.ah = choice(p.ah);
  a.protection.cipher = choice(p.cipher);
  a.protection.integrity = choice(p.integrity);
  // The packets of a tunnel itself never share an SA with others.
  a.protection.unique = p.sharing == Sharing::unique || e.pattern.negotiate == Negotiate::transport;
  a.protection.may_be_clear = p.level == Level::use;
  if (p.reqid) a.protection.reqid = p.reqid->value;
  if (p.spi) a.protection.spi = p.spi->value;
  if (p.spi && e.in && e.out)
    e.fault(Severity::error, e.place(clause, row_of(&Properties::spi)),
            "an SA is for one direction: spi needs dir out or dir in, and another rule the other way");
  a.protection.ends = ends(e, clause, names);
  return a;
}

std::optional<std::uint16_t> port(const std::optional<table::Port>& port) {
  return port && port->value != 0 ? std::optional(port->value) : std::nullopt;
}

// Of ICMP; nullopt: the protocol is of both families.
std::optional<Family> family_of(const std::optional<std::uint8_t>& protocol) {
  if (protocol == pfkey::kProtoIcmp) return Family::v4;
  if (protocol == pfkey::kProtoIcmpV6) return Family::v6;
  return std::nullopt;
}

// Why no pair of addresses makes a rule.
void say_families(ReadEntry& e, const SideWords& local, const SideWords& remote, bool by_protocol) {
  const auto at = [&](const table::Row& row) { return place_in(e.entry, kPatternLanguage, e.entry.pattern, row); };
  if (by_protocol)
    return e.fault(Severity::error, at(row_of(&Pattern::protocol)),
                   "no address of the pattern is of this protocol's family: icmp is of IPv4, ipv6-icmp of IPv6");
  e.fault(Severity::error, at(row_of(remote.address)),
          fmt::format("{} and {} are of different families: no address of one fits the other",
                      row_of(local.address).name(), row_of(remote.address).name()));
}

}  // namespace

policy::Rules build(ReadEntry& e, const table::Names& names) {
  const Pattern& p = e.pattern;
  const SideWords& local = !e.old_style ? kLocal : e.out ? kSource : kDestination;
  const SideWords& remote = !e.old_style ? kRemote : e.out ? kDestination : kSource;
  policy::Rule rule;
  rule.line = e.entry.line;
  rule.out = e.out, rule.in = e.in;
  rule.selector.local_port = port(p.*local.port);
  rule.selector.remote_port = port(p.*remote.port);
  if (p.protocol && p.protocol->value != 0) rule.selector.protocol = p.protocol->value;
  if (p.types) rule.selector.icmp_type = p.types->range;
  if (p.codes && p.codes->range != policy::NumberRange{}) rule.selector.icmp_code = p.codes->range;
  if (p.tunnel) rule.tunnel = policy::Tunnel{p.tunnel->text, p.negotiate == Negotiate::tunnel};
  for (const ReadClause& c : e.clauses) {
    rule.alternatives.push_back(alternative(e, c, names));
    if (c.properties.mark) rule.mark = c.properties.mark;
    if (c.properties.if_id) rule.if_id = c.properties.if_id->value;
  }

  const auto locals = side(e, local, names), remotes = side(e, remote, names);
  if ((locals && locals->empty()) || (remotes && remotes->empty())) return {};
  policy::Rules rules;
  const auto wanted = family_of(rule.selector.protocol);
  bool by_protocol = false;
  const auto each = [](const auto& prefixes, auto f) {
    if (!prefixes) return f(std::nullopt);
    for (const Prefix& prefix : *prefixes) f(std::optional(prefix));
  };
  each(locals, [&](const std::optional<Prefix>& l) {
    each(remotes, [&](const std::optional<Prefix>& r) {
      if (l && r && l->address.family != r->address.family) return;
      const auto& known = l ? l : r;
      const bool other = wanted && known && known->address.family != *wanted;
      by_protocol |= other;
      if (other) return;
      rule.selector.local = l, rule.selector.remote = r;
      rules.push_back(rule);
    });
  });
  if (rules.empty()) say_families(e, local, remote, by_protocol);
  return rules;
}

}  // namespace ipseckey::policylang
