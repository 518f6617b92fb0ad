#pragma once
/// The kernel's policies on the wire: struct xfrm_userpolicy_info, struct xfrm_user_tmpl and the attributes beside
/// them.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernel/netlink.h"
#include "policy/xfrm_policy.h"

namespace ipseckey::kernel::xfrm {

/// A policy that the kernel listed.
struct ListedPolicy {
  policy::XfrmPolicy policy;
  std::uint32_t index = 0;
  std::uint64_t last_used = 0;  ///< Seconds since 1970; 0: never.
  bool of_socket = false;       ///< One program's own, for one of its sockets.
  bool sub = false;             ///< Of the second table, asked before the first one.
  bool expires = false;         ///< It has a limit of time.
  bool offloaded = false;       ///< A network card does it.
  bool labelled = false;        ///< It is about packets with a security label.
  bool decodes_icmp = false;    ///< ICMP errors are looked up by the packet that they quote.
};

/// The command of iproute2 that deletes it. With only the index, the kernel finds none that has a mark or an if_id.
std::string command_to_delete(const ListedPolicy& policy);

/// XFRM_MSG_NEWPOLICY or XFRM_MSG_UPDPOLICY.
void put_policy(std::uint16_t type, const policy::XfrmPolicy& policy, NetlinkBatch& out);

/// XFRM_MSG_DELPOLICY; `index` 0: by its name only.
void put_policy_removal(const policy::XfrmPolicyName& name, std::uint32_t index, NetlinkBatch& out);

/// From an XFRM_MSG_NEWPOLICY; nullopt: it is not a policy.
std::optional<ListedPolicy> policy_of(Bytes payload);

}  // namespace ipseckey::kernel::xfrm
