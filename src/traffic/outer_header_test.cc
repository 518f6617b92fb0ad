/// An SA's settings for a tunnel's outer header: DF (RFC 4301 section 8.1), DSCP (section 5.1.2).
#include <gmock/gmock.h>

#include "traffic/coalesce.h"
#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::kDfClear, pfkey::kDfCopy, pfkey::kDfSet;

bool has_df(Bytes v4) { return (get<std::uint16_t>(v4, 6) & 0x4000) != 0; }

// Hosts with one SA, whose path MTU is 1300: 20 and 8 and 8 before, 16 behind, in fours, less 2: 1246.
struct Ends {
  Host here, there;
  explicit Ends(const Wish& wish) {
    EXPECT_EQ(here.add(add(0x100, wish)), kDone);
    EXPECT_EQ(there.add(add(0x100, wish)), kDone);
  }
  void narrow() { here.plane.path_mtu({pfkey::SaType::esp, 0x100, *parse_address("192.0.2.2")}, 1300, at(0)); }
};
constexpr std::uint32_t kFits = 1246;

Wish wish_for(std::uint32_t df, bool v6, bool ah = false) {
  Wish wish{.tunnel = true, .df = df};
  if (v6) wish.inner_src = "fd01::", wish.inner_dst = "fd02::", wish.prefix = 32;
  if (ah) wish.encrypt = 0, wish.auth = 5;
  return wish;
}
Octets inside(std::size_t total, bool df, bool v6 = false) {
  return datagram({.src = v6 ? "fd01::1" : "10.1.0.1",
                   .dst = v6 ? "fd02::1" : "10.2.0.1",
                   .size = total - (v6 ? 48 : 28),
                   .dont_fragment = df});
}

// covers RFC4301-8.1-2
TEST(OuterDf, IsAsTheSaSpecifies) {
  struct Row {
    std::uint32_t df;
    bool inner, v6, outer;
  };
  for (const bool ah : {false, true})
    for (const Row& row :
         {Row{kDfCopy, false, false, false}, Row{kDfCopy, true, false, true}, Row{kDfCopy, false, true, false},
          Row{kDfSet, false, false, true}, Row{kDfSet, true, false, true}, Row{kDfSet, false, true, true},
          Row{kDfClear, false, false, false}, Row{kDfClear, true, false, false}, Row{kDfClear, false, true, false}}) {
      SCOPED_TRACE(fmt::format("AH {}, df {}, inner {}, IPv6 {}", ah, row.df, row.inner, row.v6));
      Ends ends(wish_for(row.df, row.v6, ah));
      const Octets plain = inside(500, row.inner, row.v6);
      const Result out = protect(ends.here, plain);
      ASSERT_EQ(name(out.cause), "none");
      EXPECT_EQ(has_df(out.packet), row.outer);
      EXPECT_EQ(out.departure.dont_fragment, row.outer);
      EXPECT_EQ(hex(unprotect(ends.there, out.packet).packet), hex(plain));
    }
}

