#pragma once
/// SAs that have no effect on this host: most often the file belongs to the other host.
#include <functional>
#include <optional>

#include "base/net.h"
#include "lang/rules.h"
#include "pfkey/message.h"

namespace ipseckey::cli {

/// What is known of the host; an empty function: nothing.
struct HostFacts {
  std::function<bool(const Address&)> is_local;  ///< Whether an address is the host's own, loopback left out.
  std::function<bool(Family)> forwards;          ///< Whether it passes packets on to others.
};

/// A reservation about an ADD, as a warning; nullopt: none, not known, or not an ADD. The SA runs the wrong way here:
/// it is outbound and leads to this host, or inbound and begins at it.
std::optional<lang::Objection> runs_the_wrong_way(const pfkey::Message& add, const HostFacts& host);

/// The same: neither end is the host's own, and it does not forward packets. An SA for NAT traversal may name the NAT's
/// address, and one for a group the group's.
std::optional<lang::Objection> is_elsewhere(const pfkey::Message& add, const HostFacts& host);

}  // namespace ipseckey::cli
