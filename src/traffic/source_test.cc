/// Which sources an SA's packets may come from (RFC 4301 section 4.1): a unicast SA is found by its SPI, and the holder
/// of the key may have moved; if nothing authenticates the sender, or the source is a selector, it must be the SA's.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;

constexpr std::uint8_t kSha256 = 5, kAes = 12, kGcm = 20;

struct Row {
  const char* what;
  Wish wish;
  const char *any, *same;  ///< The result with either setting of the switch.
};

// Packets from an SA whose source is elsewhere have another outer source.
// covers RFC4301-4.1-1
TEST(Source, OfATunnelMayBeAnyoneWithTheKey) {
  const Wish v4{.tunnel = true}, v6{.src = "2001:db8::1", .dst = "2001:db8::2", .tunnel = true};
  const auto with = [](Wish wish, std::uint8_t encrypt, std::uint8_t auth) {
    wish.encrypt = encrypt, wish.auth = auth;
    if (auth == 0 && encrypt == kAes) wish.window = 0;
    return wish;
  };
  const auto in_udp = [](Wish wish) {
    wish.udp = true;
    return wish;
  };
  Wish multicast = v4, multicast_v6 = v6;
  multicast.dst = "224.1.1.1", multicast_v6.dst = "ff02::5";
  for (const Row& row : {Row{"ESP", with(v4, kGcm, 0), "none", "wrong_source"},
                         Row{"ESP over IPv6", with(v6, kAes, kSha256), "none", "wrong_source"},
                         Row{"AH", with(v4, 0, kSha256), "none", "wrong_source"},
                         Row{"AH over IPv6", with(v6, 0, kSha256), "none", "wrong_source"},
                         Row{"ESP without integrity", with(v4, kAes, 0), "wrong_source", "wrong_source"},
                         Row{"multicast", multicast, "wrong_source", "wrong_source"},
                         Row{"multicast over IPv6", multicast_v6, "wrong_source", "wrong_source"},
                         Row{"in UDP", in_udp(with(v4, kGcm, 0)), "none", "wrong_source"},
                         Row{"in UDP over IPv6", in_udp(with(v6, kGcm, 0)), "none", "wrong_source"},
                         Row{"in UDP, without integrity", in_udp(with(v4, kAes, 0)), "wrong_source", "wrong_source"},
                         Row{"in UDP, transport", in_udp({}), "wrong_source", "wrong_source"},
                         Row{"transport", {}, "wrong_source", "wrong_source"}})
    for (const bool same : {false, true}) {
      SCOPED_TRACE(fmt::format("{}, {}", row.what, same));
      const bool v6_outside = std::string_view(row.wish.src).contains(':');
      Wish moved = row.wish;
      moved.src = v6_outside ? "2001:db8::77" : "192.0.2.77";
      Host here, there({.workers = 1, .same_source = same}), away;
      ASSERT_EQ(here.add(add(0x100, row.wish)), kDone);
      ASSERT_EQ(there.add(add(0x100, row.wish)), kDone);
      ASSERT_EQ(away.add(add(0x100, moved)), kDone);
      const auto plain = [&](const Wish& wish) {
        return wish.tunnel ? datagram({.src = "10.1.0.1", .dst = "10.2.0.1"}) : datagram({.src = wish.src});
      };
      const Result from_elsewhere = unprotect(there, protect(away, plain(moved)).packet);
      EXPECT_EQ(name(from_elsewhere.cause), same ? row.same : row.any);
      EXPECT_EQ(hex(from_elsewhere.packet), from_elsewhere.cause == Cause::none ? hex(plain(moved)) : "");
      protect(here, plain(row.wish));  // Its number 1 was the other one's.
      EXPECT_EQ(name(unprotect(there, protect(here, plain(row.wish)).packet).cause), "none");
    }
}

TEST(Source, AForgerWithoutTheKeyGainsNothing) {
  Host here, there;
  for (Host* const host : {&here, &there}) ASSERT_EQ(host->add(add(0x100, {.tunnel = true})), kDone);
  Octets packet = protect(here, datagram({.src = "10.1.0.1", .dst = "10.2.0.1"})).packet;
  packet[15] = std::byte{99};
  mend_checksum(packet);
  Octets spoilt = packet;
  spoilt.back() ^= std::byte{1};
  EXPECT_EQ(name(unprotect(there, spoilt).cause), "corrupt");
  EXPECT_EQ(name(unprotect(there, packet).cause), "none");
  EXPECT_EQ(name(unprotect(there, packet).cause), "replayed");
}

}  // namespace
}  // namespace ipseckey::traffic
