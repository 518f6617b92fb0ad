/// Headers that AH covers and ESP does not: routing headers, home addresses; and routers' reports.
#include <gmock/gmock.h>

#include "crypto/testing.h"
#include "traffic/detail/wrap.h"
#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::SaType;

constexpr std::uint8_t kDestination = 60, kRouting = 43;
constexpr const char *kHome = "2001:db8::1", *kCareOf = "2001:db8:9::9", *kPeer = "2001:db8::2";

// A packet with extension headers between its IPv6 header and the rest; each names the next one.
Octets with(const Octets& packet, std::initializer_list<std::pair<std::uint8_t, Octets>> extensions) {
  Octets out(packet.begin(), packet.begin() + 40);
  std::size_t next_at = 6;
  for (const auto& [protocol, octets] : extensions) {
    const std::size_t at = out.size();
    out.insert(out.end(), octets.begin(), octets.end());
    out[at] = out[next_at];
    out[next_at] = static_cast<std::byte>(protocol);
    next_at = at;
  }
  out.insert(out.end(), packet.begin() + 40, packet.end());
  mend_length(out);
  return out;
}

// RFC 6275 section 6.3: option 201, 16 octets long, at 8 n + 6.
Octets home_option(const char* home) {
  Octets header(24, std::byte{0});
  header[1] = std::byte{2};
  header[2] = std::byte{1}, header[3] = std::byte{2};  // PadN of two octets.
  header[6] = std::byte{201}, header[7] = std::byte{16};
  std::ranges::copy(parse_address(home)->octets, header.begin() + 8);
  return header;
}

Octets away(const char* home = kHome) {
  return with(datagram({.src = kCareOf, .dst = kPeer}), {{kDestination, home_option(home)}});
}

// RFC 6275 section 11.3.2: the ICV is computed as if source and home address were swapped.
TEST(HomeAddress, IsAuthenticatedByAh) {
  const Octets packet = away();
  Octets at_home = with(datagram({.src = kHome, .dst = kPeer}), {{kDestination, home_option(kCareOf)}});
  Octets ours(kMostHeaders);
  ASSERT_TRUE(immutable_headers(Bytes(packet).first(64), ours));
  at_home[7] = std::byte{0};  // The hop limit.
  EXPECT_EQ(hex(Bytes(ours).first(64)), hex(Bytes(at_home).first(64)));
  const auto ends = true_ends(Bytes(packet).first(64));
  ASSERT_TRUE(ends);
  EXPECT_EQ(ends->src, *parse_address(kHome));
  EXPECT_EQ(ends->dst, *parse_address(kPeer));
}

TEST(HomeAddress, PrecedesAhAndSelectsTheSaFromHome) {
  const Wish wish{.encrypt = 0, .auth = 5, .src = kHome, .dst = kPeer};
  Host here, there;
  for (Host* const host : {&here, &there}) ASSERT_EQ(host->add(add(0x100, wish)), kDone);
  const Octets plain = away();
  const Result out = protect(here, plain);
  ASSERT_EQ(name(out.cause), "none");
  EXPECT_EQ(out.departure.src, *parse_address(kCareOf));
  EXPECT_EQ(out.departure.header, 40u + 24);
  EXPECT_EQ(std::to_integer<unsigned>(out.packet[6]), kDestination);
  EXPECT_EQ(std::to_integer<unsigned>(out.packet[40]), kAh);
  const Result in = unprotect(there, out.packet);
  EXPECT_EQ(name(in.cause), "none");
  EXPECT_EQ(hex(in.packet), hex(plain));
  // Another host's home address is not covered, nor is one that was inserted on the way.
  EXPECT_EQ(name(protect(here, away("2001:db8::7")).cause), "no_sa");
  Octets changed = protect(here, plain).packet;
  changed[40 + 23] ^= std::byte{1};
  EXPECT_EQ(name(unprotect(there, changed).cause), "wrong_source");
  changed = protect(here, plain).packet;
  changed[23] ^= std::byte{1};  // The care-of address.
  EXPECT_EQ(name(unprotect(there, changed).cause), "corrupt");
}

