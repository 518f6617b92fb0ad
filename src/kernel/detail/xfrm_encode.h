#pragma once
/// PF_KEY requests as XFRM messages. No system calls, nothing is read from the kernel; call it after xfrm_rules.h has
/// found no fault.
#include <cstdint>
#include <optional>

#include "kernel/detail/xfrm_plain.h"
#include "kernel/netlink.h"
#include "pfkey/message.h"

namespace ipseckey::kernel::xfrm {

/// XFRM_MSG_NEWSA, or XFRM_MSG_UPDSA to complete a larval SA. False: it is too large; nothing was appended.
bool put_sa(const pfkey::Message& m, std::uint16_t type, const Devices& devices, NetlinkBatch& out);

/// XFRM_MSG_GETSA or XFRM_MSG_DELSA for the SA that m names: type, SPI, destination, mark.
void put_name(const pfkey::Message& m, std::uint16_t type, NetlinkBatch& out);

/// XFRM_MSG_GETSA of all SAs of a type; unspec: of every type.
void put_dump(pfkey::SaType satype, NetlinkBatch& out);

/// The same for all SAs to a destination.
void put_dump_to(const Address& dst, NetlinkBatch& out);

/// XFRM_MSG_GETPOLICY of all policies.
void put_policy_dump(NetlinkBatch& out);

/// XFRM_MSG_FLUSHSA for a type: ah or esp.
void put_flush(pfkey::SaType satype, NetlinkBatch& out);

/// XFRM_MSG_ALLOCSPI for exactly that SPI, host order.
void put_larval(const pfkey::Message& m, std::uint32_t spi, NetlinkBatch& out);

/// XFRM_MSG_UPDSA that repeats an SA in the kernel's own form, the `payload` of its XFRM_MSG_NEWSA, with other limits.
/// False: the payload is not an SA.
bool put_limits(Bytes payload, const pfkey::Lifetime& soft, const pfkey::Lifetime& hard, NetlinkBatch& out);

/// XFRM_MSG_NEWAE that sets the sequence number of such an SA: the one sent, the one seen or, if `direction` (SaFlag
/// bits) names neither or both, the two. False: the payload is not an SA.
bool put_replay(Bytes payload, std::uint64_t value, std::uint32_t direction, NetlinkBatch& out);

}  // namespace ipseckey::kernel::xfrm
