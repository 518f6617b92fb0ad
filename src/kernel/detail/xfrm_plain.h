#pragma once
/// The parts of an SA that are one value in the kernel's structures: the one table that joins members of the message to
/// attributes, flags and fields of the selector, in both directions, and those that Linux lacks.
#include <cstdint>
#include <string_view>

#include "kernel/detail/xfrm_attributes.h"
#include "kernel/detail/xfrm_decode.h"
#include "kernel/netlink.h"
#include "pfkey/message.h"

namespace ipseckey::kernel::xfrm {

/// The interface indexes of the devices that an SA names; 0: none.
struct Devices {
  std::uint32_t offload = 0, selector = 0;
};

/// Fills in the fields and flags of an SA's fixed part.
void put_fields(const pfkey::Message& m, const Devices& devices, xfrm_usersa_info& info);

/// Appends the attributes. The mark, which is part of an SA's name, has a function of its own.
void put_attributes(const pfkey::Message& m, const Devices& devices, NetlinkBatch& out);
void put_mark(const pfkey::Message& m, NetlinkBatch& out);

/// Sets the members of an SA, whose addresses are known, from its fixed part and attributes. Anything that the
/// language cannot express goes to `remark`.
void take_plain(pfkey::Message& m, const xfrm_usersa_info& info, const Attributes& had, const DecodeContext& context,
                void (*remark)(pfkey::Message&, std::string_view));

/// Whether Linux refuses one of the SA's flags if it knows that the SA has that direction (one SaFlag).
bool bars_direction(const pfkey::Message& m, std::uint32_t direction);

/// The part of an ADD that Linux cannot store, or that this program does not request from it; empty: none.
std::string_view not_of_linux(const pfkey::Message& add);

}  // namespace ipseckey::kernel::xfrm