// Wherever the source is, the connection is identified by the home address, on both sides.
TEST(HomeAddress, IdentifiesAConnectionThatCountsOnce) {
  Host here, there;
  for (Host* const host : {&here, &there}) {
    Message m = add(0x100, {.encrypt = 0, .auth = 5, .src = kHome, .dst = kPeer});
    m.hard = pfkey::Lifetime{.allocations = 1, .bytes = 0, .addtime = 0, .usetime = 0};
    ASSERT_EQ(host->add(std::move(m)), kDone);
  }
  for (const char* const place : {kCareOf, "2001:db8:9::a", "2001:db8:a::9", kCareOf}) {
    const Result out =
        protect(here, with(datagram({.src = place, .dst = kPeer}), {{kDestination, home_option(kHome)}}));
    ASSERT_EQ(name(out.cause), "none") << place;
    EXPECT_EQ(name(unprotect(there, out.packet).cause), "none") << place;
  }
  const engine::SaId id{SaType::ah, 0x100, *parse_address(kPeer)};
  EXPECT_EQ(here.plane.carried(id)->allocations, 1u);
  EXPECT_EQ(there.plane.carried(id)->allocations, 1u);
}

// ESP's ICV does not cover it, and in a tunnel the sender may write anything there.
TEST(HomeAddress, HasNoEffectOnEspAndTunnels) {
  Host esp, tunnel, open;
  ASSERT_EQ(esp.add(add(0x100, {.src = kHome, .dst = kPeer})), kDone);
  EXPECT_EQ(name(protect(esp, away()).cause), "no_sa");
  const Wish inner{.tunnel = true, .inner_src = kHome, .inner_dst = kPeer, .prefix = 128};
  Wish any = inner;
  any.inner_src = any.inner_dst = "::", any.prefix = 0;
  ASSERT_EQ(tunnel.add(add(0x100, inner)), kDone);
  ASSERT_EQ(open.add(add(0x100, any)), kDone);
  EXPECT_EQ(name(protect(tunnel, away()).cause), "no_sa");
  EXPECT_EQ(name(unprotect(tunnel, protect(open, away()).packet).cause), "selector");
}

TEST(HomeAddress, MustBeACompleteOptionOfTheRightLength) {
  Octets header = home_option(kHome);
  EXPECT_EQ(home_address_at(header), 8u);
  for (const unsigned length : {15u, 17u, 0u, 255u}) {
    header[7] = static_cast<std::byte>(length);
    EXPECT_EQ(home_address_at(header), 0u) << length;
  }
  header[7] = std::byte{16};
  header[6] = std::byte{200};
  EXPECT_EQ(home_address_at(header), 0u);
  // With single octets of padding before it.
  header = home_option(kHome);
  for (std::size_t i = 2; i < 6; ++i) header[i] = std::byte{0};
  EXPECT_EQ(home_address_at(header), 8u);
  EXPECT_EQ(home_address_at(Bytes(header).first(23)), 0u);
}

// RFC 4302 section 3.3.3.1.2.3: how a routing header changes is defined only for types 0 and 2 (RFC 6275).
TEST(RoutingHeaders, OfOtherTypesAreRefusedUnderAhWhileTheyHaveHopsLeft) {
  for (unsigned type = 0; type < 256; ++type)
    for (const unsigned left : {0u, 1u, 2u}) {
      SCOPED_TRACE(std::to_string(type) + " " + std::to_string(left));
      Octets route(24, std::byte{0});
      route[1] = std::byte{2};
      route[2] = static_cast<std::byte>(type), route[3] = static_cast<std::byte>(left);
      std::ranges::copy(parse_address(kPeer)->octets, route.begin() + 8);
      const Octets packet = with(datagram({.src = kHome, .dst = kCareOf}), {{kRouting, route}});
      Octets out(kMostHeaders);
      const bool known = left == 0 || (left == 1 && (type == 0 || type == 2));
      EXPECT_EQ(immutable_headers(Bytes(packet).first(64), out), known);
      EXPECT_EQ(true_ends(Bytes(packet).first(64)).has_value(), known && left == 1);
      Host host;
      ASSERT_EQ(host.add(add(0x100, {.encrypt = 0, .auth = 5, .src = kHome, .dst = kCareOf})), kDone);
      ASSERT_EQ(host.add(add(0x101, {.encrypt = 0, .auth = 5, .src = kHome, .dst = kPeer})), kDone);
      const Result sent = protect(host, packet);
      EXPECT_EQ(name(sent.cause), known ? "none" : "malformed");
      if (known) {
        EXPECT_EQ(get<std::uint32_t>(sent.packet, 64 + 4), left == 0 ? 0x100u : 0x101u);
      }
    }
}

