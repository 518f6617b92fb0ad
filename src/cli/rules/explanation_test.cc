// What happens to one packet on a kernel that other programs use, too: facts made by hand.
#include "cli/rules/explanation.h"

#include <gmock/gmock.h>

#include "policy/testing.h"
#include "policy/xfrm_plan.h"
#include "policy/xfrm_read.h"

namespace ipseckey::cli {
namespace {

using backend::HeldRule;
using policy::Direction;
using policy::XfrmDirection;
using policy::XfrmPolicy;
using policy::testing::prefix;
using ::testing::HasSubstr;
using ::testing::Not;

backend::KernelPolicy shown(const XfrmPolicy& p) {
  return {std::string(words(p.name.direction)), 8, p.priority, to_string(p), 0, p.name};
}

// Another program's policy, as the kernel's database lists it.
HeldRule foreign(std::uint32_t index, const XfrmPolicy& p) {
  policy::ReadRule read = policy::read_xfrm(p);
  HeldRule h;
  h.index = index, h.rule = std::move(read.rule), h.foreign = true;
  h.remarks = std::move(read.remarks), h.demands_more = read.demands_more;
  h.policies = {shown(p)};
  return h;
}

HeldRule ours(std::uint32_t index, const policy::Rule& rule) {
  HeldRule h;
  h.index = index, h.rule = rule;
  for (const policy::PlannedPolicy& p : policy::xfrm_plan(std::vector{rule}, {}).policies)
    if (p.rule != policy::kNoRule) h.policies.push_back(shown(p.policy));
  return h;
}

XfrmPolicy between(std::string_view source, std::string_view destination,
                   XfrmDirection direction = XfrmDirection::out) {
  XfrmPolicy p;
  p.name.direction = direction;
  p.name.selector.source = prefix(source), p.name.selector.destination = prefix(destination);
  return p;
}

ExplainedPacket udp(std::string_view local, std::string_view remote, Direction d = Direction::out) {
  ExplainedPacket packet;
  packet.flow.local = *parse_address(local), packet.flow.remote = *parse_address(remote);
  packet.flow.protocol = 17, packet.flow.local_port = 5000, packet.flow.remote_port = 53;
  packet.direction = d;
  return packet;
}

RuleSource kernel(std::vector<HeldRule> rules) { return {"kernel", false, policy::Order::file, std::move(rules)}; }

const SaSource kNoSas{{}, policy::Chooser::kernel, true, std::nullopt};

std::string text(const RuleSource& source, const ExplainedPacket& packet) {
  return explanation_text(explain_packet(source, kNoSas, packet), source, kNoSas);
}

TEST(Explain, APolicyForOneInterfaceMayBeAboutThePacket) {
  XfrmPolicy device = between("0.0.0.0/0", "10.0.0.0/8");
  device.name.selector.device = 3, device.block = true;
  const RuleSource source = kernel({foreign(9, device), ours(1, policy::testing::pass_rule("10.0.0.2/32"))});
  EXPECT_EQ(text(source, udp("10.0.0.1", "10.0.0.2")),
            "Packet    out: protocol 17, 10.0.0.1 port 5000 -> 10.0.0.2 port 53\n"
            "Database  kernel, 2 rules\n"
            "Perhaps   #9 { raddr 10.0.0.0/8 dir out } drop {} (another program's)\n"
            "          it is about the interface with the number 3 only\n"
            "Rules     #1 { raddr 10.0.0.2 dir both } bypass {}\n"
            "          decides: no other is about it\n"
            "Kernel    out policy, index 8, priority 0: out 0.0.0.0/0 -> 10.0.0.2/32: clear\n"
            "Verdict   clear: it is sent as it is; if #9 is about it, dropped by that\n");
  EXPECT_EQ(explain_packet(source, kNoSas, udp("10.0.0.1", "10.0.0.2")).fate, PacketFate::clear);
  // Behind the rule that decides it changes nothing.
  const RuleSource behind = kernel({source.rules[1], source.rules[0]});
  EXPECT_THAT(text(behind, udp("10.0.0.1", "10.0.0.2")), Not(HasSubstr("#9")));
  // Nothing else is about it.
  EXPECT_THAT(
      text(kernel({foreign(9, device)}), udp("10.0.0.1", "10.0.0.2")),
      HasSubstr("Rules     none is about it\nVerdict   clear: it is sent as it is; if #9 is about it, dropped by "
                "that\n"));
}

TEST(Explain, APolicyWithMaskedPortsIsAboutItsPortsOnly) {
  XfrmPolicy masked = between("0.0.0.0/0", "10.0.0.0/8");
  masked.name.selector.protocol = 17, masked.name.selector.destination_port = {0x30, 0xfff0}, masked.block = true;
  const RuleSource source = kernel({foreign(9, masked)});
  ExplainedPacket packet = udp("10.0.0.1", "10.0.0.2");  // Port 53 is 0x35.
  EXPECT_THAT(text(source, packet), HasSubstr("Verdict   dropped by the rule\n"));
  packet.flow.remote_port = 0x40;
  EXPECT_THAT(text(source, packet), HasSubstr("Rules     none is about it\nVerdict   clear"));
}

TEST(Explain, APolicyForAGreKeyMayBeAboutThePacket) {
  XfrmPolicy gre = between("0.0.0.0/0", "10.0.0.0/8");
  gre.name.selector.protocol = 47, gre.name.selector.destination_port = {5, UINT16_MAX}, gre.block = true;
  ExplainedPacket packet = udp("10.0.0.1", "10.0.0.2");
  EXPECT_THAT(text(kernel({foreign(9, gre)}), packet), Not(HasSubstr("#9")));
  packet.flow.protocol = 47, packet.flow.local_port.reset(), packet.flow.remote_port.reset();
  EXPECT_THAT(text(kernel({foreign(9, gre)}), packet), HasSubstr("if #9 is about it, dropped by that"));
}

TEST(Explain, OneProgramsOwnPolicyMayBeAboutThePacket) {
  HeldRule socket = foreign(9, between("0.0.0.0/0", "0.0.0.0/0"));
  socket.partial = true, socket.remarks = {"it is one program's own, for a socket, and comes before all others"};
  const RuleSource source = kernel({socket, ours(1, policy::testing::drop_rule())});
  EXPECT_THAT(text(source, udp("10.0.0.1", "10.0.0.2")),
              HasSubstr("Verdict   dropped by the rule; if #9 is about it, clear by that\n"));
}

TEST(Explain, APolicyThatDemandsMoreThanARuleCanSayIsPrintedWhole) {
  XfrmPolicy two = between("0.0.0.0/0", "10.0.0.0/8");
  two.templates.resize(2);
  two.templates[0].protocol = 108, two.templates[1].protocol = policy::kProtoEsp;
  EXPECT_THAT(
      text(kernel({foreign(9, two)}), udp("10.0.0.1", "10.0.0.2")),
      HasSubstr("Verdict   perhaps dropped, without a word to its sender: there is no SA that the rule demands; "
                "#9 also says what a rule cannot: it also demands protocol 108 (compression); it demands 2 SAs "
                "for each packet\n"));
}

TEST(Explain, PoliciesForForwardedPacketsAreAboutNoOthers) {
  XfrmPolicy fwd = between("10.0.0.0/8", "0.0.0.0/0", XfrmDirection::fwd), in = between("10.0.0.0/8", "0.0.0.0/0");
  in.name.direction = XfrmDirection::in, fwd.block = in.block = true;
  ExplainedPacket packet = udp("192.0.2.1", "10.0.0.2", Direction::in);
  EXPECT_THAT(text(kernel({foreign(9, fwd)}), packet), HasSubstr("Rules     none is about it"));
  EXPECT_THAT(text(kernel({foreign(9, in)}), packet), HasSubstr("Verdict   dropped by the rule"));
  packet.passed_on = true;
  EXPECT_THAT(text(kernel({foreign(9, fwd)}), packet), HasSubstr("Verdict   dropped by the rule"));
  EXPECT_THAT(text(kernel({foreign(9, in)}), packet), HasSubstr("Rules     none is about it"));
}

// Exceptions from a rule in tunnel mode are about what is passed on, as that rule is; other rules are not.
TEST(Explain, WhatIsPassedOnMeetsRulesInTunnelModeAndExceptionsFromThem) {
  policy::Rule tunnel = policy::testing::esp_rule("10.0.0.0/8");
  tunnel.alternatives[0].protection.ends = policy::TunnelEnds{*parse_address("192.0.2.1"), *parse_address("192.0.2.9")};
  const policy::Rule drop = policy::testing::drop_rule("10.0.0.2/32"),
                     other = policy::testing::drop_rule("10.0.0.0/16");
  ExplainedPacket packet = udp("192.0.2.1", "10.0.0.2", Direction::in);
  packet.passed_on = true;
  EXPECT_THAT(text(kernel({ours(1, drop), ours(2, tunnel)}), packet), HasSubstr("Verdict   dropped by the rule\n"));
  EXPECT_THAT(text(kernel({ours(1, tunnel), ours(2, other)}), packet), HasSubstr("decides: no other is about it"));
  EXPECT_THAT(text(kernel({ours(2, other)}), packet), HasSubstr("Rules     none is about it"));
}

TEST(Explain, OnlyPoliciesThatThePacketMeetsAreListed) {
  policy::Rule rule = policy::testing::drop_rule();
  rule.selector.remote_port = 53;
  const RuleSource source = kernel({ours(1, rule)});  // Twice three policies for each direction.
  EXPECT_THAT(
      text(source, udp("10.0.0.1", "10.0.0.2")),
      HasSubstr("\nKernel    out policy, index 8, priority 0: out 0.0.0.0/0 -> 0.0.0.0/0 udp to port 53: dropped\n"
                "Verdict"));
  EXPECT_THAT(text(source, udp("fd00::1", "fd00::2", Direction::in)),
              HasSubstr("\nKernel    in policy, index 8, priority 0: in ::/0 -> ::/0 udp from port 53: dropped\n"
                        "Verdict"));
}

TEST(Explain, APacketThatIsExemptMeetsNoRule) {
  ExplainedPacket packet = udp("10.0.0.1", "10.0.0.1");
  packet.exempt = "it does not leave this host, and lo has disable_xfrm set";
  const RuleSource source = kernel({ours(1, policy::testing::drop_rule())});
  EXPECT_THAT(text(source, packet),
              HasSubstr("Rules     none is asked: it does not leave this host, and lo has disable_xfrm set\n"
                        "Verdict   clear: it does not leave this host\n"));
  EXPECT_EQ(explain_packet(source, kNoSas, packet).fate, PacketFate::clear);
}

TEST(Explain, JsonHasThePoliciesThatMayBeAboutThePacket) {
  XfrmPolicy device = between("0.0.0.0/0", "10.0.0.0/8");
  device.name.selector.device = 3, device.block = true;
  const RuleSource source = kernel({foreign(9, device)});
  EXPECT_THAT(
      explanation_json(explain_packet(source, kNoSas, udp("10.0.0.1", "10.0.0.2")), source, kNoSas, "kernel").line(),
      HasSubstr("\"rules\":[],\"perhaps\":[{\"index\":9,\"entry\":\"{ raddr 10.0.0.0/8 dir out } drop {}\","
                "\"remarks\":[\"it is about the interface with the number 3 only\"]}],"));
}

}  // namespace
}  // namespace ipseckey::cli
