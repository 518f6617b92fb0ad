#pragma once
/// XFRM messages as PF_KEY messages. Pure functions; what PF_KEY cannot express about an SA goes into a remark, so that
/// nothing is lost.
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "kernel/netlink.h"
#include "pfkey/message.h"

namespace ipseckey::kernel::xfrm {

/// What the decoder needs to know.
struct DecodeContext {
  std::uint64_t now = 0;     ///< Seconds since 1970, to tell whether a soft limit has passed.
  bool keys_hidden = false;  ///< The kernel returns zeros instead of keys: they are left out.
  std::string (*device_name)(std::uint32_t) = nullptr;  ///< An interface's name by its index.
};

/// An SA from the payload of an XFRM_MSG_NEWSA, in the form of a GET reply (type get, seq and pid 0). nullopt: neither
/// AH nor ESP, or too short. It lacks pairs, identities and directions that the kernel does not know.
std::optional<pfkey::Message> sa_of(Bytes payload, const DecodeContext& context);

/// A message of one of the multicast groups as a PF_KEY listener receives it: ADD, UPDATE, DELETE, FLUSH, EXPIRE,
/// ACQUIRE, X_NAT_T_NEW_MAPPING; replay events are an UPDATE with a remark. nullopt: about neither AH nor ESP, or
/// malformed.
std::optional<pfkey::Message> event_of(const NetlinkMessage& m, const DecodeContext& context);

}  // namespace ipseckey::kernel::xfrm
