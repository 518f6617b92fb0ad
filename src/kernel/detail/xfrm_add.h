#pragma once
/// An ADD for the kernel, and which way an SA goes: what the backend does and a check has to foresee.
#include <cstdint>
#include <optional>
#include <string>

#include "kernel/detail/xfrm_rules.h"
#include "kernel/netlink.h"
#include "kernel/xfrm_world.h"
#include "pfkey/message.h"

namespace ipseckey::kernel::xfrm {

inline constexpr std::uint32_t kWays = pfkey::kFlagInbound | pfkey::kFlagOutbound;

/// Whether flags name one direction.
constexpr bool one_way(std::uint32_t flags) { return (flags & kWays) != 0 && (flags & kWays) != kWays; }
/// Of one direction the other; of none or both none.
constexpr std::uint32_t opposite_way(std::uint32_t flags) { return one_way(flags) ? (flags & kWays) ^ kWays : 0; }

/// The direction that the host's own addresses tell: from one of them to elsewhere outbound, to one of them from
/// elsewhere inbound, else 0.
std::uint32_t way_by_addresses(const pfkey::Message& sa, const XfrmWorld& world);

/// Gives an SA a direction; which of its NAT's ports, as the kernel tells them, is the local one follows from it.
void set_way(pfkey::Message& sa, std::uint32_t way);

/// Appends XFRM_MSG_NEWSA, or XFRM_MSG_UPDSA that completes a larval SA, and a remark on what Linux does not do. The
/// refusal of what cannot be right; then nothing was appended.
std::optional<Refusal> put_add(pfkey::Message& m, std::uint16_t type, const XfrmWorld& world, std::string& remark,
                               NetlinkBatch& out);

}  // namespace ipseckey::kernel::xfrm
