#pragma once
/// Which rules a packet meets. Rules of ours say all about their packets; those that stand for another program's
/// policies of the kernel do not, so that the policies themselves are asked (policy/xfrm_match.h).
#include <cstddef>
#include <string>
#include <vector>

#include "backend/spd.h"
#include "policy/match.h"
#include "policy/xfrm_match.h"

namespace ipseckey::cli {

/// Where rules come from: what a database holds, or a file.
struct RuleSource {
  std::string name;  ///< Harmless on a terminal.
  bool is_file = false;
  policy::Order order = policy::Order::file;  ///< In which they are tried.
  std::vector<backend::HeldRule> rules;       ///< Of a file without index.
};

/// A packet, and what its addresses alone do not say.
struct ExplainedPacket {
  policy::Flow flow;
  policy::Direction direction = policy::Direction::out;
  bool passed_on = false;   ///< It comes from another host, and goes to another.
  std::string exempt = {};  ///< Why no rule is asked about it; empty: they are.
};

/// Whether the packet meets the kernel's policy.
policy::Meeting meeting(const backend::KernelPolicy& p, const ExplainedPacket& packet);

/// Whether explain shows the policy, one that the rule became, for a packet of the rule: the packet may meet it, or it
/// is about the packets of the rule's tunnel.
bool is_shown(const backend::KernelPolicy& p, const policy::Rule& rule, const ExplainedPacket& packet);

/// Whether the packet meets each of the source's rules, which `rules` has too, in the same order.
std::vector<policy::Meeting> meetings_with(const policy::Rules& rules, const RuleSource& source,
                                           const ExplainedPacket& packet);

/// The numbers of the rules that it may meet and that are tried before the first that it does. `tried`: of order().
std::vector<std::size_t> perhaps_before(const policy::Explanation& met, const std::vector<std::size_t>& tried,
                                        const std::vector<policy::Meeting>& meetings);

}  // namespace ipseckey::cli
