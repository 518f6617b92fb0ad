#pragma once
/// An ADD for the kernel, and the direction of an SA: shared by the backend and by the check that predicts its answers.
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
/// The opposite direction; for no direction or both: none.
constexpr std::uint32_t opposite_way(std::uint32_t flags) { return one_way(flags) ? (flags & kWays) ^ kWays : 0; }

/// The direction that the host's own addresses imply: outbound if only the source is one of them, inbound if only the
/// destination is, else 0.
std::uint32_t way_by_addresses(const pfkey::Message& sa, const XfrmWorld& world);

/// Sets an SA's direction; it decides which of the NAT's ports, as the kernel reports them, is the local one.
void set_way(pfkey::Message& sa, std::uint32_t way);

/// Appends XFRM_MSG_NEWSA, or XFRM_MSG_UPDSA to complete a larval SA, and a remark about anything that Linux does not
/// do. Returns the refusal of a request that cannot be right; then nothing is appended.
std::optional<Refusal> put_add(pfkey::Message& m, std::uint16_t type, const XfrmWorld& world, std::string& remark,
                               NetlinkBatch& out);

}  // namespace ipseckey::kernel::xfrm
