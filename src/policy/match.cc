// 1. matches() compares a packet with a rule, member by member; an absent member fits everything.
// 2. match() and explain() go through the rules in the order in which they are tried.
// 3. outcome() is what Solaris does with a rule in each direction; sentence() puts an explanation into words.
#include "policy/match.h"

#include <fmt/format.h>

#include <algorithm>

#include "pfkey/icmp.h"

namespace ipseckey::policy {
namespace {

bool within(const std::optional<Prefix>& prefix, const Address& address) {
  return !prefix || prefix->contains(address);
}

bool within(const std::optional<NumberRange>& range, const std::optional<std::uint8_t>& number) {
  return !range || (number && range->contains({*number, *number}));
}

bool ports_fit(const Selector& s, const Probe& flow) {
  if (!s.local_port && !s.remote_port) return true;
  return has_ports(flow.protocol) && (!s.local_port || s.local_port == flow.local_port) &&
         (!s.remote_port || s.remote_port == flow.remote_port);
}

bool icmp_fits(const Selector& s, const Probe& flow) {
  if (!s.icmp_type && !s.icmp_code) return true;
  return pfkey::is_icmp(flow.protocol) && within(s.icmp_type, flow.icmp_type) && within(s.icmp_code, flow.icmp_code);
}

bool tunnel_fits(const Rule& rule, const Flow& flow) { return (rule.tunnel ? rule.tunnel->name : "") == flow.tunnel; }

}  // namespace

std::string_view words(Outcome outcome) {
  switch (outcome) {
    case Outcome::clear:
      return "clear";
    case Outcome::protect:
      return "protected";
    case Outcome::protect_or_clear:
      return "protected or clear";
    case Outcome::discard:
      return "dropped";
  }
  return "";
}

Probe probe(const Flow& flow) {
  return {.local = flow.local,
          .remote = flow.remote,
          .protocol = flow.protocol,
          .local_port = flow.local_port,
          .remote_port = flow.remote_port,
          .icmp_type = flow.icmp_type,
          .icmp_code = flow.icmp_code,
          .mark = flow.mark,
          .if_id = flow.if_id};
}

bool marks_fit(const Rule& rule, const Probe& packet) {
  return rule.if_id.value_or(0) == packet.if_id && (!rule.mark || (packet.mark & rule.mark->mask) == rule.mark->value);
}

bool matches(const Rule& rule, const Probe& packet, Direction direction) {
  const Selector& s = rule.selector;
  return rule.has(direction) && marks_fit(rule, packet) && within(s.local, packet.local) &&
         within(s.remote, packet.remote) && (!s.protocol || *s.protocol == packet.protocol) && ports_fit(s, packet) &&
         icmp_fits(s, packet);
}

bool matches(const Rule& rule, const Flow& flow, Direction direction) {
  return tunnel_fits(rule, flow) && matches(rule, probe(flow), direction);
}

std::optional<std::size_t> match(std::span<const Rule> rules, std::span<const std::size_t> tried, const Flow& flow,
                                 Direction direction) {
  const auto found =
      std::ranges::find_if(tried, [&](std::size_t number) { return matches(rules[number], flow, direction); });
  if (found == tried.end()) return std::nullopt;
  return *found;
}

Outcome outcome(const Rule& rule, Direction direction) {
  if (rule.alternatives[0].action == Action::drop) return Outcome::discard;
  if (rule.alternatives[0].action == Action::pass) return Outcome::clear;
  const auto use = [](const Alternative& a) { return a.action == Action::ipsec && a.protection.may_be_clear; };
  const auto pass = [](const Alternative& a) { return a.action == Action::pass; };
  if (std::ranges::any_of(rule.alternatives, use)) return Outcome::protect_or_clear;
  if (direction == Direction::in && std::ranges::any_of(rule.alternatives, pass)) return Outcome::protect_or_clear;
  return Outcome::protect;
}

Explanation explain(std::span<const Rule> rules, Order by, const Flow& flow, Direction direction) {
  return explain(rules, by, flow, direction,
                 [&](std::size_t number) { return matches(rules[number], flow, direction); });
}

Explanation explain(std::span<const Rule> rules, Order by, const Flow& flow, Direction direction,
                    const std::function<bool(std::size_t)>& fits) {
  Explanation e;
  for (const std::size_t number : order(rules, by))
    if (fits(number)) e.matching.push_back(number);
  if (e.matching.empty()) {
    const auto its_own = [&](const Rule& rule) {
      return rule.tunnel && rule.tunnel->whole_packets && tunnel_fits(rule, flow);
    };
    if (std::ranges::any_of(rules, its_own)) e.reason = Reason::tunnel_has_rules, e.outcome = Outcome::discard;
    return e;
  }
  e.outcome = outcome(rules[e.matching[0]], direction);
  if (e.matching.size() == 1) {
    e.reason = Reason::only_one;
  } else if (by == Order::classes && boost(rules[e.matching[0]]) > boost(rules[e.matching[1]])) {
    e.reason = Reason::higher_class;
  } else {
    e.reason = Reason::earlier;
  }
  return e;
}

std::string sentence(const Explanation& e, std::span<const Rule> rules) {
  const std::string_view what = words(e.outcome);
  const auto line = [&](std::size_t n) { return rules[e.matching[n]].line; };
  switch (e.reason) {
    case Reason::none_matches:
      return fmt::format("{}: no rule is about it", what);
    case Reason::tunnel_has_rules:
      return fmt::format("{}: its tunnel has rules, and none is about it", what);
    case Reason::only_one:
      return fmt::format("{}, by the rule in line {}: no other is about it", what, line(0));
    case Reason::higher_class:
      return fmt::format("{}, by the rule in line {}: its kind comes before that of the rule in line {}", what, line(0),
                         line(1));
    case Reason::earlier:
      return fmt::format("{}, by the rule in line {}: it is earlier in the file than that in line {}", what, line(0),
                         line(1));
  }
  return {};
}

}  // namespace ipseckey::policy
