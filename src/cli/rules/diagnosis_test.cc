// What doctor finds: facts made by hand, each finding whole.
#include "cli/rules/diagnosis.h"

#include <gmock/gmock.h>

#include "policy/testing.h"

namespace ipseckey::cli {
namespace {

using backend::HeldRule;
using policy::testing::auth;
using policy::testing::cipher;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

HeldRule held(std::uint32_t index, policy::Rule rule, bool out = true, bool in = true) {
  HeldRule h;
  h.index = index, h.rule = std::move(rule);
  h.rule.out = out, h.rule.in = in;
  return h;
}

policy::HeldSa esp(std::string_view src, std::string_view dst) {
  policy::HeldSa sa;
  sa.facts.spi = 0x1001;
  sa.facts.encrypt = cipher("aes"), sa.facts.encrypt_bits = 128;
  sa.facts.auth = auth("sha256"), sa.facts.auth_bits = 256;
  sa.facts.src = *parse_address(src), sa.facts.dst = *parse_address(dst);
  return sa;
}

// A kernel with a rule for 10.0.0.2 and the SAs that it needs.
RuleDiagnosis healthy() {
  RuleDiagnosis d{"kernel", {}, {}, {}};
  d.rules = {held(3, policy::testing::esp_rule("10.0.0.2/32"))};
  d.sas = {{esp("10.0.0.1", "10.0.0.2"), esp("10.0.0.2", "10.0.0.1")}, policy::Chooser::kernel, true, std::nullopt};
  return d;
}

std::vector<std::string> found(const RuleDiagnosis& d) {
  std::vector<std::string> lines;
  for (const Finding& f : findings(d))
    lines.push_back((f.weight == Finding::Weight::problem ? "problem: " : "remark: ") + f.about + ": " + f.text +
                    (f.cure.empty() ? "" : " [" + f.cure + "]"));
  return lines;
}

TEST(RuleDoctor, FindsNothingWhereAllIsWell) { EXPECT_THAT(found(healthy()), IsEmpty()); }

TEST(RuleDoctor, FindsThatNothingIsProtected) {
  RuleDiagnosis d{"kernel", {}, {{}, policy::Chooser::kernel, true, std::nullopt}, {}};
  EXPECT_THAT(found(d),
              ElementsAre("problem: kernel: there are no rules: nothing is protected, and everything passes in "
                          "the clear [ipsecconf apply FILE]"));
}

TEST(RuleDoctor, FindsRulesWithoutAnSa) {
  RuleDiagnosis d = healthy();
  d.sas.sas[0].facts.reqid = 7;
  d.kernel.larval_drop = true;
  EXPECT_THAT(
      found(d),
      ElementsAre(
          "problem: rule #3: no SA protects what it sends; the esp SA spi 0x1001 dst 10.0.0.2 would do, but its "
          "reqid differs [in the file of keys: add esp spi SPI src ADDRESS dst 10.0.0.2 encr_alg aes-cbc encrkey "
          "KEY auth_alg hmac-sha256 authkey KEY]",
          "remark: xfrm_larval_drop: without an SA, a packet is dropped, and its sender gets no error",
          "remark: esp SA spi 0x1001 dst 10.0.0.2: no rule uses it; its reqid is 7 [ipsecconf explain says why, "
          "for a packet]"));
}

TEST(RuleDoctor, ShowsWhatRulesHaveDropped) {
  RuleDiagnosis d = healthy();
  d.database = "ipsecd", d.sas.chooser = policy::Chooser::exact;
  d.rules[0].dropped_in = {1, "in clear (got_clear)"};
  d.rules.push_back(held(4, policy::testing::drop_rule("10.0.0.9/32")));
  d.rules[1].dropped_out = {2, "a rule says drop (explicit)"};
  d.dropped = {{3, "2: a rule says drop (explicit); 1: larger than the path MTU (too_big)"}, {}};
  EXPECT_THAT(
      found(d),
      ElementsAre("problem: rule #3: 1 packet that came in was dropped; the last one: in clear (got_clear) "
                  "[ipsecconf explain says what happens to a packet]",
                  "remark: rule #4: 2 packets that left were dropped; the last one: a rule says drop (explicit) "
                  "[ipsecconf explain says what happens to a packet]",
                  "remark: ipsecd: of all packets, 3 packets that left were dropped: 2: a rule says drop "
                  "(explicit); 1: larger than the path MTU (too_big)"));
}

TEST(RuleDoctor, FindsSasThatBreakARule) {
  RuleDiagnosis d = healthy();
  d.sas.sas[0].facts.encrypt = cipher("3des");
  EXPECT_THAT(found(d),
              ElementsAre("problem: rule #3: what it sends is protected by the esp SA spi 0x1001 dst 10.0.0.2, "
                          "but its cipher is not the one demanded [replace the SA, or change the rule]"));
}

// Each counter with the rules that can have caused it.
TEST(RuleDoctor, ExplainsCountersByRules) {
  RuleDiagnosis d = healthy();
  policy::Rule alone = policy::testing::esp_rule("10.0.0.9/32");
  d.rules.push_back(held(4, alone, true, false));
  d.rules.push_back(held(5, policy::testing::drop_rule("10.0.0.8/32"), true, false));
  d.rules.push_back(held(6, policy::testing::drop_rule("10.0.0.8/32"), false, true));
  d.kernel.counters = {{"XfrmInError", 0},    {"XfrmOutNoStates", 12}, {"XfrmInTmplMismatch", 1},
                       {"XfrmInPolBlock", 2}, {"XfrmOutPolBlock", 3},  {"XfrmInNoPols", 4}};
  std::vector<std::string> lines = found(d);
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_THAT(lines[0], ::testing::StartsWith("problem: rule #4: no SA protects what it sends"));
  const std::string cure = " [ipsecconf explain says what happens to a packet]";
  EXPECT_EQ(lines[1],
            "problem: XfrmOutNoStates: 12 packets dropped: a policy requires an SA that does not exist; rules "
            "without an SA for what they send: #4" +
                cure);
  EXPECT_EQ(lines[2],
            "problem: XfrmInTmplMismatch: 1 packet dropped: protected by an SA other than the policy requires: "
            "compare reqid, mode, addresses; rules that demand protection of what comes in: #3" +
                cure);
  EXPECT_EQ(lines[3],
            "problem: XfrmInPolBlock: 2 packets dropped: a policy blocks them; rules that drop what comes in: "
            "#6" +
                cure);
  EXPECT_EQ(
      lines[4],
      "problem: XfrmOutPolBlock: 3 packets dropped: a policy blocks them; rules that drop what is sent: #5" + cure);
  EXPECT_EQ(lines[5],
            "problem: XfrmInNoPols: 4 packets dropped: their SA is valid, but no policy allows them: add one "
            "for this direction; there are no rules in tunnel mode, for other packets now" +
                cure);
  d.sas.chooser = policy::Chooser::exact;  // The counters are the kernel's, and the rules are not.
  EXPECT_EQ(found(d).size(), 1u);
}

TEST(RuleDoctor, FindsSettingsOfInterfaces) {
  RuleDiagnosis d = healthy();
  for (const std::string name : {"default", "lo", "eth0", "eth1", "eth2"})
    d.kernel.interfaces.push_back({.name = name,
                                   .no_policy_v4 = name == "lo" || name == "eth1",
                                   .no_policy_v6 = name == "eth1",
                                   .no_xfrm = name != "eth1" && name != "eth2",
                                   .rp_filter = 1});
  d.kernel.defaults = kernel::PolicyDefaults{.in = true};
  EXPECT_THAT(
      found(d),
      ElementsAre("problem: eth0: disable_xfrm is set: what leaves by it is not protected, whatever the rules say "
                  "[sysctl -w net.ipv4.conf.eth0.disable_xfrm=0]",
                  "problem: eth1: disable_policy is set: what comes in by it is accepted in the clear [sysctl -w "
                  "net.ipv4.conf.eth1.disable_policy=0]",
                  "problem: eth1: disable_policy is set: what comes in by it is accepted in the clear [sysctl -w "
                  "net.ipv6.conf.eth1.disable_policy=0]",
                  "remark: default in: packets that no rule is about are dropped [ip xfrm policy setdefault in "
                  "accept]"));
}

TEST(RuleDoctor, FindsTunnelsThatCannotBePassedOn) {
  RuleDiagnosis d = healthy();
  HeldRule tunnel = held(8, policy::testing::esp_rule("10.2.0.0/16"));
  tunnel.rule.alternatives[0].protection.ends =
      policy::TunnelEnds{*parse_address("10.0.0.1"), *parse_address("10.0.0.2")};
  tunnel.policies = {{.direction = "out", .text = ""}, {.direction = "in", .text = ""}};
  d.rules.push_back(tunnel);
  d.sas.known = false;
  d.kernel.interfaces = {{.name = "eth2", .no_policy_v4 = {}, .no_policy_v6 = {}, .no_xfrm = {}, .rp_filter = 1}};
  EXPECT_THAT(found(d),
              ElementsAre("remark: eth2: rp_filter is 1: what comes out of a tunnel (rules #8) is dropped if the "
                          "way back is not by this interface [sysctl -w net.ipv4.conf.eth2.rp_filter=2]"));
  d.kernel.interfaces.clear();
  d.kernel.forwards_v4 = true;
  EXPECT_THAT(
      found(d),
      ElementsAre("problem: rule #8: this host forwards, and the rule has no policy for it: what comes out of its "
                  "tunnel for other hosts is dropped (XfrmInNoPols) [ipsecconf apply FILE]"));
  d.rules.back().policies.push_back({.direction = "fwd", .text = ""});
  EXPECT_THAT(found(d), IsEmpty());
}

TEST(RuleDoctor, NamesRulesOfOthers) {
  RuleDiagnosis d = healthy();
  for (std::uint32_t i = 20; i < 30; ++i) {
    d.rules.push_back(held(i, policy::testing::pass_rule("10.9.0.0/16")));
    d.rules.back().foreign = true;
  }
  EXPECT_THAT(found(d),
              ElementsAre("remark: kernel: 10 rules are of other programs: #20, #21, #22, #23, #24, #25, #26, "
                          "#27 and 2 more; they are never changed, and tried where -L shows them"));
}

TEST(RuleDoctor, FindsWhatOtherProgramsExpose) {
  RuleDiagnosis d = healthy();
  d.exposed = {{0, false, "another program's policy comes before it"}};
  EXPECT_THAT(found(d), ElementsAre("problem: rule #3: another program's policy comes before it"));
}

TEST(RuleDoctor, FindsRulesThatAreAlsoAboutWhatTheHostNeedsInClear) {
  RuleDiagnosis d = healthy();
  const std::vector<Address> own = {*parse_address("fd00::1"), *parse_address("fd00::2")};
  d.guards = policy::kernel_guards(own);
  EXPECT_THAT(found(d), IsEmpty());
  d.rules = {held(4, policy::testing::drop_rule("fd00::/64"))};
  d.sas.sas.clear();
  const std::string discovery = "it is also about IPv6 neighbour discovery",
                    addresses = "it is also about what the host sends to its own IPv6 addresses",
                    cure = " [ipsecconf --guards apply FILE]";
  EXPECT_THAT(found(d), ElementsAre("problem: rule #4: " + discovery + cure, "problem: rule #4: " + addresses + cure));
  // Another program's: if the rule says all about its packets.
  d.rules[0].foreign = true;
  const std::string end = " [end that program, or let a rule pass that before it]";
  EXPECT_THAT(found(d), ::testing::IsSupersetOf({"problem: rule #4: " + discovery + end}));
  d.rules[0].remarks = {"it is about the interface with the number 3 only"};
  EXPECT_THAT(found(d), ElementsAre(::testing::StartsWith("remark: kernel: 1 rule is of other programs")));
}

}  // namespace
}  // namespace ipseckey::cli
