#pragma once
/// What rules become as policies of a Linux kernel, and what is lost on the way. Pure: the mapping itself, with nothing
/// asked of a kernel.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/rule.h"
#include "policy/xfrm_policy.h"

namespace ipseckey::policy {

/// What is known of the network interface that a rule names as its tunnel.
struct TunnelLink {
  std::string kind;                     ///< As `ip -d link` says: "ipip", "sit", "gre", "xfrm", ...
  std::optional<TunnelEnds> ends;       ///< Absent: it has no fixed ones.
  std::vector<std::uint8_t> protocols;  ///< In the protocol field of the outer header; empty: it has no such header.
  std::uint32_t if_id = 0;              ///< Of an xfrm interface; else 0.
  std::uint32_t mark_out = 0, mark_in = 0;  ///< Of a VTI: the marks of its packets; 0: none.
  bool operator==(const TunnelLink&) const = default;
};

struct PlanSurroundings {
  /// The interface of that name. Errors are for people: what is missing, and how to mend it.
  std::function<Result<TunnelLink>(const std::string& name)> link;
  bool forwards = false;  ///< This host forwards packets.
};

/// Something to be said about a rule.
struct PlanRemark {
  std::size_t rule = 0;
  bool refused = false;  ///< The kernel cannot hold the rule.
  std::string message;   ///< Without a full stop.
  bool operator==(const PlanRemark&) const = default;
};

/// A policy of a rule; its priority is still 0.
struct PlannedPolicy {
  std::size_t rule = 0;  ///< kNoRule: it keeps the host's own ::1 reachable.
  XfrmPolicy policy;
  bool operator==(const PlannedPolicy&) const = default;
};
inline constexpr std::size_t kNoRule = SIZE_MAX;

struct XfrmPlan {
  std::vector<PlannedPolicy> policies;  ///< In the order of the rules; none of a rule that is refused.
  std::vector<PlanRemark> remarks;
  /// The policies that keep ::1 reachable are tried just before this rule, behind rules that name ::1; 0: before all.
  std::size_t loopback_before = 0;

  bool refused() const;
};

/// `rules`: in the order in which they are tried. A policy that one rule needs and an earlier one has already is left
/// out, since it would never be used.
XfrmPlan xfrm_plan(std::span<const Rule> rules, const PlanSurroundings& around);

/// The numbers from first to last as values with masks of 8 bits, the fewest that there can be: at most 14.
std::vector<MaskedPort> masks_of(const NumberRange& range);

}  // namespace ipseckey::policy
