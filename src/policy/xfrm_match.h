#pragma once
/// Whether the kernel's policies are about a packet. A rule that was read from one (policy/xfrm_read.h) cannot say all.
#include <cstdint>

#include "policy/match.h"
#include "policy/xfrm_policy.h"

namespace ipseckey::policy {

enum class Meeting : std::uint8_t {
  no,
  maybe,  ///< It depends on what a Probe does not have: the interface, a GRE key, the type of a mobility header.
  yes,
};

/// Whether a packet that is asked about in the policy's direction meets it. Without ports, or ICMP numbers, a packet is
/// compared as if they were 0, as the kernel does with fragments.
Meeting meets(const XfrmPolicyName& name, const Probe& packet);

}  // namespace ipseckey::policy
