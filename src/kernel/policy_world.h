#pragma once
/// The surroundings that the kernel's rules need; tests replace all of it.
#include <functional>
#include <string>
#include <vector>

#include "base/net.h"
#include "base/result.h"
#include "kernel/netlink.h"
#include "policy/xfrm_plan.h"

namespace ipseckey::kernel {

struct PolicyWorld {
  std::function<Result<Netlink>()> connect;
  std::function<Result<Netlink>()> hear = {};  ///< A socket to which the kernel reports changes of policies.
  std::string record;                          ///< Path of the owned record.
  std::string place;                           ///< Which kernel and namespace the record is about.
  policy::PlanSurroundings around;
  std::function<std::vector<Address>()> own_addresses = {};  ///< This host's, without loopback ones; empty: unknown.
};

/// This process's kernel and network namespace.
PolicyWorld policy_world();

}  // namespace ipseckey::kernel
