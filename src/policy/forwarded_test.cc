// Which rules forwarded packets meet: those in tunnel mode, and what is excepted from them by rules in front.
#include "policy/forwarded.h"

#include <gmock/gmock.h>

#include "policy/testing.h"

namespace ipseckey::policy {
namespace {

using testing::drop_rule;
using ::testing::ElementsAre;
using testing::esp_rule;
using testing::pass_rule;

constexpr Forwarded kNone{}, kOut{true, false}, kIn{false, true}, kBoth{true, true};

Rule tunnel_rule(std::string_view peers) {
  Rule r = esp_rule(peers);
  r.alternatives[0].protection.ends = TunnelEnds{*parse_address("192.0.2.1"), *parse_address("192.0.2.2")};
  return r;
}

Rule one_way(Rule r, Direction d) {
  (d == Direction::out ? r.in : r.out) = false;
  return r;
}

TEST(AboutForwarded, AreRulesInTunnelModeAndNoOthers) {
  EXPECT_THAT(about_forwarded(Rules{}), ElementsAre());
  Rule either = tunnel_rule("10.3.0.0/16");
  either.alternatives.push_back(esp_rule().alternatives[0]);
  EXPECT_THAT(about_forwarded(Rules{esp_rule("10.2.0.0/16"), tunnel_rule("10.2.0.0/16"), either}),
              ElementsAre(kNone, kBoth, kNone));
  EXPECT_THAT(about_forwarded(Rules{one_way(tunnel_rule("10.2.0.0/16"), Direction::in),
                                    one_way(tunnel_rule("10.2.0.0/16"), Direction::out)}),
              ElementsAre(kIn, kOut));
}

TEST(AboutForwarded, AreExceptionsInFrontOfThem) {
  EXPECT_THAT(about_forwarded(Rules{pass_rule("10.2.9.0/24"), drop_rule("10.2.8.1/32"), tunnel_rule("10.2.0.0/16")}),
              ElementsAre(kBoth, kBoth, kBoth));
  // Behind it, or beside it, they are none.
  EXPECT_THAT(about_forwarded(Rules{drop_rule("10.3.0.0/16"), tunnel_rule("10.2.0.0/16"), drop_rule("10.2.8.1/32")}),
              ElementsAre(kNone, kBoth, kNone));
  // A wide one is an exception, too, and of any of several.
  EXPECT_THAT(about_forwarded(Rules{drop_rule(), tunnel_rule("10.3.0.0/16"), tunnel_rule("2001:db8::/32")}),
              ElementsAre(kBoth, kBoth, kBoth));
  EXPECT_THAT(about_forwarded(Rules{drop_rule("::/0"), tunnel_rule("10.3.0.0/16")}), ElementsAre(kNone, kBoth));
}

TEST(AboutForwarded, AreExceptionsInTheDirectionsOfBoth) {
  EXPECT_THAT(about_forwarded(Rules{pass_rule("10.2.9.0/24"), one_way(tunnel_rule("10.2.0.0/16"), Direction::out)}),
              ElementsAre(kOut, kOut));
  EXPECT_THAT(about_forwarded(Rules{one_way(drop_rule("10.2.9.0/24"), Direction::in), tunnel_rule("10.2.0.0/16")}),
              ElementsAre(kIn, kBoth));
  EXPECT_THAT(about_forwarded(Rules{pass_rule("10.2.9.0/24"), one_way(tunnel_rule("10.2.0.0/16"), Direction::out),
                                    one_way(tunnel_rule("10.2.0.0/16"), Direction::in)}),
              ElementsAre(kBoth, kOut, kIn));
}

TEST(AboutForwarded, AreNotThoseOfTunnelsWithAName) {
  Rule named = tunnel_rule("10.2.0.0/16"), passing = pass_rule("10.2.9.0/24"), other = pass_rule("10.2.9.0/24");
  named.tunnel = Tunnel{"tun0", true}, passing.tunnel = Tunnel{"tun0", true};
  other.if_id = 7;
  EXPECT_THAT(about_forwarded(Rules{pass_rule("10.2.9.0/24"), passing, named}), ElementsAre(kNone, kNone, kNone));
  EXPECT_THAT(about_forwarded(Rules{passing, other, tunnel_rule("10.2.0.0/16")}), ElementsAre(kNone, kNone, kBoth));
}

TEST(AboutForwarded, ArePortsOfAnExceptionToo) {
  Rule web = pass_rule();
  web.selector.remote_port = 80;
  Rule icmp = tunnel_rule("10.2.0.0/16");
  icmp.selector.protocol = 1;
  EXPECT_THAT(about_forwarded(Rules{web, icmp}), ElementsAre(kNone, kBoth));
  EXPECT_THAT(about_forwarded(Rules{web, tunnel_rule("10.2.0.0/16")}), ElementsAre(kBoth, kBoth));
}

TEST(MetOnKernel, AreRulesWithoutALocalAddressTooWhenPacketsLeave) {
  Rule local = esp_rule("10.2.0.0/16"), whole = esp_rule("10.2.0.0/16"), outer = whole;
  local.selector.local = testing::prefix("10.1.0.1/32");
  whole.tunnel = Tunnel{"t0", true}, outer.tunnel = Tunnel{"t0", false};
  EXPECT_EQ(met_on_kernel(esp_rule("10.2.0.0/16"), kNone), kOut);
  EXPECT_EQ(met_on_kernel(one_way(esp_rule("10.2.0.0/16"), Direction::in), kNone), kNone);
  EXPECT_EQ(met_on_kernel(esp_rule("10.2.0.0/16"), kIn), kBoth);
  EXPECT_EQ(met_on_kernel(local, kNone), kNone);
  EXPECT_EQ(met_on_kernel(local, kBoth), kBoth);
  EXPECT_EQ(met_on_kernel(whole, kNone), kBoth);
  EXPECT_EQ(met_on_kernel(outer, kNone), kNone);
}

}  // namespace
}  // namespace ipseckey::policy
