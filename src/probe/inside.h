#pragma once
/// Devices on which packets are in clear by nature: those behind which they are protected.
#include <string>
#include <vector>

#include "base/result.h"

namespace ipseckey::probe {

/// The numbers of the loopback, of `device` (ipsecd's; empty: none), and of the kernel's devices of kind xfrm and vti.
Result<std::vector<unsigned>> inside_devices(const std::string& device);

}  // namespace ipseckey::probe
