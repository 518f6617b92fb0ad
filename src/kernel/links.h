#pragma once
/// What this host's network interfaces know of tunnels, by rtnetlink: their ends, marks and numbers.
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "kernel/netlink.h"
#include "policy/xfrm_plan.h"

namespace ipseckey::kernel {

/// The interface of that name. Errors: not_found, there is none; unsupported, it is not a tunnel; io, timeout.
Result<policy::TunnelLink> find_link(Netlink& route, const std::string& name);

/// The same of this network namespace, by a socket of its own.
Result<policy::TunnelLink> tunnel_link(const std::string& name);

}  // namespace ipseckey::kernel
