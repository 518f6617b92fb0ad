#pragma once
/// What the link takes on which a packet would leave: the kernel says so when it refuses one that is longer.
#include <cstdint>

#include "base/net.h"

namespace ipseckey::ipsecd {

/// Sets a raw socket up for that: only the device's MTU limits what is sent from it, whatever anybody has reported of
/// the path (IP_PMTUDISC_PROBE), and refusals come with their reason. False: errno says why not.
bool link_decides(int fd, Family family);

/// After EMSGSIZE: the MTU of the device, in bytes; 0: the kernel has not said.
std::uint32_t link_mtu(int fd, Family family);

}  // namespace ipseckey::ipsecd
