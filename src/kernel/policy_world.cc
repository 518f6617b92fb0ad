#include "kernel/policy_world.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <array>

#include "backend/sadb_place.h"
#include "kernel/detail/owned_rules.h"
#include "kernel/facts.h"
#include "kernel/links.h"
#include "kernel/xfrm_world.h"
#include "system/local_addresses.h"

namespace ipseckey::kernel {

PolicyWorld policy_world() {
  const KernelFiles files;
  const backend::SadbPlace place = backend::this_kernel_place();
  PolicyWorld world;
  world.connect = connect_to_kernel;
  world.hear = [] {
    static constexpr std::array<unsigned, 2> kGroups = {XFRMNLGRP_POLICY, XFRMNLGRP_EXPIRE};
    return Netlink::open(NETLINK_XFRM, kGroups);
  };
  world.record = owned_rules_path();
  world.place = fmt::format("{} {}", place.name, place.boot);
  world.own_addresses = local_addresses;
  world.around.link = tunnel_link;
  world.around.forwards = files.first_line("/proc/sys/net/ipv4/ip_forward") == "1" ||
                          files.first_line("/proc/sys/net/ipv6/conf/all/forwarding") == "1";
  return world;
}

}  // namespace ipseckey::kernel
