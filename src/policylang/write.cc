// The way back from a rule: into the records of the new style, and from there by the rows (table/record.h).
#include "policylang/write.h"

#include "policylang/rows.h"
#include "table/record.h"

namespace ipseckey::policylang {
namespace {

std::optional<table::Network> network(const std::optional<policy::Prefix>& prefix) {
  if (!prefix) return std::nullopt;
  table::Network n{{.literal = prefix->address, .name = {}}, std::nullopt};
  if (prefix->length < prefix->address.bits()) n.prefix = prefix->length;
  return n;
}

std::optional<table::Port> port(const std::optional<std::uint16_t>& number) {
  return number ? std::optional(table::Port{*number}) : std::nullopt;
}

Pattern pattern(const policy::Rule& rule) {
  const policy::Selector& s = rule.selector;
  Pattern p;
  p.local = network(s.local), p.remote = network(s.remote);
  p.local_port = port(s.local_port), p.remote_port = port(s.remote_port);
  if (s.protocol) p.protocol = table::Protocol{*s.protocol};
  if (s.icmp_type) p.types = IcmpTypes{{*s.icmp_type, {}}};
  if (s.icmp_code) p.codes = IcmpCodes{{*s.icmp_code, {}}};
  if (rule.tunnel) {
    p.tunnel = InterfaceName{rule.tunnel->name};
    p.negotiate = rule.tunnel->whole_packets ? Negotiate::tunnel : Negotiate::transport;
  }
  const bool both = rule.out && rule.in;
  if (!both || rule.alternatives[0].action != policy::Action::ipsec)
    p.way = both ? Way::both : rule.out ? Way::out : Way::in;
  return p;
}

template <class T>
std::optional<T> algorithm(const std::optional<policy::Choice>& choice) {
  return choice ? std::optional(T{*choice}) : std::nullopt;
}

table::Host host(const Address& address) { return {.literal = address, .name = {}}; }

Properties properties(const policy::Protection& p) {
  Properties q;
  q.ah = algorithm<Authentication>(p.ah);
  q.cipher = algorithm<Cipher>(p.cipher);
  q.integrity = algorithm<Authentication>(p.integrity);
  if (p.unique) q.sharing = Sharing::unique;
  if (p.may_be_clear) q.level = Level::use;
  if (p.reqid) q.reqid = Id{*p.reqid};
  if (p.spi) q.spi = SpiNumber{*p.spi};
  if (p.ends) q.tunnel_source = host(p.ends->local), q.tunnel_destination = host(p.ends->remote);
  return q;
}

std::string_view action_name(policy::Action action) {
  for (const ActionRow& row : action_rows())
    if (row.action == action) return row.name;
  return "";
}

template <class Rows, class Record>
void write_braces(const Rows& rows, const Record& record, std::string& out) {
  SecretText items;
  table::write<Syntax>(rows, record, false, {SIZE_MAX, ""}, items);
  out += '{';
  if (!items.empty()) out.append(std::string_view(items)).append(" ");
  out += '}';
}

}  // namespace

std::string write_rule(const policy::Rule& rule) {
  std::string out;
  write_braces(pattern_rows(), pattern(rule), out);
  bool first = true;
  for (const policy::Alternative& a : rule.alternatives) {
    Properties q = properties(a.protection);
    if (first) {
      q.mark = rule.mark;
      if (rule.if_id) q.if_id = Id{*rule.if_id};
    }
    out.append(first ? " " : " or ").append(action_name(a.action)).append(" ");
    write_braces(property_rows(), q, out);
    first = false;
  }
  return out;
}

std::string write_rules(const policy::Rules& rules) {
  std::string out;
  for (const policy::Rule& rule : rules) out.append(write_rule(rule)).append("\n");
  return out;
}

}  // namespace ipseckey::policylang
