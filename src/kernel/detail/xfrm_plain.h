#pragma once
/// What of an SA has one place in the kernel's structures: THE table that joins members of the message to attributes,
/// to flags and to fields of the selector, in both directions, and what Linux lacks of them.
#include <cstdint>
#include <string_view>

#include "kernel/detail/xfrm_attributes.h"
#include "kernel/detail/xfrm_decode.h"
#include "kernel/netlink.h"
#include "pfkey/message.h"

namespace ipseckey::kernel::xfrm {

/// The interface indexes of the devices that an SA names; 0: it names none.
struct Devices {
  std::uint32_t offload = 0, selector = 0;
};

/// Fills in the fields and flags of an SA's fixed part.
void put_fields(const pfkey::Message& m, const Devices& devices, xfrm_usersa_info& info);

/// Appends the attributes. The mark, which is part of names, has a function of its own.
void put_attributes(const pfkey::Message& m, const Devices& devices, NetlinkBatch& out);
void put_mark(const pfkey::Message& m, NetlinkBatch& out);

/// Sets the members of an SA, whose addresses are known, by its fixed part and attributes. What the language cannot say
/// goes through `remark`.
void take_plain(pfkey::Message& m, const xfrm_usersa_info& info, const Attributes& had, const DecodeContext& context,
                void (*remark)(pfkey::Message&, std::string_view));

/// Whether Linux refuses one of the SA's flags where it knows that the SA has that direction (one SaFlag).
bool bars_direction(const pfkey::Message& m, std::uint32_t direction);

/// What of an ADD Linux has no place for, or this program does not ask of it; empty: nothing.
std::string_view not_of_linux(const pfkey::Message& add);

}  // namespace ipseckey::kernel::xfrm
