// The mapping of rules to the kernel's policies, row by row.
#include "policy/xfrm_plan.h"

#include <gmock/gmock.h>

#include "policy/testing.h"

namespace ipseckey::policy {
namespace {

using testing::auth;
using testing::choice;
using testing::cipher;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::prefix;
using ::testing::UnorderedElementsAre;

Address address(std::string_view text) { return *parse_address(text); }

Rule between(Rule rule, std::string_view local, std::string_view remote) {
  rule.selector.local = prefix(local), rule.selector.remote = prefix(remote);
  return rule;
}
Rule host_rule(const Rule& rule) { return between(rule, "10.0.0.1/32", "10.0.0.2/32"); }

PlanSurroundings around(const std::optional<TunnelLink>& link = {}, bool forwards = false) {
  return {[link](const std::string& name) {
            return link ? Result<TunnelLink>(*link) : fail(Errc::not_found, "no interface " + name);
          },
          forwards};
}
const PlanSurroundings kRouter = around({}, true);

XfrmPlan plan(std::vector<Rule> rules, const PlanSurroundings& with = around()) { return xfrm_plan(rules, with); }

std::vector<std::string> policies(const XfrmPlan& p) {
  std::vector<std::string> list;
  for (const PlannedPolicy& planned : p.policies) list.push_back(to_string(planned.policy));
  return list;
}
std::vector<std::string> policies(const Rule& rule, const PlanSurroundings& with = around()) {
  return policies(plan({rule}, with));
}
std::vector<std::string> remarks(const XfrmPlan& p) {
  std::vector<std::string> list;
  for (const PlanRemark& r : p.remarks) list.push_back((r.refused ? "refused: " : "") + r.message);
  return list;
}
std::vector<std::string> remarks(const Rule& rule, const PlanSurroundings& with = around()) {
  return remarks(plan({rule}, with));
}
std::vector<XfrmTemplate> templates(const Rule& rule, XfrmDirection direction,
                                    const PlanSurroundings& with = around()) {
  for (const PlannedPolicy& p : plan({rule}, with).policies)
    if (p.policy.name.direction == direction) return p.policy.templates;
  return {};
}

XfrmTemplate transport(std::uint8_t protocol, std::uint32_t auth_bits, std::uint32_t encrypt_bits = UINT32_MAX) {
  XfrmTemplate t;
  t.protocol = protocol, t.auth = auth_bits, t.encrypt = encrypt_bits;
  return t;
}

constexpr std::uint32_t kAll = UINT32_MAX, kSha1 = 1u << 3, kSha256 = 1u << 5, kAes = 1u << 12, kNull = 1u << 11;

// ---- packets

TEST(XfrmPlan, InboundIsTheMirrorOfOutbound) {
  Rule rule = host_rule(testing::esp_rule());
  rule.selector.protocol = 6, rule.selector.local_port = 80, rule.selector.remote_port = 1234;
  EXPECT_THAT(policies(rule),
              ElementsAre("out 10.0.0.1/32 -> 10.0.0.2/32 tcp from port 80 to port 1234: esp transport",
                          "in 10.0.0.2/32 -> 10.0.0.1/32 tcp from port 1234 to port 80: esp transport"));
  rule.in = false;
  EXPECT_THAT(policies(rule),
              ElementsAre("out 10.0.0.1/32 -> 10.0.0.2/32 tcp from port 80 to port 1234: esp transport"));
}

TEST(XfrmPlan, WithoutAddressesThereAreTwoFamiliesAndTheHostKeepsItsOwn) {
  EXPECT_THAT(policies(testing::esp_rule()),
              ElementsAre("out 0.0.0.0/0 -> 0.0.0.0/0: esp transport", "in 0.0.0.0/0 -> 0.0.0.0/0: esp transport",
                          "out ::/0 -> ::/0: esp transport", "in ::/0 -> ::/0: esp transport",
                          "out ::1/128 -> ::1/128: clear", "in ::1/128 -> ::1/128: clear"));
  EXPECT_THAT(policies(testing::pass_rule()),
              ElementsAre("out 0.0.0.0/0 -> 0.0.0.0/0: clear", "in 0.0.0.0/0 -> 0.0.0.0/0: clear",
                          "out ::/0 -> ::/0: clear", "in ::/0 -> ::/0: clear"));
}

TEST(XfrmPlan, OneAddressIsEnoughForTheFamily) {
  EXPECT_THAT(policies(testing::drop_rule("10.5.0.0/16")),
              ElementsAre("out 0.0.0.0/0 -> 10.5.0.0/16: dropped", "in 10.5.0.0/16 -> 0.0.0.0/0: dropped"));
  EXPECT_THAT(policies(testing::drop_rule("fe80::/10")),
              ElementsAre("out ::/0 -> fe80::/10: dropped", "in fe80::/10 -> ::/0: dropped"));
}

TEST(XfrmPlan, PortsWithoutAProtocolAreThoseOfTcpUdpAndSctp) {
  Rule rule = host_rule(testing::pass_rule());
  rule.in = false, rule.selector.remote_port = 53;
  EXPECT_THAT(policies(rule), ElementsAre("out 10.0.0.1/32 -> 10.0.0.2/32 tcp to port 53: clear",
                                          "out 10.0.0.1/32 -> 10.0.0.2/32 udp to port 53: clear",
                                          "out 10.0.0.1/32 -> 10.0.0.2/32 sctp to port 53: clear"));
}

TEST(XfrmPlan, IcmpTypesAreNotMirroredAndRangesAreSplit) {
  Rule rule = between(testing::pass_rule(), "2001:db8::1/128", "2001:db8::2/128");
  rule.selector.protocol = 58, rule.selector.icmp_type = NumberRange{133, 137};
  EXPECT_THAT(policies(rule), ElementsAre("out 2001:db8::1/128 -> 2001:db8::2/128 ipv6-icmp type 133: clear",
                                          "in 2001:db8::2/128 -> 2001:db8::1/128 ipv6-icmp type 133: clear",
                                          "out 2001:db8::1/128 -> 2001:db8::2/128 ipv6-icmp type 134/0xfffe: clear",
                                          "in 2001:db8::2/128 -> 2001:db8::1/128 ipv6-icmp type 134/0xfffe: clear",
                                          "out 2001:db8::1/128 -> 2001:db8::2/128 ipv6-icmp type 136/0xfffe: clear",
                                          "in 2001:db8::2/128 -> 2001:db8::1/128 ipv6-icmp type 136/0xfffe: clear"));
  rule.in = false, rule.selector.icmp_type = NumberRange{1, 1}, rule.selector.icmp_code = NumberRange{3, 4};
  EXPECT_THAT(policies(rule), ElementsAre("out 2001:db8::1/128 -> 2001:db8::2/128 ipv6-icmp type 1 code 3: clear",
                                          "out 2001:db8::1/128 -> 2001:db8::2/128 ipv6-icmp type 1 code 4: clear"));
}

TEST(XfrmPlan, MasksCoverEachNumberOfARangeOnceWithFourteenAtMost) {
  std::size_t most = 0;
  for (unsigned first = 0; first < 256; ++first)
    for (unsigned last = first; last < 256; ++last) {
      const auto masks = masks_of({static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(last)});
      most = std::max(most, masks.size());
      for (unsigned number = 0; number < 256; ++number) {
        const auto fits = [&](const MaskedPort& m) { return ((number ^ m.value) & m.mask) == 0; };
        const long expected = number >= first && number <= last ? 1 : 0;
        ASSERT_EQ(std::ranges::count_if(masks, fits), expected) << first << "-" << last << " " << number;
      }
    }
  EXPECT_EQ(most, 14u);
  EXPECT_THAT(masks_of({0, 255}), ElementsAre(MaskedPort{0, 0}));
  EXPECT_THAT(masks_of({8, 8}), ElementsAre(MaskedPort{8, 0xffff}));
}

TEST(XfrmPlan, MarkAndInterfaceBelongToTheName) {
  Rule rule = host_rule(testing::pass_rule());
  rule.in = false, rule.mark = pfkey::Mark{0x10, 0xff}, rule.if_id = 7;
  EXPECT_THAT(policies(rule), ElementsAre("out 10.0.0.1/32 -> 10.0.0.2/32, mark 0x10/0xff, if_id 7: clear"));
}

// ---- what is demanded

TEST(XfrmPlan, EspAhAndBothInTheOrderOfEncapsulation) {
  const Rule esp = host_rule(testing::esp_rule()), ah = host_rule(testing::ah_rule());
  const Rule both = host_rule(testing::both_rule());
  for (const XfrmDirection d : {XfrmDirection::out, XfrmDirection::in}) {
    EXPECT_THAT(templates(esp, d), ElementsAre(transport(kProtoEsp, kSha256, kAes)));
    EXPECT_THAT(templates(ah, d), ElementsAre(transport(kProtoAh, kSha256)));
    EXPECT_THAT(templates(both, d), ElementsAre(transport(kProtoEsp, kSha256, kAes), transport(kProtoAh, kSha1)));
  }
}

TEST(XfrmPlan, AlgorithmsBecomeBits) {
  const auto bits = [](std::optional<Choice> encrypt, std::optional<Choice> integrity) {
    Protection p;
    p.cipher = encrypt, p.integrity = integrity;
    const auto list = templates(host_rule(testing::rule(Action::ipsec, p, "")), XfrmDirection::in);
    return std::pair(list.at(0).auth, list.at(0).encrypt);
  };
  using Bits = std::pair<std::uint32_t, std::uint32_t>;
  const Choice any;
  EXPECT_EQ(bits(choice(cipher("aes")), choice(auth("sha1"))), Bits(kSha1, kAes));
  EXPECT_EQ(bits({}, choice(auth("sha1"))), Bits(kSha1, kNull)) << "the null cipher";
  EXPECT_EQ(bits(choice(cipher("aes")), {}), Bits(kAll, kAll)) << "integrity is not asked for";
  EXPECT_EQ(bits(choice(cipher("aes-gcm")), {}), Bits(1u, 1u << 20)) << "combined: number 0";
  EXPECT_EQ(bits(any, any), Bits(kAll, kAll));
  EXPECT_EQ(bits(any, choice(auth("sha256"))), Bits(kSha256, kAll));
  EXPECT_EQ(bits(choice(cipher("aes")), choice(auth("aes-cmac"))), Bits(1u, kAes)) << "CMAC has no number there";
}

TEST(XfrmPlan, AlternativesOfTheSameHeadersAreUnited) {
  Rule rule = host_rule(testing::esp_rule());
  rule.alternatives.push_back(rule.alternatives[0]);
  rule.alternatives[1].protection.cipher = choice(cipher("3des"));
  rule.alternatives[1].protection.integrity = choice(auth("sha1"));
  EXPECT_THAT(templates(rule, XfrmDirection::in), ElementsAre(transport(kProtoEsp, kSha1 | kSha256, kAes | 1u << 3)));
}

TEST(XfrmPlan, WhatTheKernelCannotChooseIsRefused) {
  const auto refused = [](auto change) {
    Rule rule = host_rule(testing::esp_rule());
    rule.alternatives.push_back(rule.alternatives[0]);
    change(rule.alternatives[1].protection);
    const XfrmPlan p = plan({rule});
    EXPECT_THAT(p.policies, IsEmpty());
    EXPECT_TRUE(p.refused());
    return remarks(p);
  };
  EXPECT_THAT(
      refused([](Protection& p) { p.cipher.reset(), p.integrity.reset(), p.ah = Choice{}; }),
      ElementsAre("refused: the kernel cannot choose between AH, ESP and both: give all alternatives of `or` the "
                  "same ones"));
  EXPECT_THAT(refused([](Protection& p) { p.reqid = 5; }),
              ElementsAre("refused: the kernel cannot choose between reqids: give all alternatives of `or` the same "
                          "one"));
  EXPECT_THAT(refused([](Protection& p) { p.spi = 5; }),
              ElementsAre("refused: the kernel cannot choose between SPIs: give all alternatives of `or` the same one, "
                          "or none"));
  EXPECT_THAT(refused([](Protection& p) { p.ends = TunnelEnds{address("10.9.0.1"), address("10.9.0.2")}; }),
              ElementsAre("refused: the kernel cannot choose between tunnels: give all alternatives of `or` the same "
                          "tsrc and tdst"));
  EXPECT_THAT(refused([](Protection& p) { p.may_be_clear = true; }),
              ElementsAre("refused: `level use` must be in all alternatives of `or`, or in none, for the kernel"));
}

TEST(XfrmPlan, IpsecOrPassProtectsWhatItSendsAndAcceptsClear) {
  Rule rule = host_rule(testing::esp_rule());
  rule.alternatives.push_back({Action::pass, {}});
  EXPECT_FALSE(templates(rule, XfrmDirection::out).at(0).optional);
  EXPECT_TRUE(templates(rule, XfrmDirection::in).at(0).optional);
  EXPECT_THAT(remarks(rule), ElementsAre("packets that come in clear or by any other SA are accepted, too"));
}

TEST(XfrmPlan, LevelUseIsOptionalBothWays) {
  Rule rule = host_rule(testing::esp_rule());
  rule.alternatives[0].protection.may_be_clear = true;
  EXPECT_TRUE(templates(rule, XfrmDirection::out).at(0).optional);
  EXPECT_TRUE(templates(rule, XfrmDirection::in).at(0).optional);
  rule.alternatives[0].protection.ends = TunnelEnds{address("10.9.0.1"), address("10.9.0.2")};
  EXPECT_THAT(remarks(rule),
              ElementsAre("refused: the kernel cannot send in clear what has no SA in tunnel mode: leave "
                          "`level use` out"));
  rule.out = false;
  EXPECT_TRUE(templates(rule, XfrmDirection::in).at(0).optional);
}

TEST(XfrmPlan, AnSpiIsPartOfTheTemplate) {
  Rule rule = host_rule(testing::esp_rule());
  rule.in = false, rule.alternatives[0].protection.spi = 0x1001;
  EXPECT_THAT(policies(rule), ElementsAre("out 10.0.0.1/32 -> 10.0.0.2/32: esp transport spi 0x1001"));
  EXPECT_THAT(remarks(rule), IsEmpty());
}

TEST(XfrmPlan, ReqidBindsBothWaysAndUniqueNeedsARemark) {
  Rule rule = host_rule(testing::both_rule());
  rule.alternatives[0].protection.reqid = 42, rule.alternatives[0].protection.unique = true;
  for (const XfrmDirection d : {XfrmDirection::out, XfrmDirection::in})
    for (const XfrmTemplate& t : templates(rule, d)) EXPECT_EQ(t.reqid, 42u);
  EXPECT_THAT(remarks(rule),
              ElementsAre("the kernel does not choose an SA by connection: one SA serves all connections of the rule; "
                          "`reqid` binds it to SAs of its own"));
}

TEST(XfrmPlan, RemarksOnWhatIsNotChecked) {
  Rule rule = host_rule(testing::esp_rule());
  rule.alternatives[0].protection.cipher->min_bits = 256;
  EXPECT_THAT(remarks(rule), ElementsAre("the kernel does not check the lengths of keys: the SAs must have them"));
  rule.alternatives[0].protection.cipher = Choice{};
  EXPECT_THAT(remarks(rule), ElementsAre("any cipher is accepted, also `null` and DES"));
  EXPECT_THAT(remarks(host_rule(testing::pass_rule())),
              ElementsAre("packets that come protected in transport mode are accepted, too"));
}

TEST(XfrmPlan, OnARouterARuleWithoutLaddrIsAboutForwardedPackets) {
  EXPECT_THAT(remarks(testing::drop_rule("10.5.0.0/16"), kRouter),
              ElementsAre("packets that this host forwards meet it as well: give `laddr`"));
  EXPECT_THAT(remarks(host_rule(testing::drop_rule()), kRouter), IsEmpty());
}

Rule gateway_rule() {
  Rule rule = between(testing::esp_rule(), "10.1.0.0/16", "10.2.0.0/16");
  rule.alternatives[0].protection.ends = TunnelEnds{address("192.0.2.1"), address("192.0.2.2")};
  return rule;
}

// The kernel compares the ports of a fragment as if they were 0.
TEST(XfrmPlan, FragmentsThatMayBeOfARuleWithPortsAreNotForwarded) {
  const std::string dropped =
      "fragments that this host forwards have no ports, even the first: those that may be about it are dropped, unless "
      "they are joined before, as nf_conntrack does";
  Rule tunnel = gateway_rule();
  EXPECT_THAT(remarks(tunnel, kRouter), IsEmpty());
  tunnel.selector.protocol = 17, tunnel.selector.remote_port = 53;
  EXPECT_THAT(remarks(tunnel), IsEmpty());
  EXPECT_EQ(policies(tunnel).size(), 3u);
  EXPECT_THAT(remarks(tunnel, kRouter), ElementsAre(dropped));
  EXPECT_THAT(policies(tunnel, kRouter),
              ElementsAre("out 10.1.0.0/16 -> 10.2.0.0/16 udp to port 53: esp tunnel 192.0.2.1 -> 192.0.2.2",
                          "in 10.2.0.0/16 -> 10.1.0.0/16 udp from port 53: esp tunnel 192.0.2.2 -> 192.0.2.1",
                          "fwd 10.2.0.0/16 -> 10.1.0.0/16 udp from port 53: esp tunnel 192.0.2.2 -> 192.0.2.1",
                          "out 10.1.0.0/16 -> 10.2.0.0/16 udp from port 0 to port 0: dropped",
                          "fwd 10.2.0.0/16 -> 10.1.0.0/16 udp from port 0 to port 0: dropped"));
  // A rule that lets pass has nothing to lose, and one of the host's own packets is not about forwarded ones.
  Rule pass = tunnel, own = host_rule(testing::esp_rule());
  pass.alternatives = {{Action::pass, {}}};
  own.selector.protocol = 17, own.selector.remote_port = 53;
  tunnel.selector.remote_port.reset();
  EXPECT_THAT(policies(plan({pass, tunnel}, kRouter)), ::testing::Each(::testing::Not(::testing::HasSubstr("port 0"))));
  EXPECT_EQ(policies(own, kRouter).size(), 2u);
  EXPECT_THAT(remarks(own, kRouter), IsEmpty());
}

// Type and code 0 are an echo reply; ICMPv6 has no type 0.
TEST(XfrmPlan, FragmentsOfIcmpv4AreNotToldFromEchoReplies) {
  const std::string missed =
      "fragments of packets that this host forwards, even the first, do not meet it, as it names ports or types: a "
      "rule behind it for the same addresses and without these is about them";
  Rule tunnel = gateway_rule();
  Rule exception = between(testing::drop_rule(), "10.1.0.0/16", "10.2.0.0/16");
  exception.selector.protocol = 1, exception.selector.icmp_type = NumberRange{8, 8};
  EXPECT_THAT(remarks(plan({exception, tunnel}, kRouter)), ElementsAre(missed));
  Rule v6 = between(testing::drop_rule(), "fd01::/64", "fd02::/64"), tunnel6 = tunnel;
  v6.selector.protocol = 58, v6.selector.icmp_type = NumberRange{128, 128}, v6.in = false;
  tunnel6.selector.local = prefix("fd01::/64"), tunnel6.selector.remote = prefix("fd02::/64");
  EXPECT_THAT(policies(plan({v6, tunnel6}, kRouter)),
              ::testing::IsSupersetOf({"out fd01::/64 -> fd02::/64 ipv6-icmp type 128: dropped",
                                       "out fd01::/64 -> fd02::/64 ipv6-icmp type 0 code 0: dropped"}));
}

// ---- tunnels

TunnelEnds ends() { return {address("192.0.2.1"), address("192.0.2.2")}; }

Rule tunnel_rule(bool whole = true) {
  Rule rule = testing::esp_rule();
  rule.tunnel = Tunnel{"tun0", whole};
  if (whole) rule = between(rule, "10.1.0.0/16", "10.2.0.0/16");
  return rule;
}

TEST(XfrmPlan, TunnelModeIsOutInAndForwardedWithTheEndsOfTheInterface) {
  EXPECT_THAT(policies(tunnel_rule(), around(TunnelLink{"ipip", ends(), {4}})),
              ElementsAre("out 10.1.0.0/16 -> 10.2.0.0/16: esp tunnel 192.0.2.1 -> 192.0.2.2",
                          "in 10.2.0.0/16 -> 10.1.0.0/16: esp tunnel 192.0.2.2 -> 192.0.2.1",
                          "fwd 10.2.0.0/16 -> 10.1.0.0/16: esp tunnel 192.0.2.2 -> 192.0.2.1"));
}

TEST(XfrmPlan, EndsOfTheRuleCountAndNeedNoInterface) {
  Rule rule = tunnel_rule();
  rule.alternatives[0].protection.ends = ends();
  const auto expected = ElementsAre("out 10.1.0.0/16 -> 10.2.0.0/16: esp tunnel 192.0.2.1 -> 192.0.2.2",
                                    "in 10.2.0.0/16 -> 10.1.0.0/16: esp tunnel 192.0.2.2 -> 192.0.2.1",
                                    "fwd 10.2.0.0/16 -> 10.1.0.0/16: esp tunnel 192.0.2.2 -> 192.0.2.1");
  EXPECT_THAT(policies(rule), expected);
  rule.tunnel.reset();
  EXPECT_THAT(policies(rule), expected);
}

TEST(XfrmPlan, AnXfrmInterfaceGivesItsNumberAndVtiItsMarks) {
  Rule rule = tunnel_rule();
  rule.alternatives[0].protection.ends = ends();
  EXPECT_THAT(policies(rule, around(TunnelLink{"xfrm", {}, {}, 9}))[0],
              "out 10.1.0.0/16 -> 10.2.0.0/16, if_id 9: esp tunnel 192.0.2.1 -> 192.0.2.2");
  EXPECT_THAT(remarks(rule, around(TunnelLink{"xfrm", {}, {}, 9})), IsEmpty());
  EXPECT_THAT(policies(tunnel_rule(), around(TunnelLink{"vti", ends(), {}, 0, 5, 6})),
              ElementsAre("out 10.1.0.0/16 -> 10.2.0.0/16, mark 0x5/0xffffffff: esp tunnel 192.0.2.1 -> 192.0.2.2",
                          "in 10.2.0.0/16 -> 10.1.0.0/16, mark 0x6/0xffffffff: esp tunnel 192.0.2.2 -> 192.0.2.1",
                          "fwd 10.2.0.0/16 -> 10.1.0.0/16, mark 0x6/0xffffffff: esp tunnel 192.0.2.2 -> 192.0.2.1"));
}

TEST(XfrmPlan, ATunnelOfAhAndEspHasOneOuterHeader) {
  Rule rule = between(testing::both_rule(), "10.1.0.0/16", "10.2.0.0/16");
  rule.alternatives[0].protection.ends = ends();
  EXPECT_THAT(policies(rule)[0],
              "out 10.1.0.0/16 -> 10.2.0.0/16: esp tunnel 192.0.2.1 -> 192.0.2.2, then ah transport");
}

TEST(XfrmPlan, TransportModeOfATunnelIsAboutItsOwnPackets) {
  EXPECT_THAT(policies(tunnel_rule(false), around(TunnelLink{"gre", ends(), {47}})),
              ElementsAre("out 192.0.2.1/32 -> 192.0.2.2/32 protocol 47: esp transport",
                          "in 192.0.2.2/32 -> 192.0.2.1/32 protocol 47: esp transport"));
  const TunnelEnds v6{address("2001:db8::1"), address("2001:db8::2")};
  EXPECT_THAT(policies(tunnel_rule(false), around(TunnelLink{"ip6tnl", v6, {41, 4}})),
              ElementsAre("out 2001:db8::1/128 -> 2001:db8::2/128 protocol 41: esp transport",
                          "in 2001:db8::2/128 -> 2001:db8::1/128 protocol 41: esp transport",
                          "out 2001:db8::1/128 -> 2001:db8::2/128 protocol 4: esp transport",
                          "in 2001:db8::2/128 -> 2001:db8::1/128 protocol 4: esp transport"));
}

TEST(XfrmPlan, WhatNeedsNoSaNeedsNoEnds) {
  Rule rule = tunnel_rule();
  rule.alternatives = {{Action::drop, {}}};
  EXPECT_THAT(
      policies(rule, around(TunnelLink{"xfrm", {}, {}, 9})),
      ElementsAre("out 10.1.0.0/16 -> 10.2.0.0/16, if_id 9: dropped", "in 10.2.0.0/16 -> 10.1.0.0/16, if_id 9: dropped",
                  "fwd 10.2.0.0/16 -> 10.1.0.0/16, if_id 9: dropped"));
}

TEST(XfrmPlan, ATunnelThatIsNotKnownIsRefused) {
  EXPECT_THAT(remarks(tunnel_rule()), ElementsAre("refused: no interface tun0"));
  EXPECT_THAT(remarks(tunnel_rule(), around(TunnelLink{"xfrm", {}, {}, 9})),
              ElementsAre("refused: the interface tun0 has no ends of its own: write them as `tsrc` and `tdst`"));
  EXPECT_THAT(
      remarks(tunnel_rule(false), around(TunnelLink{"vti", ends(), {}})),
      ElementsAre("refused: the interface tun0 (vti) has no packets of its own that transport mode could protect: "
                  "write `negotiate tunnel`"));
}

TEST(XfrmPlan, ATunnelThatTheKernelDoesNotBindNeedsARemark) {
  EXPECT_THAT(remarks(tunnel_rule(), around(TunnelLink{"ipip", ends(), {4}})),
              ElementsAre("the kernel compares the addresses inside and not the interface, and lets other packets pass "
                          "it; an interface of type xfrm binds the rule to it"));
}

// ---- several rules

TEST(XfrmPlan, AnEarlierRuleHasAPolicyThatALaterOneNeedsToo) {
  Rule first = host_rule(testing::pass_rule()), second = host_rule(testing::drop_rule());
  first.selector.local_port = second.selector.local_port = 80, second.selector.protocol = 6;
  first.in = second.in = false;
  const XfrmPlan p = plan({second, first});
  EXPECT_THAT(policies(p), ElementsAre("out 10.0.0.1/32 -> 10.0.0.2/32 tcp from port 80: dropped",
                                       "out 10.0.0.1/32 -> 10.0.0.2/32 udp from port 80: clear",
                                       "out 10.0.0.1/32 -> 10.0.0.2/32 sctp from port 80: clear"));
}

TEST(XfrmPlan, EveryRefusalIsReported) {
  Rule bad = tunnel_rule();
  const XfrmPlan p = plan({bad, host_rule(testing::esp_rule()), bad});
  EXPECT_THAT(p.remarks,
              ElementsAre(PlanRemark{0, true, "no interface tun0"}, PlanRemark{2, true, "no interface tun0"}));
  EXPECT_THAT(policies(p), ElementsAre("out 10.0.0.1/32 -> 10.0.0.2/32: esp transport",
                                       "in 10.0.0.2/32 -> 10.0.0.1/32: esp transport"));
}

TEST(XfrmPlan, ExceptionsFromTunnelRulesAreAboutForwardedPacketsToo) {
  Rule tunnel = between(testing::esp_rule(), "10.1.0.0/16", "10.2.0.0/16");
  tunnel.in = true, tunnel.out = false;
  tunnel.alternatives[0].protection.ends = TunnelEnds{address("192.0.2.1"), address("192.0.2.2")};
  Rule passing = testing::pass_rule("10.2.9.0/24"), elsewhere = testing::drop_rule("10.3.0.0/16");
  EXPECT_THAT(policies(plan({passing, elsewhere, tunnel})),
              ElementsAre("out 0.0.0.0/0 -> 10.2.9.0/24: clear", "in 10.2.9.0/24 -> 0.0.0.0/0: clear",
                          "fwd 10.2.9.0/24 -> 0.0.0.0/0: clear", "out 0.0.0.0/0 -> 10.3.0.0/16: dropped",
                          "in 10.3.0.0/16 -> 0.0.0.0/0: dropped",
                          "in 10.2.0.0/16 -> 10.1.0.0/16: esp tunnel 192.0.2.2 -> 192.0.2.1",
                          "fwd 10.2.0.0/16 -> 10.1.0.0/16: esp tunnel 192.0.2.2 -> 192.0.2.1"));
  EXPECT_THAT(policies(plan({tunnel, passing})),
              ElementsAre("in 10.2.0.0/16 -> 10.1.0.0/16: esp tunnel 192.0.2.2 -> 192.0.2.1",
                          "fwd 10.2.0.0/16 -> 10.1.0.0/16: esp tunnel 192.0.2.2 -> 192.0.2.1",
                          "out 0.0.0.0/0 -> 10.2.9.0/24: clear", "in 10.2.9.0/24 -> 0.0.0.0/0: clear"));
}

TEST(XfrmPlan, TheLoopbackAddressStaysReachableBehindRulesThatNameIt) {
  Rule one = testing::drop_rule("::1/128");
  one.selector.protocol = 6;
  EXPECT_EQ(plan({testing::drop_rule("10.0.0.0/8"), testing::esp_rule("::/0")}).loopback_before, 0u);
  EXPECT_EQ(plan({testing::drop_rule("10.0.0.0/8"), one, testing::esp_rule("::/0")}).loopback_before, 2u);
  EXPECT_EQ(plan({testing::esp_rule("::/0"), one}).loopback_before, 0u);
  EXPECT_THAT(policies(plan({one})),
              ElementsAre("out ::/0 -> ::1/128 tcp: dropped", "in ::1/128 -> ::/0 tcp: dropped"));
}

}  // namespace
}  // namespace ipseckey::policy
