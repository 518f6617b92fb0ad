#pragma once
/// The MTU of the link by which a packet would leave: the kernel reports it when it refuses a longer packet.
#include <cstdint>

#include "base/net.h"

namespace ipseckey::ipsecd {

/// Sets a raw socket up for that: only the device's MTU limits what is sent from it, whatever path MTU was reported
/// (IP_PMTUDISC_PROBE), and refusals come with their reason. False: see errno.
bool link_decides(int fd, Family family);

/// After EMSGSIZE: the MTU of the device, in bytes; 0: the kernel did not report it.
std::uint32_t link_mtu(int fd, Family family);

}  // namespace ipseckey::ipsecd
