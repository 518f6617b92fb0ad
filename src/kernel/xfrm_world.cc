#include "kernel/xfrm_world.h"

#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <net/if.h>

#include <array>
#include <map>
#include <memory>
#include <random>
#include <utility>

#include "kernel/detail/side_table.h"
#include "kernel/facts.h"
#include "system/local_addresses.h"

namespace ipseckey::kernel {

Result<Netlink> connect_to_kernel() { return Netlink::open(NETLINK_XFRM); }

XfrmWorld xfrm_world(std::function<Instant()> clock) {
  XfrmWorld world;
  world.connect = [](bool listening) {
    if (!listening) return connect_to_kernel();
    static constexpr std::array<unsigned, 5> kGroups = {XFRMNLGRP_SA, XFRMNLGRP_EXPIRE, XFRMNLGRP_ACQUIRE,
                                                        XFRMNLGRP_AEVENTS, XFRMNLGRP_MAPPING};
    return Netlink::open(NETLINK_XFRM, kGroups);
  };
  world.side_table = side_table_path();
  world.clock = std::move(clock);
  world.random = [] { return std::random_device{}(); };
  world.device_index = [](const std::string& name) {
    return static_cast<std::uint32_t>(::if_nametoindex(name.c_str()));
  };
  const KernelFiles files;
  world.has_type = [files, known = std::map<std::pair<pfkey::SaType, Family>, Presence>()](pfkey::SaType type,
                                                                                           Family family) mutable {
    const auto [row, is_new] = known.try_emplace({type, family}, Presence::unknown);
    if (is_new) row->second = type_presence(files, connect_to_kernel, type, family);
    return row->second;
  };
  world.is_local = own_addresses(world.clock);
  world.lacks = [trials = std::make_shared<Trials>(files, connect_to_kernel)](const pfkey::Message& sa) {
    return trials->lack(sa);
  };
  world.report = [files] { return kernel_report(files, connect_to_kernel); };
  world.keys_hidden = lockdown_of(files) == "confidentiality";
  world.labels = has_labels(files);
  return world;
}

}  // namespace ipseckey::kernel
