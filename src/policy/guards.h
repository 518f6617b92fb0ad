#pragma once
/// Packets that a host needs in clear: IPv6 neighbour discovery, without which no packet finds its way, and what the
/// host sends to itself. Rules about all of IPv6 are about them, too.
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/net.h"
#include "policy/rule.h"

namespace ipseckey::policy {

struct Guard {
  Rule rule;                 ///< Passes the packets.
  std::string_view packets;  ///< "IPv6 neighbour discovery"; what they are.
};

/// Those of any host: neighbour discovery and ::1.
std::vector<Guard> guards();
/// Where what a host sends to itself meets no rules: only neighbour discovery.
std::vector<Guard> guards_beside_loopback();
/// Those of a kernel, which keeps ::1 reachable by itself (XfrmPlan), and exempts what a host sends to itself for IPv4
/// only: neighbour discovery, and what the host sends from each of its own IPv6 addresses to each. Link-local ones are
/// paired with themselves only. `own`: of both families, without ::1.
std::vector<Guard> kernel_guards(std::span<const Address> own);

/// A rule, by its number, that protects or drops packets of a guard, as no rule that is tried before lets them pass.
struct Unguarded {
  std::size_t rule, guard;
  bool operator==(const Unguarded&) const = default;
};

/// The first such rule of each guard. `tried`: the order, from order().
std::vector<Unguarded> unguarded(std::span<const Rule> rules, std::span<const std::size_t> tried,
                                 std::span<const Guard> guards);

}  // namespace ipseckey::policy
