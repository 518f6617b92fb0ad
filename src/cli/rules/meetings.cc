#include "cli/rules/meetings.h"

#include <algorithm>

#include "policy/forwarded.h"
#include "policy/order.h"

namespace ipseckey::cli {
namespace {

using backend::HeldRule;
using policy::Direction;
using policy::Meeting;

// When the kernel asks its policies about the packet.
policy::XfrmDirection asked(const ExplainedPacket& packet) {
  if (packet.direction == Direction::out) return policy::XfrmDirection::out;
  return packet.passed_on ? policy::XfrmDirection::fwd : policy::XfrmDirection::in;
}

// The rules that are about packets which come in and are passed on.
std::vector<bool> about_arriving(const policy::Rules& rules, policy::Order by) {
  const std::vector<std::size_t> tried = policy::order(rules, by);
  policy::Rules in_order;
  in_order.reserve(tried.size());
  for (const std::size_t number : tried) in_order.push_back(rules[number]);
  const std::vector<policy::Forwarded> about = policy::about_forwarded(in_order);
  std::vector<bool> list(rules.size());
  for (std::size_t i = 0; i < tried.size(); ++i) list[tried[i]] = met_on_kernel(in_order[i], about[i]).in;
  return list;
}

}  // namespace

Meeting meeting(const backend::KernelPolicy& p, const ExplainedPacket& packet) {
  if (p.direction != words(asked(packet))) return Meeting::no;
  return p.name ? meets(*p.name, probe(packet.flow)) : Meeting::maybe;
}

bool is_shown(const backend::KernelPolicy& p, const policy::Rule& rule, const ExplainedPacket& packet) {
  if (!rule.tunnel || !p.name) return meeting(p, packet) != Meeting::no;
  // The tunnel adds its mark and its number, or is asked about with its own addresses.
  const bool same_family = p.name->selector.family() == packet.flow.local.family;
  return p.direction == words(asked(packet)) && (same_family || !rule.tunnel->whole_packets);
}

std::vector<Meeting> meetings_with(const policy::Rules& rules, const RuleSource& source,
                                   const ExplainedPacket& packet) {
  const bool arrives = packet.passed_on && packet.direction == Direction::in;
  const std::vector<bool> forwarded = arrives ? about_arriving(rules, source.order) : std::vector<bool>();
  std::vector<Meeting> meetings;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const HeldRule& h = source.rules[i];
    if ((h.foreign || h.derived) && !h.policies.empty()) {
      const Meeting m = meeting(h.policies[0], packet);
      meetings.push_back(h.partial ? std::min(m, Meeting::maybe) : m);
    } else {
      const bool is = matches(rules[i], packet.flow, packet.direction) && (!arrives || forwarded[i]);
      meetings.push_back(is ? Meeting::yes : Meeting::no);
    }
  }
  return meetings;
}

std::vector<std::size_t> perhaps_before(const policy::Explanation& met, const std::vector<std::size_t>& tried,
                                        const std::vector<Meeting>& meetings) {
  std::vector<std::size_t> list;
  for (const std::size_t number : tried) {
    if (!met.matching.empty() && number == met.matching[0]) break;
    if (meetings[number] == Meeting::maybe) list.push_back(number);
  }
  return list;
}

}  // namespace ipseckey::cli
