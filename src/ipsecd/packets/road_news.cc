#include "ipsecd/packets/road_news.h"

#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

namespace ipseckey::ipsecd {
namespace {

// nullopt: not an address of a family that is known here.
std::optional<Address> address_of(Bytes octets, unsigned family) {
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  Address address = unspecified(family == AF_INET ? Family::v4 : Family::v6);
  if (octets.size() != address.size()) return std::nullopt;
  std::ranges::copy(octets, address.octets.begin());
  return address;
}

std::optional<Mac> mac_of(Bytes octets) {
  Mac mac{};
  if (octets.size() != mac.size()) return std::nullopt;
  std::ranges::copy(octets, mac.begin());
  return mac;
}

// Bridges report their ports as links, too; those are about the same interface, but incomplete.
std::optional<RoadNews> read_link(const NetlinkPart& m) {
  Reader in(m.payload);
  std::uint8_t family = 0;
  std::uint16_t type = 0;
  std::uint32_t index = 0, flags = 0;
  in.host(family), in.pad(1), in.host(type), in.host(index), in.host(flags), in.pad(4);
  if (!in.ok() || family != AF_UNSPEC) return std::nullopt;
  if (m.type == RTM_DELLINK) return LinkGone{index};
  const Bytes attributes = after(m.payload, sizeof(ifinfomsg));
  LinkFacts facts;
  const Bytes name = attribute_of(attributes, IFLA_IFNAME);
  for (const std::byte octet : name.first(name.empty() ? 0 : name.size() - 1)) facts.name += static_cast<char>(octet);
  const auto mac = mac_of(attribute_of(attributes, IFLA_ADDRESS));
  facts.ethernet = type == ARPHRD_ETHER && mac.has_value();
  facts.address = mac.value_or(Mac());
  constexpr std::uint32_t kUp = 1;  // IFF_UP of linux/if.h, which cannot be included with net/if.h.
  facts.up = (flags & kUp) != 0;
  facts.mtu = number_of<std::uint32_t>(attribute_of(attributes, IFLA_MTU));
  return LinkNews{index, std::move(facts)};
}

std::optional<RoadNews> read_neighbour(const NetlinkPart& m) {
  Reader in(m.payload);
  std::uint8_t family = 0, flags = 0;
  std::uint16_t state = 0;
  std::uint32_t index = 0;
  in.host(family), in.pad(3), in.host(index), in.host(state), in.host(flags), in.pad(1);
  const Bytes attributes = after(m.payload, sizeof(ndmsg));
  const auto address = address_of(attribute_of(attributes, NDA_DST), family);
  if (!in.ok() || !address || (flags & NTF_PROXY) != 0) return std::nullopt;
  // With these states the kernel itself sends to the address.
  constexpr unsigned kKnown = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
  const auto mac = mac_of(attribute_of(attributes, NDA_LLADDR));
  NeighbourFacts facts;
  facts.known = m.type == RTM_NEWNEIGH && (state & kKnown) != 0 && mac;
  facts.stale = facts.known && (state & NUD_STALE) != 0;
  facts.address = mac.value_or(Mac());
  return NeighbourNews{index, *address, facts};
}

std::optional<RoadNews> read_route_news(const NetlinkPart& m) {
  Reader in(m.payload);
  std::uint8_t family = 0, length = 0;
  in.host(family), in.host(length);
  if (!in.ok() || m.payload.size() < sizeof(rtmsg)) return std::nullopt;
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  Address prefix = unspecified(family == AF_INET ? Family::v4 : Family::v6);
  if (length > prefix.bits()) return std::nullopt;
  if (length > 0) {
    const auto given = address_of(attribute_of(after(m.payload, sizeof(rtmsg)), RTA_DST), family);
    if (!given) return std::nullopt;
    prefix = masked(*given, length);
  }
  return RouteNews{prefix, length};
}

}  // namespace

std::optional<RoadNews> read_road_news(const NetlinkPart& m) {
  switch (m.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return read_link(m);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return read_neighbour(m);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return read_route_news(m);
    case RTM_NEWRULE:
    case RTM_DELRULE:
    case RTM_NEWADDR:
    case RTM_DELADDR:
    case RTM_NEWNEXTHOP:
    case RTM_DELNEXTHOP:
      return OtherRoutes{};
    default:
      return std::nullopt;
  }
}

std::optional<RouteFacts> read_route(const NetlinkPart& m) {
  if (m.type != RTM_NEWROUTE || m.payload.size() < sizeof(rtmsg)) return std::nullopt;
  Reader in(m.payload);
  std::uint8_t family = 0, type = 0;
  in.host(family), in.pad(6), in.host(type);
  const Bytes attributes = after(m.payload, sizeof(rtmsg));
  RouteFacts facts{.unicast = type == RTN_UNICAST,
                   .encapsulated = attribute_of(attributes, RTA_ENCAP_TYPE).data() != nullptr ||
                                   attribute_of(attributes, RTA_NEWDST).data() != nullptr,
                   .link = number_of<std::uint32_t>(attribute_of(attributes, RTA_OIF)),
                   .gateway = address_of(attribute_of(attributes, RTA_GATEWAY), family)};
  // An IPv4 route whose gateway has an IPv6 address.
  if (const Bytes via = attribute_of(attributes, RTA_VIA); via.size() > sizeof(std::uint16_t))
    facts.gateway = address_of(via.subspan(sizeof(std::uint16_t)), number_of<std::uint16_t>(via));
  return facts;
}

}  // namespace ipseckey::ipsecd
