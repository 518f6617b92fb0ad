#include "kernel/detail/xfrm_add.h"

#include <cerrno>
#include <string>
#include <utility>

#include "kernel/detail/xfrm_encode.h"
#include "kernel/detail/xfrm_parts.h"
#include "pfkey/units.h"

namespace ipseckey::kernel::xfrm {

using pfkey::Diagnostic;
using pfkey::Message;

namespace {

std::optional<Refusal> look_up(const std::string* name, const XfrmWorld& world, std::uint32_t& index) {
  if (!name) return std::nullopt;
  const bool whole = !name->contains('\0');  // The system reads a name up to its NUL.
  index = whole ? world.device_index(*name) : 0;
  if (index != 0) return std::nullopt;
  return Refusal{ENODEV, Diagnostic::none, "there is no network device " + pfkey::escaped(*name)};
}

}  // namespace

std::uint32_t way_by_addresses(const Message& sa, const XfrmWorld& world) {
  if (!world.is_local || !sa.src || !sa.dst) return 0;
  const bool here = world.is_local(sa.dst->address), from_here = world.is_local(sa.src->address);
  constexpr std::uint32_t kUntold = 0, kIn = pfkey::kFlagInbound, kOut = pfkey::kFlagOutbound;
  if (here) return from_here || is_unspecified(sa.src->address) ? kUntold : kIn;
  return from_here && !is_multicast(sa.dst->address) ? kOut : kUntold;
}

void set_way(Message& sa, std::uint32_t way) {
  const bool was_in = (sa.sa->flags & kWays) == pfkey::kFlagInbound, is_in = way == pfkey::kFlagInbound;
  sa.sa->flags = (sa.sa->flags & ~kWays) | way;
  // The kernel's two ports are the packets' source and destination ports.
  if (was_in != is_in && sa.natt_local && sa.natt_remote) std::swap(sa.natt_local->port, sa.natt_remote->port);
}

std::optional<Refusal> put_add(Message& m, std::uint16_t type, const XfrmWorld& world, std::string& remark,
                               NetlinkBatch& out) {
  if (auto wrong = wrong_with(m, world.labels)) return wrong;
  Devices devices;
  if (auto wrong = look_up(m.offload ? &m.offload->device : nullptr, world, devices.offload)) return wrong;
  if (auto wrong = look_up(m.device ? &m.device->name : nullptr, world, devices.selector)) return wrong;
  // The kernel gets the direction that the addresses imply; the side table stores only a requested one.
  const std::uint32_t asked = m.sa->flags;
  if ((asked & kWays) == 0) m.sa->flags |= way_by_addresses(m, world);
  const bool fits = put_sa(m, type, devices, out);
  m.sa->flags = asked;
  if (!fits) return Refusal{EMSGSIZE, Diagnostic::none, "the SA does not fit in one netlink message"};
  if (m.idle) append(remark, kIdleNotEnforced);
  return std::nullopt;
}

}  // namespace ipseckey::kernel::xfrm
