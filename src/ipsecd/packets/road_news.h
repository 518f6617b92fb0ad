#pragma once
/// The kernel's messages about links, neighbours, routes and rules (rtnetlink(7)), as what they mean for a RoadMap.
#include <optional>
#include <variant>

#include "base/bytes.h"
#include "base/net.h"
#include "ipsecd/packets/netlink_reader.h"
#include "ipsecd/packets/road.h"

namespace ipseckey::ipsecd {

/// A link is new or has changed.
struct LinkNews {
  unsigned index = 0;
  LinkFacts facts = {};
};
struct LinkGone {
  unsigned index = 0;
};
struct NeighbourNews {
  unsigned link = 0;
  Address address = {};
  NeighbourFacts facts = {};
};
/// A route to these addresses came, changed or went.
struct RouteNews {
  Address prefix = {};
  unsigned length = 0;  ///< In bits.
  /// Whether packets to `to` may take another route.
  bool concerns(const Address& to) const { return to.family == prefix.family && masked(to, length) == prefix; }
};
/// Any route may be another one: a rule, an address or a next hop changed.
struct OtherRoutes {};

/// nullopt: the message is about something else, or is truncated.
using RoadNews = std::variant<LinkNews, LinkGone, NeighbourNews, RouteNews, OtherRoutes>;
std::optional<RoadNews> read_road_news(const NetlinkPart& message);

/// The answer to the question for a route (RTM_GETROUTE); nullopt: it is something else, or truncated.
std::optional<RouteFacts> read_route(const NetlinkPart& message);

}  // namespace ipseckey::ipsecd