// RFC 8200 section 4.2: the third bit of an option's type shows whether routers may change its data; its type and
// length they may not.
TEST(Options, OfIpv6AreCoveredByAhUnlessRoutersMayChangeThem) {
  for (const auto& [type, changed, cause] : {std::tuple{0x1e, 44, "corrupt"},
                                             {0x1e, 43, "corrupt"},
                                             {0x3e, 44, "none"},
                                             {0x3e, 47, "none"},
                                             {0x3e, 42, "corrupt"},
                                             {0x3e, 43, "corrupt"}}) {
    const Wish wish{.encrypt = 0, .auth = 5, .src = kHome, .dst = kPeer};
    Host here, there;
    for (Host* const host : {&here, &there}) ASSERT_EQ(host->add(add(0x100, wish)), kDone);
    Octets option(8, std::byte{7});
    option[1] = std::byte{0}, option[2] = static_cast<std::byte>(type), option[3] = std::byte{4};
    Octets packet = protect(here, with(datagram({.src = kHome, .dst = kPeer}), {{0, option}})).packet;
    ASSERT_EQ(packet.size(), 40u + 8 + 32 + 48);
    packet[static_cast<std::size_t>(changed)] ^= std::byte{1};
    EXPECT_EQ(name(unprotect(there, packet).cause), cause) << type << ' ' << changed;
  }
}

// An option of two octets, its type and its length, may be the last one in IPv4's header; one of fewer is invalid.
TEST(Options, OfIpv4MayConsistOfTypeAndLength) {
  for (const auto& [length, right] : {std::pair{2, true}, {1, false}, {0, false}, {3, false}}) {
    Octets header = datagram();
    const Octets options = {std::byte{1}, std::byte{1}, std::byte{148}, static_cast<std::byte>(length)};
    header.insert(header.begin() + 20, options.begin(), options.end());
    header[0] = std::byte{0x46};
    Octets out(24);
    EXPECT_EQ(immutable_headers(Bytes(header).first(24), out), right) << length;
  }
}

// covers RFC4303-3.1.1-1 RFC4301-4.1-7
TEST(Options, OfIpv4AndHeadersForTheWayPrecedeEspInTransportMode) {
  Octets with_options = datagram();
  const Octets router_alert = {std::byte{148}, std::byte{4}, std::byte{0}, std::byte{0}};
  with_options.insert(with_options.begin() + 20, router_alert.begin(), router_alert.end());
  with_options[0] = std::byte{0x46};
  mend_length(with_options);
  const Octets six = datagram({.src = kHome, .dst = kPeer});
  Octets option(8, std::byte{0}), route(8, std::byte{0});  // PadN; no hops left.
  option[2] = std::byte{1}, option[3] = std::byte{4};
  struct Row {
    const char* name;
    Octets plain;
    std::size_t esp, names_it;  ///< Where ESP begins, and where the header before it names it.
  };
  for (const Row& row : {Row{"options", with_options, 24, 9}, Row{"hop by hop", with(six, {{0, option}}), 48, 40},
                         Row{"routing", with(six, {{kRouting, route}}), 48, 40},
                         Row{"both", with(six, {{0, option}, {kRouting, route}}), 56, 48}}) {
    SCOPED_TRACE(row.name);
    const bool v4 = row.esp == 24;
    const Wish wish = v4 ? Wish{} : Wish{.src = kHome, .dst = kPeer};
    Host here, there;
    for (Host* const host : {&here, &there}) ASSERT_EQ(host->add(add(0x100, wish)), kDone);
    const Result out = protect(here, row.plain);
    ASSERT_EQ(name(out.cause), "none");
    EXPECT_EQ(std::to_integer<unsigned>(out.packet[row.names_it]), unsigned{kEsp});
    EXPECT_EQ(get<std::uint32_t>(out.packet, row.esp), 0x100u);
    const Result in = unprotect(there, out.packet);
    ASSERT_EQ(name(in.cause), "none");
    EXPECT_EQ(hex(in.packet), hex(row.plain));
  }
}