// The sender gets no report, whatever its DF.
TEST(OuterDf, ClearLetsLongPacketsLeaveInFragments) {
  for (const bool v6 : {false, true})
    for (const bool df : {false, true}) {
      Ends ends(wish_for(kDfClear, v6));
      ends.narrow();
      for (const std::uint32_t size : {kFits, kFits + 1, 1400u, 20'000u}) {
        const Octets plain = inside(size, df, v6);
        const Result out = protect(ends.here, plain);
        ASSERT_EQ(name(out.cause), "none") << size;
        EXPECT_EQ(out.departure.mtu, 1300u);
        EXPECT_FALSE(has_df(out.packet));
        Octets room(1300), body;
        std::size_t parts = 0;
        ASSERT_TRUE(fragment(out.packet, out.departure.mtu, out.departure.id, room, [&](Bytes part) {
          EXPECT_LE(part.size(), 1300u);
          body.insert(body.end(), part.begin() + 20, part.end());
          ++parts;
        }));
        EXPECT_EQ(parts, (out.packet.size() - 20 + 1279) / 1280) << size;
        EXPECT_EQ(hex(body), hex(Bytes(out.packet).subspan(20)));
        EXPECT_EQ(hex(unprotect(ends.there, out.packet).packet), hex(plain));
      }
      // No datagram can be that long.
      const Result over = protect(ends.here, inside(65'500, df, v6));
      EXPECT_EQ(name(over.cause), "too_big");
      EXPECT_EQ(over.mtu, 0u);
    }
}

// Routers must not fragment it: the sender does, as for a link.
TEST(OuterDf, SetReportsTheSizeThatFitsWhateverTheSendersDf) {
  for (const bool df : {false, true}) {
    Ends ends(wish_for(kDfSet, false));
    EXPECT_EQ(name(protect(ends.here, inside(1446, df)).cause), "none");
    EXPECT_EQ(protect(ends.here, inside(1447, df)).mtu, 1446u);
    ends.narrow();
    EXPECT_EQ(name(protect(ends.here, inside(kFits, df)).cause), "none");
    const Result out = protect(ends.here, inside(kFits + 1, df));
    EXPECT_EQ(name(out.cause), "too_big");
    EXPECT_EQ(out.mtu, kFits);
  }
}

// RFC 8200 section 5: an IPv6 sender need not go below 1280 bytes, and here they do not fit.
TEST(OuterDf, SetDropsPacketsThatNoSenderMakesSmaller) {
  for (const std::uint32_t df : {kDfCopy, kDfSet}) {
    Ends ends(wish_for(df, true));
    ends.narrow();
    EXPECT_EQ(protect(ends.here, inside(1281, false, true)).mtu, 1280u);
    const Result out = protect(ends.here, inside(1280, false, true));
    EXPECT_EQ(name(out.cause), df == kDfSet ? "too_big" : "none");
    EXPECT_TRUE(df != kDfSet || out.mtu == 0);
    EXPECT_EQ(name(protect(ends.here, inside(kFits, false, true)).cause), "none");
  }
}

// Even if somebody reported the smallest path MTU that is accepted (ForgedReports).
TEST(OuterDf, SetRemainsEvenIfAVerySmallMtuIsReported) {
  Ends ends(wish_for(kDfSet, false));
  ends.here.plane.path_mtu({pfkey::SaType::esp, 0x100, *parse_address("192.0.2.2")}, 68, at(0));
  const Result out = protect(ends.here, inside(400, true));
  EXPECT_TRUE(has_df(out.packet));
  EXPECT_TRUE(out.departure.dont_fragment);
}

// A link with a smaller MTU: packets not yet sent are fragmented, if the SA allows it.
TEST(OuterDf, AppliesToUnsentPacketsWhenALinksMtuIsSmaller) {
  for (const std::uint32_t df : {kDfCopy, kDfSet, kDfClear}) {
    SCOPED_TRACE(df);
    Ends ends(wish_for(df, false));
    Held held(inside(1400, true));
    ends.here.worker.protect({&held.item, 1}, at(0));
    ASSERT_EQ(name(held.item.cause), "none");
    EXPECT_EQ(ends.here.worker.narrow(held.item, 1300, at(1)), df != kDfSet);
    EXPECT_EQ(has_df(held.bytes()), df == kDfSet);
    EXPECT_EQ(name(unprotect(ends.there, held.bytes()).cause), "none");
    // Nevertheless the SA has learnt from it.
    const Result next = protect(ends.here, inside(1400, true), at(2));
    EXPECT_EQ(name(next.cause), df == kDfClear ? "none" : "too_big");
    EXPECT_EQ(df == kDfClear ? next.departure.mtu : next.mtu, df == kDfClear ? 1300u : kFits);
  }
}

TEST(OuterDf, IsForTunnelsOverIpv4) {
  Host host;
  constexpr engine::testing::Outcome kRefused{EINVAL, pfkey::Diagnostic::none};
  EXPECT_EQ(host.add(add(0x100, {.df = kDfSet})), kRefused);
  EXPECT_EQ(host.add(add(0x100, {.src = kSrc6, .dst = kDst6, .tunnel = true, .df = kDfClear})), kRefused);
  EXPECT_EQ(host.add(add(0x100, {.tunnel = true, .df = 3})), kRefused);
}

// ---- DSCP

struct Shown {
  const char* name;
  Wish wish;
  const char *src, *dst;
};
const std::array kShown = {
    Shown{"v4 in v4", {.tunnel = true}, "10.1.0.1", "10.2.0.1"},
    Shown{
        "v6 in v4", {.tunnel = true, .inner_src = "fd01::", .inner_dst = "fd02::", .prefix = 32}, "fd01::1", "fd02::1"},
    Shown{"v4 in v6", {.src = kSrc6, .dst = kDst6, .tunnel = true}, "10.1.0.1", "10.2.0.1"},
    Shown{"v6 in v6",
          {.src = kSrc6, .dst = kDst6, .tunnel = true, .inner_src = "fd01::", .inner_dst = "fd02::", .prefix = 32},
          "fd01::1",
          "fd02::1"},
    Shown{"AH", {.encrypt = 0, .auth = 5, .tunnel = true}, "10.1.0.1", "10.2.0.1"},
    Shown{"in UDP", {.tunnel = true, .udp = true}, "10.1.0.1", "10.2.0.1"},
};

// covers RFC4301-5.1.2.1-3
TEST(OuterDscp, IsTheSasOrThePacketsAndEcnIsAlwaysThePackets) {
  for (const Shown& c : kShown)
    for (std::uint32_t dscp = 0; dscp <= pfkey::kDscpCopy; ++dscp)
      for (const unsigned inner : {0x00u, 0x29u, 0x4au, 0xffu}) {
        SCOPED_TRACE(fmt::format("{}, dscp {}, inner {:#x}", c.name, dscp, inner));
        Wish wish = c.wish;
        wish.dscp = dscp;
        Ends ends(wish);
        const Octets plain = datagram({.src = c.src, .dst = c.dst, .traffic_class = static_cast<std::uint8_t>(inner)});
        const Result out = protect(ends.here, plain);
        ASSERT_EQ(name(out.cause), "none");
        const unsigned expected = dscp <= 63 ? dscp << 2 | (inner & 3) : inner;
        EXPECT_EQ(parse(out.packet)->traffic_class, expected);
        EXPECT_EQ(out.departure.traffic_class, expected);
        if (dscp == pfkey::kDscpCopy) continue;
        EXPECT_EQ(hex(unprotect(ends.there, out.packet).packet), hex(plain));
      }
}

// RFC 6040 figure 4 for the two bits of ECN, by outer and inner; 4: it is dropped.
TEST(OuterDscp, CopiedReplacesThatOfTheInnerPacket) {
  constexpr unsigned kEcn[4][4] = {{0, 1, 2, 3}, {0, 1, 1, 3}, {0, 1, 2, 3}, {4, 3, 3, 3}};
  for (const Shown& c : kShown)
    for (const std::uint32_t dscp : {0u, 63u, std::uint32_t{pfkey::kDscpKeep}, std::uint32_t{pfkey::kDscpCopy}})
      for (unsigned outer = 0; outer < 256; outer += 13)
        for (unsigned inner = 0; inner < 4; ++inner) {
          SCOPED_TRACE(fmt::format("{}, dscp {}, outer {:#x}, inner {}", c.name, dscp, outer, inner));
          Wish wish = c.wish;
          wish.dscp = dscp;
          Ends ends(wish);
          const Shape shape{.src = c.src, .dst = c.dst, .traffic_class = static_cast<std::uint8_t>(0x48 | inner)};
          Octets wire = protect(ends.here, datagram(shape)).packet;
          set_traffic_class(wire, static_cast<std::uint8_t>(outer));
          const Result in = unprotect(ends.there, wire);
          const unsigned ecn = kEcn[outer & 3][inner];
          ASSERT_EQ(name(in.cause), ecn == 4 ? "congested" : "none");
          if (ecn == 4) continue;
          Shape expected = shape;
          expected.traffic_class = static_cast<std::uint8_t>((dscp == pfkey::kDscpCopy ? outer & 0xfc : 0x48) | ecn);
          EXPECT_EQ(hex(in.packet), hex(datagram(expected)));
        }
}

Octets segment(std::uint32_t sequence, std::size_t size) {
  Octets packet(40 + size);
  write_header(
      packet,
      {.src = *parse_address("10.1.0.1"), .dst = *parse_address("10.2.0.1"), .protocol = kTcp, .dont_fragment = true},
      packet.size());
  set<std::uint32_t>(packet, 24, sequence);
  set<std::uint16_t>(packet, 32, 0x5010);
  mend_transport_checksum(packet, *parse(packet));
  return packet;
}

// Packets that the network has marked differently are not merged: the marks could not be separated afterwards.
TEST(OuterDscp, SegmentsWithDifferentValuesAreNotMerged) {
  Ends ends({.tunnel = true, .dscp = pfkey::kDscpCopy});
  std::vector<Octets> memory;
  std::array<Item, 4> items;
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    Octets wire = protect(ends.here, segment(1 + 100 * i, 100)).packet;
    set_traffic_class(wire, i < 2 ? 0x28 : 0x48);
    memory.push_back(unprotect(ends.there, wire).packet);
    items[i].packet = {memory.back(), 0, memory.back().size()};
  }
  std::vector<std::pair<unsigned, std::size_t>> joined;
  Coalescer coalescer;
  coalescer.join(items, [&](std::span<const MutableBytes> pieces, const Offload&) {
    joined.emplace_back(std::to_integer<unsigned>(pieces[0][1]), pieces.size());
  });
  EXPECT_THAT(joined, ::testing::ElementsAre(std::pair(0x28u, 2u), std::pair(0x48u, 2u)));
}

TEST(OuterDscp, IsForTunnels) {
  Host host;
  constexpr engine::testing::Outcome kRefused{EINVAL, pfkey::Diagnostic::none};
  EXPECT_EQ(host.add(add(0x100, {.dscp = 10})), kRefused);
  EXPECT_EQ(host.add(add(0x100, {.tunnel = true, .dscp = 66})), kRefused);
}

}  // namespace
}  // namespace ipseckey::traffic
