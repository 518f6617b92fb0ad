#include "ipsecd/packets/road.h"

#include <algorithm>

namespace ipseckey::ipsecd {
namespace {

struct Row {
  Detour detour;
  std::string_view name, sentence;
};
constexpr std::array kRows = {
    Row{Detour::none, "none", "they leave directly"},
    Row{Detour::unasked, "unasked", "the route is not known yet"},
    Row{Detour::unsure, "unsure", "messages of the kernel were lost: its tables are read again"},
    Row{Detour::firewall, "firewall", "netfilter has rules for packets that leave"},
    Row{Detour::kernel_policies, "kernel_policies", "the kernel has IPsec policies of its own"},
    Row{Detour::no_route, "no_route", "there is no route"},
    Row{Detour::not_unicast, "not_unicast", "the address is not that of one other host"},
    Row{Detour::encapsulated, "encapsulated", "the route adds a header"},
    Row{Detour::no_ethernet, "no_ethernet", "the link is not Ethernet"},
    Row{Detour::link_down, "link_down", "the link is down"},
    Row{Detour::no_neighbour, "no_neighbour", "the Ethernet address of the next hop is not known"},
};
static_assert(kRows.size() == kDetours);
static_assert([] {
  for (std::size_t i = 0; i < kRows.size(); ++i)
    if (kRows[i].detour != static_cast<Detour>(i)) return false;
  return true;
}());

constexpr std::array kTypeV4 = {std::byte{0x08}, std::byte{0x00}}, kTypeV6 = {std::byte{0x86}, std::byte{0xdd}};

}  // namespace

std::string_view name(Detour detour) { return kRows[static_cast<std::size_t>(detour)].name; }
std::string_view sentence(Detour detour) { return kRows[static_cast<std::size_t>(detour)].sentence; }

// The kernel does not report each of its neighbours as gone.
void RoadMap::link_gone(unsigned index) {
  links_.erase(index);
  absl::erase_if(neighbours_, [&](const auto& entry) { return entry.first.link == index; });
}

void RoadMap::neighbour(unsigned link, const Address& address, const NeighbourFacts& facts) {
  if (facts.known) {
    neighbours_[{link, address}] = facts;
  } else {
    neighbours_.erase({link, address});
  }
}

void RoadMap::clear() {
  links_.clear();
  neighbours_.clear();
}

const NeighbourFacts* RoadMap::next_hop(const Address& to, const RouteFacts& route) const {
  const auto found = neighbours_.find({route.link, route.gateway.value_or(to)});
  return found == neighbours_.end() ? nullptr : &found->second;
}

std::string_view RoadMap::link_name(unsigned index) const {
  const auto found = links_.find(index);
  return found == links_.end() ? std::string_view() : found->second.name;
}

Judged RoadMap::road(const Address& to, const std::optional<RouteFacts>& route) const {
  if (obstacle_ != Detour::none) return {obstacle_};
  if (!route) return {Detour::no_route};
  if (!route->unicast) return {Detour::not_unicast};
  if (route->encapsulated) return {Detour::encapsulated};
  const auto link = links_.find(route->link);
  if (link == links_.end() || !link->second.ethernet) return {Detour::no_ethernet};
  if (!link->second.up) return {Detour::link_down};
  const NeighbourFacts* const next = next_hop(to, *route);
  if (!next) return {Detour::no_neighbour};
  Road road{.link = route->link, .mtu = link->second.mtu};
  auto at = std::ranges::copy(next->address, road.header.begin()).out;
  at = std::ranges::copy(link->second.address, at).out;
  std::ranges::copy(to.family == Family::v4 ? kTypeV4 : kTypeV6, at);
  return {Detour::none, road};
}

}  // namespace ipseckey::ipsecd