// The sender may put destination options on either side of ESP.
// covers RFC4303-3.1.1-1
TEST(Options, OfTheDestinationMayPrecedeEspOrFollowIt) {
  const Octets six = datagram({.src = kHome, .dst = kPeer});
  Octets option(8, std::byte{0});
  option[2] = std::byte{1}, option[3] = std::byte{4};
  const Octets plain = with(six, {{kDestination, option}});
  const Wish wish{.src = kHome, .dst = kPeer};
  for (const bool before : {true, false}) {
    SCOPED_TRACE(before);
    Host here, there;
    for (Host* const host : {&here, &there}) ASSERT_EQ(host->add(add(0x100, wish)), kDone);
    const Octets packet =
        before ? with(protect(here, six).packet, {{kDestination, option}}) : protect(here, plain).packet;
    const Result in = unprotect(there, packet);
    ASSERT_EQ(name(in.cause), "none");
    EXPECT_EQ(hex(in.packet), hex(plain));
  }
}

// covers RFC4301-4.4.1.1-3
TEST(Options, AreSkippedToFindThePorts) {
  Message sa = add(0x100, {.src = kHome, .dst = kPeer});
  sa.src->proto = sa.dst->proto = kUdp, sa.dst->port = 53;
  Host host;
  ASSERT_EQ(host.add(std::move(sa)), kDone);
  Octets option(8, std::byte{0}), route(8, std::byte{0});
  option[2] = std::byte{1}, option[3] = std::byte{4};
  const auto result = [&](std::uint16_t port) {
    const Octets six = datagram({.src = kHome, .dst = kPeer, .dst_port = port});
    return std::string(name(protect(host, with(six, {{0, option}, {kRouting, route}, {kDestination, option}})).cause));
  };
  EXPECT_EQ(result(53), "none");
  EXPECT_EQ(result(54), "no_sa");
  // ESP is not skipped, whatever follows its header.
  Octets esp = datagram({.src = kHome, .dst = kPeer, .dst_port = 53});
  esp[6] = std::byte{kEsp};
  EXPECT_EQ(name(protect(host, esp).cause), "no_sa");
}

TEST(Options, InWhichTheHostHasWrittenLeaveAStaleChecksum) {
  Octets packet =
      crypto::testing::octets("47000024000100004033 0000 c0000201c0000202 0707080a01020300 0102030405060708");
  Octets stale = packet;
  mend_checksum(packet);
  EXPECT_FALSE(parse(stale));
  mend_after_options(stale);
  EXPECT_EQ(hex(stale), hex(packet));
  // Without options nothing writes into a header, and a length beyond the packet is left to parse().
  for (const char* const other : {"45000018000100004033 0000 c0000201c0000202 01020304", "4f00",
                                  "47000018000100004033 0000 c0000201c0000202", "6f00000000003340"}) {
    Octets unchanged = crypto::testing::octets(other);
    mend_after_options(unchanged);
    EXPECT_EQ(hex(unchanged), hex(crypto::testing::octets(other))) << other;
  }
}

TEST(Options, AnExtensionWithoutOctetsIsIgnored) {
  const std::array<Extension, 1> empty = {Extension{kDestination, {}}};
  Held held(datagram({.src = kHome, .dst = kPeer}));
  EXPECT_FALSE(
      add_header(held.item.packet,
                 {.src = *parse_address(kHome), .dst = *parse_address(kPeer), .protocol = kEsp, .extensions = empty}));
}

