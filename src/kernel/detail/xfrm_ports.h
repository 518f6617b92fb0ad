#pragma once
/// Ports in the kernel's selectors, which are compared under a mask: all of their bits, or none. ICMP's type takes the
/// field of the source port, its code that of the destination port.
#include <linux/xfrm.h>

#include <tuple>

#include "base/bytes.h"
#include "pfkey/icmp.h"

namespace ipseckey::kernel::xfrm {

/// Sets both; 0 means any. The protocol must be set.
inline void put_ports(xfrm_selector& sel, std::uint16_t source, std::uint16_t destination) {
  const auto value = [&](std::uint16_t port) {
    return big_endian(pfkey::is_icmp(sel.proto) ? pfkey::icmp_of_port(port).value_or(0) : port);
  };
  sel.sport = value(source), sel.sport_mask = source ? UINT16_MAX : std::uint16_t{0};
  sel.dport = value(destination), sel.dport_mask = destination ? UINT16_MAX : std::uint16_t{0};
}

/// The source and the destination port, as in PF_KEY: a requested type or code of 0 does not mean any.
inline std::tuple<std::uint16_t, std::uint16_t> ports_of(const xfrm_selector& sel) {
  const auto port = [&](std::uint16_t value, std::uint16_t mask) {
    const bool zero = value == 0 && mask == UINT16_MAX && pfkey::is_icmp(sel.proto);
    return zero ? pfkey::kIcmpZero : big_endian(value);
  };
  return {port(sel.sport, sel.sport_mask), port(sel.dport, sel.dport_mask)};
}

/// Whether it compares only some bits of them.
inline bool has_port_ranges(const xfrm_selector& sel) {
  const auto partial = [](std::uint16_t mask) { return mask != 0 && mask != UINT16_MAX; };
  return partial(sel.sport_mask) || partial(sel.dport_mask);
}

}  // namespace ipseckey::kernel::xfrm
