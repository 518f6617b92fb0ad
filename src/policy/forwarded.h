#pragma once
/// Which rules of a host are about packets that it passes on: those in tunnel mode, and the exceptions from them.
#include <span>
#include <vector>

#include "policy/rule.h"

namespace ipseckey::policy {

/// Of one rule, by direction.
struct Forwarded {
  bool out = false, in = false;

  bool has(Direction d) const { return d == Direction::out ? out : in; }
  bool operator==(const Forwarded&) const = default;
};

/// Whether the host's own rule protects in tunnel mode only. Not of a rule of a tunnel with a name.
bool wholly_in_tunnel_mode(const Rule& rule);

/// Which forwarded packets meet the rule on a kernel: those that it is about, those of its tunnel, and outbound, where
/// a kernel asks the same policies as for its own packets, all that no local address excludes. `about`: of
/// about_forwarded().
Forwarded met_on_kernel(const Rule& rule, Forwarded about);

/// For each of the rules, which are in the order in which they are tried: the directions in which forwarded packets
/// meet it. A rule of the host is about them if all that it accepts is tunnel mode; and if it lets pass or drops in
/// clear, in the directions in which a rule in tunnel mode that is tried later has packets of it, from which it is an
/// exception. Rules of tunnels with a name are about what is routed into these, so about none here.
std::vector<Forwarded> about_forwarded(std::span<const Rule> tried);

}  // namespace ipseckey::policy