// A fragment does not show what a router reported: the rest of it may differ.
TEST(PathReports, MustBeWholePackets) {
  for (const bool six : {false, true}) {
    Held held(six ? datagram({.src = "2001:db8::1", .dst = "2001:db8::2", .protocol = kEsp})
                  : datagram({.protocol = kEsp}));
    ASSERT_TRUE(make_too_big(held.item.packet, 1300, *parse_address(six ? "2001:db8::2" : "192.0.2.2")));
    const Octets whole = held.bytes();
    ASSERT_TRUE(read_path_report(whole));
    Octets first = whole;
    if (six) {
      const Octets fragment = {std::byte{0}, std::byte{0}, std::byte{0}, std::byte{1},
                               std::byte{0}, std::byte{0}, std::byte{0}, std::byte{7}};
      first = with(whole, {{44, fragment}});
    } else {
      set<std::uint16_t>(first, 6, 0x2000);
      mend_checksum(first);
    }
    ASSERT_TRUE(parse(first)->fragment);
    EXPECT_FALSE(read_path_report(first));
    if (six) continue;
    set<std::uint16_t>(first, 6, 0x0001);
    mend_checksum(first);
    EXPECT_FALSE(read_path_report(first));
  }
}

// Each of its octets is changed once, as by bad links: the checksum covers the whole ICMP message.
TEST(PathReports, WithAWrongChecksumAreIgnored) {
  for (const bool six : {false, true}) {
    Held held(six ? datagram({.src = "2001:db8::1", .dst = "2001:db8::2", .protocol = kEsp})
                  : datagram({.protocol = kEsp}));
    ASSERT_TRUE(make_too_big(held.item.packet, 1300, *parse_address(six ? "2001:db8::2" : "192.0.2.2")));
    const Octets right = held.bytes();
    ASSERT_TRUE(read_path_report(right));
    for (std::size_t at = six ? 40 : 20; at < right.size(); ++at) {
      Octets wrong = right;
      wrong[at] ^= std::byte{1};
      EXPECT_FALSE(read_path_report(wrong)) << at;
    }
  }
}

// RFC 1812 section 4.3.2.3 and RFC 4443 section 2.4 (c): as much of the packet as fits in 576 bytes, or 1280.
TEST(PathReports, QuoteAsMuchAsAllowed) {
  for (const bool six : {false, true}) {
    const std::size_t headers = six ? 40 : 20, front = headers + 8, most = six ? 1280 : 576;
    for (const std::size_t quoted : {front, most - front - 1, most - front, most - front + 1, std::size_t{3000}}) {
      const std::size_t payload = quoted - headers - 8;
      const Octets packet =
          six ? datagram({.src = "2001:db8::1", .dst = "2001:db8::2", .size = payload}) : datagram({.size = payload});
      ASSERT_EQ(packet.size(), quoted);
      Held held(packet);
      ASSERT_TRUE(make_too_big(held.item.packet, 1300, *parse_address(six ? "2001:db8::2" : "192.0.2.2")));
      const Octets answer = held.bytes();
      ASSERT_EQ(answer.size(), front + std::min(quoted, most - front));
      EXPECT_EQ(hex(Bytes(answer).subspan(front)), hex(Bytes(packet).first(answer.size() - front)));
    }
  }
}

// Without room in front there is no answer, and the packet stays unchanged.
TEST(PathReports, NeedRoomInFront) {
  for (const bool six : {false, true}) {
    const Octets packet = six ? datagram({.src = "2001:db8::1", .dst = "2001:db8::2"}) : datagram();
    const std::size_t front = six ? 48 : 28;
    for (const std::size_t room : {std::size_t{0}, front - 1, front}) {
      Held held(packet, room);
      ASSERT_EQ(make_too_big(held.item.packet, 1300, std::nullopt), room == front);
      EXPECT_EQ(held.bytes() == packet, room < front);
    }
  }
}

// RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e): no answer to an ICMP error, and over IPv4 none to a multicast.
TEST(PathReports, AreNotSentWhereNoAnswerIsAllowed) {
  constexpr std::uint8_t kIcmp = 1, kIcmpV6 = 58;
  const auto answered = [](const char* src, const char* dst, std::uint8_t protocol, unsigned type) {
    Held held(
        datagram({.src = src, .dst = dst, .src_port = static_cast<std::uint16_t>(type << 8), .protocol = protocol}));
    return make_too_big(held.item.packet, 1300, std::nullopt);
  };
  for (const auto& [type, may] : {std::pair{0u, true},
                                  {3u, false},
                                  {4u, false},
                                  {5u, false},
                                  {8u, true},
                                  {11u, false},
                                  {12u, false},
                                  {13u, true}})
    EXPECT_EQ(answered("192.0.2.1", "192.0.2.2", kIcmp, type), may) << type;
  for (const auto& [type, may] : {std::pair{1u, false}, {2u, false}, {127u, false}, {128u, true}, {255u, true}})
    EXPECT_EQ(answered("2001:db8::1", "2001:db8::2", kIcmpV6, type), may) << type;
  EXPECT_TRUE(answered("192.0.2.1", "192.0.2.2", kUdp, 3)) << "the type of something else";
  EXPECT_FALSE(answered("192.0.2.1", "224.1.1.1", kUdp, 0));
  EXPECT_TRUE(answered("2001:db8::1", "ff0e::1", kUdp, 0));
}

// A path MTU that has decreased again: fragments made for the earlier one are too long now (RFC 8200 section 4.5).
TEST(PathReports, AboutFragmentsOfOurPacketCountToo) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, {.src = "2001:db8::1", .dst = "2001:db8::2", .tunnel = true})), kDone);
  const Octets whole = protect(host, datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = 1300})).packet;
  ASSERT_FALSE(whole.empty());
  const auto piece = [](unsigned offset_and_more, unsigned number) {
    return Octets{std::byte{0},
                  std::byte{0},
                  static_cast<std::byte>(offset_and_more >> 8),
                  static_cast<std::byte>(offset_and_more),
                  std::byte{0},
                  std::byte{0},
                  static_cast<std::byte>(number >> 8),
                  static_cast<std::byte>(number)};
  };
  Held first(with(whole, {{44, piece(0x0001, 0x0807)}}));
  ASSERT_TRUE(make_too_big(first.item.packet, 1290, *parse_address("2001:db8:ffff::1")));
  const auto report = read_path_report(first.item.packet.bytes());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->id, (engine::SaId{SaType::esp, 0x100, *parse_address("2001:db8::2")}));
  EXPECT_EQ(report->mtu, 1290u);

  // A later fragment does not begin with an SPI. Its ID is reduced by what is added to its offset, so that the checksum
  // is right.
  Octets later = first.bytes();
  const Octets was = piece(0x0001, 0x0807), is = piece(0x0801, 0x0007);
  const auto at_piece = std::ranges::search(later, Bytes(was).subspan(2));
  ASSERT_FALSE(at_piece.empty());
  std::ranges::copy(Bytes(is).subspan(2), at_piece.begin());
  EXPECT_FALSE(read_path_report(later));

  // The same over IPv4, from a router that reports although the packet may be fragmented.
  for (const auto& [place, named] : {std::pair<std::uint16_t, bool>{0x2000, true}, {0x2001, false}, {0x0001, false}}) {
    Octets packet = datagram({.protocol = kEsp});
    Held held(packet);
    ASSERT_TRUE(make_too_big(held.item.packet, 600, *parse_address("192.0.2.2")));
    Octets told = held.bytes();
    set<std::uint16_t>(told, 20 + 8 + 6, place);
    set<std::uint16_t>(told, 22, 0);
    set<std::uint16_t>(told, 22, checksum(Bytes(told).subspan(20)));
    EXPECT_EQ(read_path_report(told).has_value(), named) << place;
  }
}

}  // namespace
}  // namespace ipseckey::traffic
