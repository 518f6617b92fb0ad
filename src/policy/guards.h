#pragma once
/// Packets that a host needs in clear: IPv6 neighbour discovery, without which no packet finds its way, and what the
/// host sends to ::1. Rules about all of IPv6 are about them, too.
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "policy/rule.h"

namespace ipseckey::policy {

struct Guard {
  Rule rule;                 ///< Passes the packets.
  std::string_view packets;  ///< "IPv6 neighbour discovery"; what they are.
};

/// All of them.
std::span<const Guard> guards();

/// A rule that protects or drops packets of a guard, as no rule that is tried before lets them pass.
struct Unguarded {
  std::size_t rule;
  const Guard* guard;
  bool operator==(const Unguarded&) const = default;
};

/// The first such rule of each guard. `tried`: the order, from order().
std::vector<Unguarded> unguarded(std::span<const Rule> rules, std::span<const std::size_t> tried);

}  // namespace ipseckey::policy
