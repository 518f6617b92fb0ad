#pragma once
/// By which link, and with which Ethernet header, a complete packet to an address leaves: computed from the kernel's
/// tables. So packets can leave without the IP layer, by a packet socket or AF_XDP, or the reason is known why not.
#include <absl/container/flat_hash_map.h>
#include <absl/hash/hash.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/net.h"

namespace ipseckey::ipsecd {

/// An Ethernet address.
using Mac = std::array<std::byte, 6>;

/// Addresses as keys of hash tables, which the kernel, or SAs, choose.
struct AddressHash {
  std::size_t operator()(const Address& a) const { return absl::HashOf(static_cast<std::uint8_t>(a.family), a.octets); }
};

/// Why a packet must leave by the raw socket.
enum class Detour : std::uint8_t {
  none,             ///< It need not.
  unasked,          ///< The route is not known yet.
  unsure,           ///< Messages of the kernel were lost; its tables are read again.
  firewall,         ///< Netfilter has rules for packets that leave.
  kernel_policies,  ///< The kernel has IPsec policies of its own.
  no_route,
  not_unicast,   ///< The address is the host's own, a multicast or a broadcast one.
  encapsulated,  ///< The route adds a header: MPLS, a tunnel.
  no_ethernet,   ///< The link is not Ethernet.
  link_down,
  no_neighbour,  ///< The Ethernet address of the next hop is not known.
};
inline constexpr std::size_t kDetours = static_cast<std::size_t>(Detour::no_neighbour) + 1;

/// "no_neighbour".
std::string_view name(Detour detour);
/// "the next hop has no Ethernet address yet", for people.
std::string_view sentence(Detour detour);

/// A packet's way: an Ethernet header before it, and this link.
struct Road {
  unsigned link = 0;  ///< The interface's index.
  std::array<std::byte, 14> header{};
  std::uint32_t mtu = 0;  ///< Octets of the longest IP packet.
  bool operator==(const Road&) const = default;
};

/// A Road, or why there is none.
struct Judged {
  Detour detour = Detour::unasked;
  Road road = {};  ///< If `detour` is none.
  bool operator==(const Judged&) const = default;
};

/// What the kernel reports about a network interface.
struct LinkFacts {
  std::string name;
  bool ethernet = false;  ///< Frames have Ethernet headers, and interfaces Ethernet addresses.
  bool up = false;
  Mac address{};
  std::uint32_t mtu = 0;
};

/// The kernel's answer to the question which route a packet to an address would take.
struct RouteFacts {
  bool unicast = false;
  bool encapsulated = false;
  unsigned link = 0;
  std::optional<Address> gateway = {};  ///< nullopt: the address is on the link.
};

/// What the kernel reports about a neighbour.
struct NeighbourFacts {
  bool known = false;  ///< Its address may be used: it was confirmed, or was until recently.
  bool stale = false;  ///< It was not confirmed lately: the kernel would ask it on the next packet.
  Mac address{};
};

/// The kernel's tables, as far as they decide how packets leave. It reads nothing itself.
class RoadMap {
 public:
  void link(unsigned index, LinkFacts facts) { links_[index] = std::move(facts); }
  void link_gone(unsigned index);
  void neighbour(unsigned link, const Address& address, const NeighbourFacts& facts);
  /// Forgets all links and neighbours.
  void clear();
  /// A reason that concerns every packet; none: there is no such reason.
  void obstacle(Detour detour) { obstacle_ = detour; }
  Detour obstacle() const { return obstacle_; }

  /// How packets to `to` leave if this is the route; nullopt: there is none.
  Judged road(const Address& to, const std::optional<RouteFacts>& route) const;
  /// The neighbour to which packets to `to` are sent; nullptr: nothing is known about it.
  const NeighbourFacts* next_hop(const Address& to, const RouteFacts& route) const;
  /// The name of a link; empty: it is not known.
  std::string_view link_name(unsigned index) const;

 private:
  struct Key {
    unsigned link;
    Address address;
    bool operator==(const Key&) const = default;
    template <class H>
    friend H AbslHashValue(H h, const Key& k) {
      return H::combine(std::move(h), k.link, static_cast<std::uint8_t>(k.address.family), k.address.octets);
    }
  };
  absl::flat_hash_map<unsigned, LinkFacts> links_;
  absl::flat_hash_map<Key, NeighbourFacts> neighbours_;
  Detour obstacle_ = Detour::none;
};

}  // namespace ipseckey::ipsecd
