#pragma once
/// How to replace the kernel's policies with others, one request after another, such that
/// no packet leaves or comes in clear meanwhile that is protected both before and after.
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "policy/xfrm_policy.h"

namespace ipseckey::policy {

struct XfrmStep {
  enum class Kind : std::uint8_t { add, update, remove };
  Kind kind = Kind::add;
  XfrmPolicy policy;
  bool operator==(const XfrmStep&) const = default;
};

/// A phase is sent together; the next one must not be begun unless all of it has succeeded.
using XfrmPhase = std::vector<XfrmStep>;

/// `have`, `want`: no two of one name. Empty phases are left out. After a failure between two phases a guard may
/// remain; it blocks, and is recognised by its name. Guards in `have`, of an interrupted change, stay until the end;
/// those in `want` are there from the beginning, and stay: to take back a change that began with guards.
std::vector<XfrmPhase> xfrm_steps(std::span<const XfrmPolicy> have, std::span<const XfrmPolicy> want);

/// The policies with the same order and other numbers, evenly spread, in an order of updates that never changes which
/// of two comes first. Only those between kFirstPriority and kGuardPriority.
XfrmPhase respaced(std::span<const XfrmPolicy> have);

}  // namespace ipseckey::policy
