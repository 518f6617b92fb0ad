/// From the kernel's tables to a link and an Ethernet header, or the reason why there is none.
#include "ipsecd/packets/road.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace ipseckey::ipsecd {
namespace {

constexpr Mac mac(unsigned last) { return {std::byte{2}, {}, {}, {}, {}, static_cast<std::byte>(last)}; }

constexpr unsigned kCable = 5, kTunnel = 6, kUnplugged = 7;

Address at(std::string_view text) { return *parse_address(text); }

// A cable with the hosts 192.0.2.2 and 2001:db8::2, and a router 192.0.2.254, fe80::fe.
RoadMap tables() {
  RoadMap map;
  map.link(kCable, {.name = "cable", .ethernet = true, .up = true, .address = mac(1), .mtu = 1500});
  map.link(kTunnel, {.name = "tunnel", .ethernet = false, .up = true, .mtu = 1400});
  map.link(kUnplugged, {.name = "unplugged", .ethernet = true, .up = false, .address = mac(7), .mtu = 1500});
  map.neighbour(kCable, at("192.0.2.2"), {.known = true, .address = mac(2)});
  map.neighbour(kCable, at("2001:db8::2"), {.known = true, .stale = true, .address = mac(2)});
  map.neighbour(kCable, at("192.0.2.254"), {.known = true, .address = mac(0xfe)});
  map.neighbour(kCable, at("fe80::fe"), {.known = true, .address = mac(0xfe)});
  map.neighbour(kUnplugged, at("192.0.2.7"), {.known = true, .address = mac(9)});
  return map;
}

Road by_cable(unsigned to, std::uint16_t type) {
  Road road{.link = kCable, .mtu = 1500};
  road.header = {
      std::byte{2}, {}, {}, {}, {},           static_cast<std::byte>(to),        std::byte{2},
      {},           {}, {}, {}, std::byte{1}, static_cast<std::byte>(type >> 8), static_cast<std::byte>(type)};
  return road;
}

RouteFacts over(unsigned link, std::optional<Address> gateway = {}) {
  return {.unicast = true, .link = link, .gateway = gateway};
}

TEST(Road, HasTheLinkTheHeaderAndTheMtu) {
  const RoadMap map = tables();
  struct Case {
    const char* to;
    RouteFacts route;
    Road road;
  };
  const std::vector<Case> cases = {
      {"192.0.2.2", over(kCable), by_cable(2, 0x0800)},
      {"2001:db8::2", over(kCable), by_cable(2, 0x86dd)},
      {"198.51.100.1", over(kCable, at("192.0.2.254")), by_cable(0xfe, 0x0800)},
      {"2001:db8:1::1", over(kCable, at("fe80::fe")), by_cable(0xfe, 0x86dd)},
      {"198.51.100.1", over(kCable, at("fe80::fe")), by_cable(0xfe, 0x0800)},  // RFC 5549.
  };
  for (const Case& c : cases) EXPECT_EQ(map.road(at(c.to), c.route), (Judged{Detour::none, c.road})) << c.to;
}

TEST(Road, OrTheReasonWhyThereIsNone) {
  RoadMap map = tables();
  const Address host = at("192.0.2.2");
  EXPECT_EQ(map.road(host, std::nullopt), Judged{Detour::no_route});
  EXPECT_EQ(map.road(host, RouteFacts{.unicast = false, .link = kCable}), Judged{Detour::not_unicast});
  EXPECT_EQ(map.road(host, RouteFacts{.unicast = true, .encapsulated = true, .link = kCable}),
            Judged{Detour::encapsulated});
  EXPECT_EQ(map.road(host, over(kTunnel)), Judged{Detour::no_ethernet});
  EXPECT_EQ(map.road(host, over(99)), Judged{Detour::no_ethernet});
  EXPECT_EQ(map.road(at("192.0.2.7"), over(kUnplugged)), Judged{Detour::link_down});
  EXPECT_EQ(map.road(at("192.0.2.3"), over(kCable)), Judged{Detour::no_neighbour});
  EXPECT_EQ(map.road(host, over(kCable, at("192.0.2.9"))), Judged{Detour::no_neighbour});
  for (const Detour detour : {Detour::unsure, Detour::firewall, Detour::kernel_policies}) {
    map.obstacle(detour);
    EXPECT_EQ(map.road(host, over(kCable)), Judged{detour});
  }
  map.obstacle(Detour::none);
  EXPECT_EQ(map.road(host, over(kCable)), (Judged{Detour::none, by_cable(2, 0x0800)}));
}

TEST(Road, FollowsChanges) {
  RoadMap map = tables();
  const Address host = at("192.0.2.2");
  map.link(kCable, {.name = "cable", .ethernet = true, .up = true, .address = mac(1), .mtu = 1400});
  map.neighbour(kCable, host, {.known = true, .address = mac(3)});
  Road changed = by_cable(3, 0x0800);
  changed.mtu = 1400;
  EXPECT_EQ(map.road(host, over(kCable)), (Judged{Detour::none, changed}));
  map.neighbour(kCable, host, {.known = false});
  EXPECT_EQ(map.road(host, over(kCable)), Judged{Detour::no_neighbour});
  map = tables();
  map.link_gone(kCable);
  EXPECT_EQ(map.road(host, over(kCable)), Judged{Detour::no_ethernet});
  map.link(kCable, {.name = "cable", .ethernet = true, .up = true, .address = mac(1), .mtu = 1500});
  EXPECT_EQ(map.road(host, over(kCable)), Judged{Detour::no_neighbour}) << "neighbours go with their link";
  map = tables();
  map.clear();
  EXPECT_EQ(map.road(host, over(kCable)), Judged{Detour::no_ethernet});
}

TEST(Road, KnowsNextHopsAndNames) {
  const RoadMap map = tables();
  EXPECT_TRUE(map.next_hop(at("2001:db8::2"), over(kCable))->stale);
  EXPECT_FALSE(map.next_hop(at("198.51.100.1"), over(kCable, at("192.0.2.254")))->stale);
  EXPECT_EQ(map.next_hop(at("192.0.2.99"), over(kCable)), nullptr);
  EXPECT_EQ(map.link_name(kTunnel), "tunnel");
  EXPECT_EQ(map.link_name(99), "");
}

TEST(Road, EveryReasonHasANameAndASentence) {
  std::set<std::string_view> names, sentences;
  for (std::size_t i = 0; i < kDetours; ++i) {
    EXPECT_TRUE(names.insert(name(static_cast<Detour>(i))).second) << i;
    EXPECT_TRUE(sentences.insert(sentence(static_cast<Detour>(i))).second) << i;
  }
}

}  // namespace
}  // namespace ipseckey::ipsecd
