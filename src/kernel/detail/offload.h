#pragma once
/// Which network devices can offload ESP.
#include <string>
#include <vector>

namespace ipseckey::kernel {

/// The names of this network namespace's devices that have the feature esp-hw-offload, on or off (ethtool's ioctl).
std::vector<std::string> offload_devices();

}  // namespace ipseckey::kernel
