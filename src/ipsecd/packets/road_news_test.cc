/// What the kernel's messages about links, neighbours and routes mean.
#include "ipsecd/packets/road_news.h"

#include <gtest/gtest.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <vector>

#include "ipsecd/packets/netlink_testing.h"

namespace ipseckey::ipsecd {
namespace {

constexpr Mac kMac = {std::byte{2}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{7}};

Address at(std::string_view text) { return *parse_address(text); }

std::optional<RoadNews> news(const std::vector<std::byte>& octets) {
  std::optional<RoadNews> found;
  each_message(octets, [&](const NetlinkPart& m) { found = read_road_news(m); });
  return found;
}

NetlinkSample link(std::uint16_t type, unsigned short kind, unsigned flags) {
  ifinfomsg head{};
  head.ifi_type = kind, head.ifi_index = 5, head.ifi_flags = flags;
  NetlinkSample m(type, head);
  m.text(IFLA_IFNAME, "cable").attribute(IFLA_ADDRESS, Bytes(kMac)).attribute(IFLA_MTU, 1400u);
  return m;
}

NetlinkSample neighbour(std::uint16_t type, unsigned state, unsigned char flags = 0) {
  ndmsg head{};
  head.ndm_family = AF_INET, head.ndm_ifindex = 5, head.ndm_flags = flags;
  head.ndm_state = static_cast<unsigned short>(state);
  NetlinkSample m(type, head);
  m.attribute(NDA_DST, at("192.0.2.2")).attribute(NDA_LLADDR, Bytes(kMac));
  return m;
}

NetlinkSample route(std::uint16_t type, unsigned char family, unsigned char length, unsigned char kind = RTN_UNICAST) {
  rtmsg head{};
  head.rtm_family = family, head.rtm_dst_len = length, head.rtm_type = kind;
  return {type, head};
}

TEST(RoadNews, Links) {
  for (const auto& [kind, ethernet] : {std::pair{ARPHRD_ETHER, true}, std::pair{ARPHRD_NONE, false}})
    for (const unsigned up : {0u, 1u}) {
      const auto found = news(link(RTM_NEWLINK, static_cast<unsigned short>(kind), up).octets());
      ASSERT_TRUE(found && std::holds_alternative<LinkNews>(*found));
      const auto& [index, facts] = std::get<LinkNews>(*found);
      EXPECT_EQ(index, 5u);
      EXPECT_EQ(facts.name, "cable");
      EXPECT_EQ(facts.ethernet, ethernet);
      EXPECT_EQ(facts.up, up == 1);
      EXPECT_EQ(facts.address, kMac);
      EXPECT_EQ(facts.mtu, 1400u);
    }
  const auto gone = news(link(RTM_DELLINK, ARPHRD_ETHER, 0).octets());
  ASSERT_TRUE(gone && std::holds_alternative<LinkGone>(*gone));
  EXPECT_EQ(std::get<LinkGone>(*gone).index, 5u);
  ifinfomsg port{};
  port.ifi_family = AF_BRIDGE, port.ifi_index = 5;
  EXPECT_FALSE(news(NetlinkSample(RTM_NEWLINK, port).octets())) << "a bridge's report of a port lacks most";
  EXPECT_FALSE(news(NetlinkSample(RTM_DELLINK, port).octets())) << "a port that left its bridge is still a link";
}

TEST(RoadNews, AnEthernetLinkHasAnAddressOfSixOctets) {
  ifinfomsg head{};
  head.ifi_type = ARPHRD_ETHER, head.ifi_index = 5;
  const auto found = news(NetlinkSample(RTM_NEWLINK, head).text(IFLA_IFNAME, "odd").octets());
  EXPECT_FALSE(std::get<LinkNews>(found.value()).facts.ethernet);
}

TEST(RoadNews, NeighboursAreKnownInTheStatesInWhichTheKernelSends) {
  struct Case {
    unsigned state;
    bool known, stale;
  };
  for (const auto& [state, known, stale] :
       {Case{NUD_INCOMPLETE, false, false}, Case{NUD_REACHABLE, true, false}, Case{NUD_STALE, true, true},
        Case{NUD_DELAY, true, false}, Case{NUD_PROBE, true, false}, Case{NUD_FAILED, false, false},
        Case{NUD_NOARP, true, false}, Case{NUD_PERMANENT, true, false}, Case{NUD_NONE, false, false}}) {
    const auto found = news(neighbour(RTM_NEWNEIGH, state).octets());
    ASSERT_TRUE(found && std::holds_alternative<NeighbourNews>(*found));
    const auto& [index, address, facts] = std::get<NeighbourNews>(*found);
    EXPECT_EQ(index, 5u);
    EXPECT_EQ(address, at("192.0.2.2"));
    EXPECT_EQ(facts.known, known) << state;
    EXPECT_EQ(facts.stale, stale) << state;
    EXPECT_EQ(facts.address, kMac);
  }
  EXPECT_FALSE(std::get<NeighbourNews>(news(neighbour(RTM_DELNEIGH, NUD_REACHABLE).octets()).value()).facts.known);
  EXPECT_FALSE(news(neighbour(RTM_NEWNEIGH, NUD_PERMANENT, NTF_PROXY).octets())) << "what this host answers for others";
  ndmsg bridge{};
  bridge.ndm_family = AF_BRIDGE, bridge.ndm_ifindex = 5, bridge.ndm_state = NUD_PERMANENT;
  EXPECT_FALSE(news(NetlinkSample(RTM_NEWNEIGH, bridge).attribute(NDA_LLADDR, Bytes(kMac)).octets()));
  ndmsg bare{};
  bare.ndm_family = AF_INET, bare.ndm_ifindex = 5, bare.ndm_state = NUD_REACHABLE;
  const auto without = news(NetlinkSample(RTM_NEWNEIGH, bare).attribute(NDA_DST, at("192.0.2.2")).octets());
  EXPECT_FALSE(std::get<NeighbourNews>(without.value()).facts.known);
}

TEST(RoadNews, RoutesConcernTheAddressesOfTheirPrefix) {
  for (const auto type : {RTM_NEWROUTE, RTM_DELROUTE}) {
    const auto found = news(route(type, AF_INET, 24).attribute(RTA_DST, at("198.51.100.0")).octets());
    const auto& some = std::get<RouteNews>(found.value());
    EXPECT_TRUE(some.concerns(at("198.51.100.77")));
    EXPECT_FALSE(some.concerns(at("198.51.101.77")));
    EXPECT_FALSE(some.concerns(at("2001:db8::1")));
    const auto every = news(route(type, AF_INET6, 0).octets());
    EXPECT_TRUE(std::get<RouteNews>(every.value()).concerns(at("2001:db8::1")));
    EXPECT_FALSE(std::get<RouteNews>(every.value()).concerns(at("198.51.100.77")));
  }
  EXPECT_FALSE(news(route(RTM_NEWROUTE, AF_INET, 24).octets())) << "a prefix without octets";
  EXPECT_FALSE(news(route(RTM_NEWROUTE, AF_INET, 33).attribute(RTA_DST, at("198.51.100.0")).octets()));
  EXPECT_FALSE(news(route(RTM_NEWROUTE, AF_MPLS, 20).octets()));
}

TEST(RoadNews, OtherRoutes) {
  for (const auto type : {RTM_NEWRULE, RTM_DELRULE, RTM_NEWADDR, RTM_DELADDR, RTM_NEWNEXTHOP, RTM_DELNEXTHOP})
    EXPECT_TRUE(std::holds_alternative<OtherRoutes>(news(route(type, AF_INET, 0).octets()).value())) << type;
  EXPECT_FALSE(news(route(RTM_NEWQDISC, AF_INET, 0).octets()));
}

std::optional<RouteFacts> answer(const NetlinkSample& sample) {
  const auto octets = sample.octets();
  std::optional<RouteFacts> found;
  each_message(octets, [&](const NetlinkPart& m) { found = read_route(m); });
  return found;
}

TEST(RoadNews, TheAnswerAboutARoute) {
  auto found = answer(route(RTM_NEWROUTE, AF_INET, 32).attribute(RTA_OIF, 5u)).value();
  EXPECT_TRUE(found.unicast);
  EXPECT_FALSE(found.encapsulated);
  EXPECT_EQ(found.link, 5u);
  EXPECT_EQ(found.gateway, std::nullopt);
  found =
      answer(route(RTM_NEWROUTE, AF_INET, 32).attribute(RTA_OIF, 5u).attribute(RTA_GATEWAY, at("192.0.2.254"))).value();
  EXPECT_EQ(found.gateway, at("192.0.2.254"));
  std::vector<std::byte> via = {std::byte{AF_INET6}, std::byte{0}};
  const Address router = at("fe80::fe");
  via.insert(via.end(), router.octets.begin(), router.octets.end());
  EXPECT_EQ(answer(route(RTM_NEWROUTE, AF_INET, 32).attribute(RTA_VIA, Bytes(via))).value().gateway, router);
  for (const auto kind : {RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST, RTN_BLACKHOLE, RTN_UNREACHABLE})
    EXPECT_FALSE(answer(route(RTM_NEWROUTE, AF_INET, 32, kind)).value().unicast) << kind;
  EXPECT_TRUE(answer(route(RTM_NEWROUTE, AF_INET, 32).attribute(RTA_ENCAP_TYPE, 1u)).value().encapsulated);
  EXPECT_FALSE(answer(route(RTM_DELROUTE, AF_INET, 32)));
}

TEST(RoadNews, TruncatedMessagesAreIgnored) {
  for (const auto& whole :
       {link(RTM_NEWLINK, ARPHRD_ETHER, 1).octets(), neighbour(RTM_NEWNEIGH, NUD_REACHABLE).octets(),
        route(RTM_NEWROUTE, AF_INET, 24).attribute(RTA_DST, at("198.51.100.0")).octets()})
    for (std::size_t size = 0; size < whole.size(); ++size)  // Cut, with the length of the whole.
      EXPECT_FALSE(news({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)})) << size;
}

}  // namespace
}  // namespace ipseckey::ipsecd
