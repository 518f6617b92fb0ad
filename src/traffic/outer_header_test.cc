/// What an SA asks of a tunnel's outer header: DF (RFC 4301 section 8.1).
#include <gmock/gmock.h>

#include "traffic/testing.h"

namespace traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::kDfClear, pfkey::kDfCopy, pfkey::kDfSet;

constexpr const char* kSrc6 = "2001:db8::1";
constexpr const char* kDst6 = "2001:db8::2";

bool has_df(Bytes v4) { return (get<std::uint16_t>(v4, 6) & 0x4000) != 0; }

// Hosts with one SA, whose path takes 1300 bytes: 20 and 8 and 8 before, 16 behind, in fours, less 2: 1246.
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

TEST(OuterDf, IsWhatTheSaAsksFor) {
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

// The sender hears nothing, whatever its DF says.
TEST(OuterDf, ClearLetsWhatIsTooLongLeaveInFragments) {
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

// Nobody on the way may cut: the sender does, as it would for a link.
TEST(OuterDf, SetTellsTheSenderWhatFitsWhateverItsDfSays) {
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

// RFC 8200 section 5: 1280 bytes are the least that IPv6 can be told, and here they do not fit.
TEST(OuterDf, SetDropsWhatNoSenderMakesSmaller) {
  for (const std::uint32_t df : {kDfCopy, kDfSet}) {
    Ends ends(wish_for(df, true));
    ends.narrow();
    EXPECT_EQ(protect(ends.here, inside(1281, false, true)).mtu, 1280u);
    const Result out = protect(ends.here, inside(1280, false, true));
    EXPECT_EQ(name(out.cause), df == kDfSet ? "too_big" : "none");
    if (df == kDfSet) EXPECT_EQ(out.mtu, 0u);
    EXPECT_EQ(name(protect(ends.here, inside(kFits, false, true)).cause), "none");
  }
}

// Even where somebody said that the path is as narrow as is believed at all (ForgedReports).
TEST(OuterDf, SetStaysWhereAPathIsSaidToBeVeryNarrow) {
  Ends ends(wish_for(kDfSet, false));
  ends.here.plane.path_mtu({pfkey::SaType::esp, 0x100, *parse_address("192.0.2.2")}, 68, at(0));
  const Result out = protect(ends.here, inside(400, true));
  EXPECT_TRUE(has_df(out.packet));
  EXPECT_TRUE(out.departure.dont_fragment);
}

// A link that turns out to be narrower: what is in hand is cut, if the SA lets it.
TEST(OuterDf, OfWhatIsInHandWhenALinkIsNarrower) {
  for (const std::uint32_t df : {kDfCopy, kDfSet, kDfClear}) {
    SCOPED_TRACE(df);
    Ends ends(wish_for(df, false));
    Held held(inside(1400, true));
    ends.here.worker.protect({&held.item, 1}, at(0));
    ASSERT_EQ(name(held.item.cause), "none");
    EXPECT_EQ(ends.here.worker.narrow(held.item, 1300, at(1)), df != kDfSet);
    EXPECT_EQ(has_df(held.bytes()), df == kDfSet);
    EXPECT_EQ(name(unprotect(ends.there, held.bytes()).cause), "none");
    // All the same the SA has learnt from it.
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

}  // namespace
}  // namespace traffic
