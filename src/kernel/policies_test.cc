// Rules on a kernel's table of policies: what changes, what stays, whose they are, and what a failure leaves.
#include "kernel/policies.h"

#include <gmock/gmock.h>

#include "backend/testing.h"
#include "kernel/fake_policies.h"
#include "policy/testing.h"
#include "policy/xfrm_priorities.h"

namespace ipseckey::kernel {
namespace {

using backend::HeldRule;
using backend::RuleChanges;
using policy::Rule;
using policy::Rules;
using policy::testing::drop_rule;
using policy::testing::esp_rule;
using policy::testing::pass_rule;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Extent = backend::Spd::Extent;

constexpr std::uint32_t kFirst = policy::kFirstPriority;

// A kernel, the owned record, and programs that use them one after another.
class Host {
 public:
  std::unique_ptr<KernelSpd> open() {
    PolicyWorld world;
    world.connect = [this] { return Result<Netlink>(kernel.client()); };
    world.record = folder_ / "run/policies.db";
    world.place = place;
    world.around.link = [](const std::string& name) { return fail(Errc::not_found, "no interface " + name); };
    auto opened = KernelSpd::open(std::move(world));
    return std::move(*opened);
  }

  testing::FakePolicies kernel;
  std::string place = "kernel:1";

 private:
  backend::testing::TempFolder folder_;
};

std::vector<std::uint32_t> indexes(const std::vector<HeldRule>& rules) {
  std::vector<std::uint32_t> list;
  for (const HeldRule& r : rules) list.push_back(r.index);
  return list;
}

RuleChanges done(KernelSpd& spd, const Rules& rules) {
  const auto changes = spd.replace(rules, Extent::carry_out);
  EXPECT_TRUE(changes) << changes.error().text;
  return changes.value_or(RuleChanges{});
}

// "DIRECTION DESTINATION PRIORITY" of each policy, as the kernel tries them.
std::vector<std::string> table(const testing::FakePolicies& kernel) {
  std::vector<const testing::FakePolicies::Held*> sorted;
  for (const auto& h : kernel.table()) sorted.push_back(&h);
  std::ranges::stable_sort(sorted, {}, [](const auto* h) { return h->policy.priority; });
  std::vector<std::string> list;
  for (const auto* h : sorted)
    list.push_back(to_string(h->policy) + " @" + std::to_string(h->policy.priority - kFirst));
  return list;
}

Rule only_out(Rule rule) {
  rule.in = false;
  return rule;
}

TEST(KernelSpd, RulesBecomePoliciesInTheirOrder) {
  Host host;
  const auto spd = host.open();
  const RuleChanges changes = done(*spd, {pass_rule("10.0.0.1/32"), esp_rule("10.0.0.0/24")});
  EXPECT_THAT(indexes(changes.added), ElementsAre(1, 2));
  EXPECT_THAT(changes.removed, IsEmpty());
  EXPECT_EQ(changes.kept, 0u);
  EXPECT_THAT(table(host.kernel),
              ElementsAre("out 0.0.0.0/0 -> 10.0.0.1/32: clear @1024", "in 10.0.0.1/32 -> 0.0.0.0/0: clear @1024",
                          "out 0.0.0.0/0 -> 10.0.0.0/24: esp transport @2048",
                          "in 10.0.0.0/24 -> 0.0.0.0/0: esp transport @2048"));
}

TEST(KernelSpd, WhatDoesNotChangeIsNotTouched) {
  Host host;
  const Rule a = only_out(esp_rule("10.0.0.1/32")), b = only_out(esp_rule("10.0.0.2/32")),
             c = only_out(esp_rule("10.0.0.3/32"));
  const auto spd = host.open();
  done(*spd, {a, b});
  host.kernel.log().clear();
  const RuleChanges same = done(*spd, {a, b});
  EXPECT_EQ(same.kept, 2u);
  EXPECT_THAT(host.kernel.log(), IsEmpty());
  const RuleChanges between = done(*spd, {a, c, b});
  EXPECT_THAT(indexes(between.added), ElementsAre(3));
  EXPECT_EQ(between.kept, 2u);
  EXPECT_THAT(host.kernel.log(), ElementsAre("+out 0.0.0.0/0 -> 10.0.0.3/32"));
  host.kernel.log().clear();
  const RuleChanges fewer = done(*spd, {a, b});
  EXPECT_THAT(indexes(fewer.removed), ElementsAre(3));
  EXPECT_THAT(host.kernel.log(), ElementsAre("-out 0.0.0.0/0 -> 10.0.0.3/32"));
}

TEST(KernelSpd, AnotherActionForTheSamePacketsIsAnUpdateUnderTheSameIndex) {
  Host host;
  const auto spd = host.open();
  done(*spd, {only_out(pass_rule("10.0.0.1/32"))});
  const std::uint32_t index = host.kernel.table()[0].index;
  host.kernel.log().clear();
  const RuleChanges changes = done(*spd, {only_out(esp_rule("10.0.0.1/32"))});
  EXPECT_THAT(indexes(changes.added), ElementsAre(2));
  EXPECT_THAT(indexes(changes.removed), ElementsAre(1));
  EXPECT_THAT(host.kernel.log(), ElementsAre("=out 0.0.0.0/0 -> 10.0.0.1/32"));
  EXPECT_EQ(host.kernel.table()[0].index, index);
}

TEST(KernelSpd, ReplacedProtectionIsGuardedMeanwhile) {
  Host host;
  const auto spd = host.open();
  done(*spd, {only_out(esp_rule("10.0.0.0/24"))});
  host.kernel.log().clear();
  done(*spd, {only_out(esp_rule("10.0.0.0/16"))});
  EXPECT_THAT(host.kernel.log(), ElementsAre("+out 0.0.0.0/0 -> 10.0.0.0/24", "+out 0.0.0.0/0 -> 10.0.0.0/16",
                                             "-out 0.0.0.0/0 -> 10.0.0.0/24", "-out 0.0.0.0/0 -> 10.0.0.0/24"));
  EXPECT_THAT(table(host.kernel), ElementsAre("out 0.0.0.0/0 -> 10.0.0.0/16: esp transport @1024"));
}

TEST(KernelSpd, RulesThatChangePlacesAreRenumberedAndKeepTheirIndexes) {
  Host host;
  const auto spd = host.open();
  const Rule a = only_out(esp_rule("10.0.0.1/32")), b = only_out(pass_rule("10.0.0.0/24"));
  done(*spd, {a, b});
  const RuleChanges changes = done(*spd, {b, a});
  EXPECT_EQ(changes.kept, 2u);
  EXPECT_THAT(table(host.kernel), ElementsAre("out 0.0.0.0/0 -> 10.0.0.0/24: clear @512",
                                              "out 0.0.0.0/0 -> 10.0.0.1/32: esp transport @1024"));
}

TEST(KernelSpd, RulesThatNameTheLoopbackAddressComeBeforeWhatKeepsItReachable) {
  Host host;
  Rule mail = only_out(drop_rule("::1/128"));
  mail.selector.protocol = 6, mail.selector.remote_port = 25;
  const Rules rules = {mail, only_out(esp_rule("::/0"))};
  const auto expected =
      ElementsAre("out ::/0 -> ::1/128 tcp to port 25: dropped @1024", "out ::1/128 -> ::1/128: clear @2048",
                  "in ::1/128 -> ::1/128: clear @2048", "out ::/0 -> ::/0: esp transport @3072");
  const auto spd = host.open();
  done(*spd, rules);
  EXPECT_THAT(table(host.kernel), expected);
  host.kernel.log().clear();
  EXPECT_EQ(done(*spd, rules).kept, 2u);
  EXPECT_THAT(host.kernel.log(), IsEmpty());
  done(*spd, {rules[1]});
  EXPECT_THAT(host.kernel.table().size(), 3u);
  EXPECT_EQ(host.kernel.table().back().policy.priority, policy::kLoopbackPriority);
  done(*spd, rules);
  EXPECT_EQ(host.kernel.table().size(), 4u);
  done(*spd, {});
  EXPECT_THAT(host.kernel.table(), IsEmpty());
}

TEST(KernelSpd, WithoutRoomBetweenTwoRulesAllAreSpread) {
  Host host;
  const auto spd = host.open();
  const auto rule = [](int i) { return only_out(esp_rule("10.0." + std::to_string(i) + ".0/24")); };
  Rules rules = {rule(100), rule(0)};
  done(*spd, rules);
  for (int i = 1; i <= 12; ++i) {  // Each halves the room in front of the last.
    rules.insert(rules.end() - 1, rule(i));
    EXPECT_EQ(done(*spd, rules).kept, rules.size() - 1);
  }
  std::vector<std::string> order;
  for (const std::string& line : table(host.kernel)) order.push_back(line.substr(0, line.find(':')));
  std::vector<std::string> expected;
  for (const Rule& r : rules) expected.push_back("out 0.0.0.0/0 -> " + to_string(r.selector.remote->address) + "/24");
  EXPECT_EQ(order, expected);
}

// ---- other programs

policy::XfrmPolicy foreign(std::string_view to, std::uint32_t priority) {
  policy::XfrmPolicy p;
  p.name.selector.source = policy::testing::prefix("0.0.0.0/0");
  p.name.selector.destination = policy::testing::prefix(to);
  p.priority = priority;
  return p;
}

TEST(KernelSpd, PoliciesOfOthersAreNeverTouched) {
  Host host;
  host.kernel.add(foreign("10.9.0.0/16", 5));
  const auto spd = host.open();
  done(*spd, {only_out(esp_rule("10.0.0.0/24"))});
  done(*spd, {});
  EXPECT_EQ(host.kernel.table().size(), 1u);
  EXPECT_EQ(host.kernel.table()[0].policy, foreign("10.9.0.0/16", 5));
}

TEST(KernelSpd, AForeignPolicyOfTheSameNameIsAnErrorThatDescribesIt) {
  Host host;
  host.kernel.add(foreign("10.0.0.0/24", 5));
  const auto spd = host.open();
  host.kernel.log().clear();
  Rule rule = only_out(esp_rule("10.0.0.0/24"));
  rule.line = 3;
  const auto changes = spd->replace(Rules{only_out(pass_rule("10.7.0.0/16")), rule}, Extent::carry_out);
  ASSERT_FALSE(changes);
  EXPECT_EQ(changes.error().code, Errc::exists);
  EXPECT_EQ(changes.error().text,
            "the rule in line 3 needs a policy that another program has in the kernel: out 0.0.0.0/0 -> 10.0.0.0/24: "
            "clear, mark 0x0/0x0, if_id 0, index 9, priority 5; end that program, or remove it with `ip xfrm policy "
            "delete index 9 dir out`");
  EXPECT_THAT(host.kernel.log(), IsEmpty());
}

TEST(KernelSpd, AForeignPolicyThatComesBeforeARuleAndIsWeakerExposesIt) {
  Host host;
  const Rules rules = {only_out(pass_rule("10.0.0.9/32")), only_out(esp_rule("10.0.0.0/24")),
                       only_out(drop_rule("10.0.0.0/16"))};
  auto behind = foreign("10.0.3.0/24", kFirst + 5000), other_mark = foreign("10.0.4.0/24", 5),
       strong = foreign("10.0.5.0/24", 5), in = foreign("10.0.6.0/24", 5), elsewhere = foreign("10.7.0.0/16", 5);
  other_mark.name.if_id = 7, strong.block = true, in.name.direction = policy::XfrmDirection::in;
  for (const auto& p : {foreign("10.0.0.0/28", 5), behind, other_mark, strong, in, elsewhere}) host.kernel.add(p);
  EXPECT_THAT(*host.open()->check(rules), IsEmpty());
  const auto remarks = host.open()->exposed(rules);
  ASSERT_TRUE(remarks);
  ASSERT_EQ(remarks->size(), 2u);
  EXPECT_EQ((*remarks)[0].rule, 1u);
  EXPECT_EQ((*remarks)[1].rule, 2u);
  for (const auto& r : *remarks) {
    EXPECT_FALSE(r.refused);
    EXPECT_EQ(r.message,
              std::string("another program's policy comes before it, and by that one its packets are not ") +
                  (r.rule == 1 ? "protected" : "dropped") +
                  ": out 0.0.0.0/0 -> 10.0.0.0/28: clear, index 9, priority 5; end that program, or remove the policy "
                  "with `ip xfrm policy delete index 9 dir out`");
  }
  // Its own policies are none of another program.
  const auto spd = host.open();
  done(*spd, rules);
  EXPECT_EQ(spd->exposed(rules)->size(), 2u);
}

TEST(KernelSpd, AForeignPolicyExposesNothingThatPassesAnywayOrThatIsTakenBefore) {
  Host host;
  host.kernel.add(foreign("10.0.0.0/28", 5));
  const Rule pass = only_out(pass_rule("10.0.0.0/24")), protect = only_out(esp_rule("10.0.0.0/16"));
  EXPECT_THAT(*host.open()->exposed(Rules{pass, protect}), IsEmpty());
  EXPECT_EQ(host.open()->exposed(Rules{protect, pass})->size(), 1u);
  EXPECT_EQ(host.open()->exposed(Rules{only_out(pass_rule("10.0.0.0/29")), protect})->size(), 1u);
  EXPECT_EQ(host.open()->exposed(Rules{pass_rule("10.0.0.0/24"), protect})->size(), 0u);
  Rule tcp = pass;
  tcp.selector.protocol = 6;
  EXPECT_EQ(host.open()->exposed(Rules{tcp, protect})->size(), 1u);
  Host later;
  later.kernel.add(foreign("10.0.0.0/28", kFirst + 2500));  // Between the second rule and the third.
  EXPECT_THAT(*later.open()->exposed(Rules{pass_rule("10.7.0.0/16"), protect, only_out(drop_rule("10.0.0.0/8"))}),
              IsEmpty());
}

TEST(KernelSpd, APolicyThatSomebodyReplacedIsNoLongerOurs) {
  Host host;
  const auto spd = host.open();
  done(*spd, {only_out(esp_rule("10.0.0.0/24"))});
  host.kernel.flush();
  host.kernel.add(foreign("10.0.0.0/24", 5));
  const auto changes = spd->replace(Rules{only_out(esp_rule("10.0.0.0/24"))}, Extent::carry_out);
  ASSERT_FALSE(changes);
  EXPECT_EQ(changes.error().code, Errc::exists);
  done(*spd, {});
  ASSERT_EQ(host.kernel.table().size(), 1u);
  EXPECT_EQ(host.kernel.table()[0].policy, foreign("10.0.0.0/24", 5));
}

TEST(KernelSpd, TheRecordOfAnotherNamespaceOrBootDoesNotCount) {
  Host host;
  done(*host.open(), {only_out(esp_rule("10.0.0.0/24"))});
  host.place = "kernel:2";
  const auto rules = host.open()->list();
  ASSERT_TRUE(rules);
  ASSERT_EQ(rules->size(), 1u);
  EXPECT_TRUE((*rules)[0].foreign);
}

// ---- failures

TEST(KernelSpd, ARefusalInTheMiddleIsUndone) {
  for (int at = 0; at < 12; ++at) {
    Host host;
    const Rules before = {only_out(esp_rule("10.0.0.0/24")), only_out(pass_rule("10.1.0.0/24"))};
    const Rules after = {only_out(drop_rule("10.2.0.0/24")), only_out(esp_rule("10.0.0.0/16")),
                         only_out(pass_rule("10.3.0.0/24"))};
    done(*host.open(), before);
    const auto table_before = table(host.kernel);
    int number = 0;
    host.kernel.refuse = [&] { return number++ == at ? ENOMEM : 0; };
    const auto changes = host.open()->replace(after, Extent::carry_out);
    host.kernel.refuse = {};
    if (changes) {
      EXPECT_GT(at, 5);
      continue;
    }
    EXPECT_EQ(changes.error().code, Errc::io);
    EXPECT_THAT(changes.error().text, HasSubstr("Cannot allocate memory (errno 12); the rules are as they were")) << at;
    EXPECT_EQ(table(host.kernel), table_before) << at;
    EXPECT_EQ(done(*host.open(), before).kept, 2u) << at;
  }
}

TEST(KernelSpd, AChangeThatNobodyFinishesIsTakenUpByTheNext) {
  for (std::size_t at = 0; at < 7; ++at) {
    Host host;
    const Rules before = {only_out(esp_rule("10.0.0.0/24")), only_out(pass_rule("10.1.0.0/24"))};
    const Rules after = {only_out(esp_rule("10.0.0.0/16")), only_out(pass_rule("10.3.0.0/24"))};
    done(*host.open(), before);
    // From there on nothing succeeds, as if the program had been killed.
    std::size_t number = 0;
    host.kernel.refuse = [&] {
      host.kernel.dead = number++ >= at;
      return 0;
    };
    const auto changed = host.open()->replace(after, Extent::carry_out);
    host.kernel.refuse = {};
    host.kernel.dead = false;
    EXPECT_EQ(changed.has_value(), at >= 6);
    const auto guards =
        std::ranges::count_if(host.kernel.table(), [](const auto& h) { return is_guard(h.policy.name); });
    EXPECT_EQ(guards, at >= 1 && at < 6 ? 1 : 0) << at;
    done(*host.open(), after);
    EXPECT_THAT(table(host.kernel), ElementsAre("out 0.0.0.0/0 -> 10.0.0.0/16: esp transport @1024",
                                                "out 0.0.0.0/0 -> 10.3.0.0/24: clear @2048"))
        << at;
    done(*host.open(), {});
    EXPECT_THAT(host.kernel.table(), IsEmpty()) << at;
  }
}

// A program is killed after `at` requests; the next one fails after `then`: all of it is as after the first.
void fails_after_a_crash(std::size_t at, std::size_t then) {
  Host host;
  const Rules before = {only_out(esp_rule("10.0.0.0/24")), only_out(pass_rule("10.1.0.0/24"))};
  const Rules after = {only_out(esp_rule("10.0.0.0/16")), only_out(pass_rule("10.3.0.0/24"))};
  done(*host.open(), before);
  std::size_t number = 0;
  host.kernel.refuse = [&] {
    host.kernel.dead = number++ >= at;
    return 0;
  };
  EXPECT_EQ(host.open()->replace(after, Extent::carry_out).has_value(), at >= 6);
  host.kernel.dead = false, number = 0;
  const auto left = table(host.kernel);
  host.kernel.refuse = [&] { return number++ == then ? ENOMEM : 0; };
  const auto changes = host.open()->replace(after, Extent::carry_out);
  host.kernel.refuse = {};
  if (changes) return;
  EXPECT_THAT(changes.error().text, HasSubstr("; the rules are as they were"));
  EXPECT_THAT(table(host.kernel), ::testing::UnorderedElementsAreArray(left));
  done(*host.open(), after);
  EXPECT_THAT(table(host.kernel), ElementsAre("out 0.0.0.0/0 -> 10.0.0.0/16: esp transport @1024",
                                              "out 0.0.0.0/0 -> 10.3.0.0/24: clear @2048"));
}

TEST(KernelSpd, AFailureAfterACrashKeepsTheGuardsThatTheCrashLeft) {
  for (std::size_t at = 1; at < 6; ++at)
    for (std::size_t then = 0; then < 7; ++then) {
      SCOPED_TRACE(std::to_string(at) + ", " + std::to_string(then));
      fails_after_a_crash(at, then);
    }
}

// ---- list

TEST(KernelSpd, ListsRulesAsTheyWereGivenWithTheirPolicies) {
  Host host;
  Rule rule = esp_rule("10.0.0.0/24");
  rule.line = 7, rule.alternatives[0].protection.cipher->min_bits = 256;
  host.kernel.add(foreign("10.9.0.0/16", kFirst + 5000));
  done(*host.open(), {rule, only_out(pass_rule("10.1.0.0/24"))});
  const auto rules = host.open()->list();
  ASSERT_TRUE(rules);
  ASSERT_EQ(rules->size(), 3u);
  const HeldRule& first = (*rules)[0];
  EXPECT_EQ(first.index, 1u);
  EXPECT_EQ(first.rule, rule);
  EXPECT_EQ(first.rule.line, 7u);
  EXPECT_FALSE(first.foreign);
  EXPECT_THAT(first.remarks, IsEmpty());
  ASSERT_EQ(first.policies.size(), 2u);
  EXPECT_EQ(first.policies[0].direction, "in");
  EXPECT_EQ(first.policies[0].text, "in 10.0.0.0/24 -> 0.0.0.0/0: esp transport");
  EXPECT_EQ(first.policies[0].priority, kFirst + 1024);
  EXPECT_EQ(first.policies[1].direction, "out");
  EXPECT_EQ((*rules)[1].rule, only_out(pass_rule("10.1.0.0/24")));
  EXPECT_TRUE((*rules)[2].foreign);
  EXPECT_EQ((*rules)[2].rule, only_out(pass_rule("10.9.0.0/16")));
  EXPECT_EQ((*rules)[2].index, 0x80000009u);
}

TEST(KernelSpd, ARuleWithoutItsPoliciesIsReportedAndRestored) {
  Host host;
  done(*host.open(), {only_out(esp_rule("10.0.0.0/24"))});
  host.kernel.flush();
  const auto rules = host.open()->list();
  ASSERT_TRUE(rules);
  EXPECT_THAT(rules->at(0).remarks,
              ElementsAre("the kernel does not have its policies, or has them for an earlier rule: if it should, apply "
                          "the rules again"));
  const RuleChanges changes = done(*host.open(), {only_out(esp_rule("10.0.0.0/24"))});
  EXPECT_THAT(indexes(changes.added), ElementsAre(1));
  EXPECT_EQ(changes.kept, 0u);
  EXPECT_THAT(table(host.kernel), ElementsAre("out 0.0.0.0/0 -> 10.0.0.0/24: esp transport @1024"));
}

TEST(KernelSpd, APlanChangesNothing) {
  Host host;
  const auto spd = host.open();
  const auto changes = spd->replace(Rules{esp_rule("10.0.0.0/24")}, Extent::plan);
  ASSERT_TRUE(changes);
  EXPECT_THAT(indexes(changes->added), ElementsAre(0));
  EXPECT_THAT(host.kernel.log(), IsEmpty());
  EXPECT_THAT(*spd->list(), IsEmpty());
}

TEST(KernelSpd, ARefusalNamesTheLineAndNothingIsDone) {
  Host host;
  Rule rule = esp_rule("10.0.0.0/24");
  rule.tunnel = policy::Tunnel{"tun9", true}, rule.line = 12;
  const auto spd = host.open();
  const auto changes = spd->replace(Rules{pass_rule("10.1.0.0/24"), rule}, Extent::carry_out);
  ASSERT_FALSE(changes);
  EXPECT_EQ(changes.error().code, Errc::unsupported);
  EXPECT_EQ(changes.error().text, "line 12: no interface tun9");
  EXPECT_THAT(host.kernel.log(), IsEmpty());
  const auto remarks = spd->check(Rules{pass_rule("10.1.0.0/24"), rule});
  ASSERT_TRUE(remarks);
  ASSERT_EQ(remarks->size(), 2u);
  EXPECT_EQ((*remarks)[1].rule, 1u);
  EXPECT_TRUE((*remarks)[1].refused);
  EXPECT_EQ((*remarks)[1].message, "no interface tun9");
}

TEST(KernelSpd, WithoutPermissionItIsDenied) {
  testing::FakeKernel kernel([](const std::vector<testing::Request>& requests, testing::Peer& peer) {
    peer.say(testing::Datagram().verdict(requests[0].seq, EPERM));
  });
  const backend::testing::TempFolder folder;
  PolicyWorld world;
  world.connect = [&] { return Result<Netlink>(kernel.client()); };
  world.record = folder / "policies.db";
  const auto rules = (*KernelSpd::open(std::move(world)))->list();
  ASSERT_FALSE(rules);
  EXPECT_EQ(rules.error().code, Errc::denied);
  EXPECT_EQ(rules.error().text,
            "the kernel's policies may only be listed and changed with CAP_NET_ADMIN: run it as root");
}

}  // namespace
}  // namespace ipseckey::kernel
