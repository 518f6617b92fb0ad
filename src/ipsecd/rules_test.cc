// Rules over ipsecd's socket, through the seam that ipsecconf uses: whole sets, atomically, beside other clients.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <poll.h>

#include <optional>
#include <utility>

#include "backend/memory_spd.h"
#include "backend/socket.h"
#include "backend/socket_spd.h"
#include "engine/testing.h"
#include "ipsecd/testing.h"
#include "policy/testing.h"

namespace ipseckey::ipsecd {
namespace {

using backend::HeldRule;
using backend::RuleChanges;
using backend::SocketSpd;
using backend::Spd;
using policy::Rule;
using policy::Rules;
using policy::testing::drop_rule;
using policy::testing::esp_rule;
using policy::testing::pass_rule;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using enum Spd::Extent;

std::vector<std::uint32_t> indexes(const std::vector<HeldRule>& held) {
  std::vector<std::uint32_t> all;
  for (const HeldRule& h : held) all.push_back(h.index);
  return all;
}
Rules rules_of(const std::vector<HeldRule>& held) {
  Rules all;
  for (const HeldRule& h : held) all.push_back(h.rule);
  return all;
}

// The same steps on both databases that speak PF_POLICY.
void replaces(Spd& spd) {
  const Rules first = {esp_rule("10.1.0.0/16"), pass_rule("10.2.0.0/16"), drop_rule("10.3.0.0/16")};
  EXPECT_THAT(spd.list().value(), IsEmpty());
  const auto planned = spd.replace(first, plan).value();
  EXPECT_THAT(indexes(planned.added), ElementsAre(0, 0, 0));
  EXPECT_THAT(spd.list().value(), IsEmpty());

  const auto done = spd.replace(first, carry_out).value();
  EXPECT_EQ(rules_of(done.added), first);
  const auto held = spd.list().value();
  EXPECT_EQ(rules_of(held), first);
  EXPECT_EQ(indexes(held), indexes(done.added));
  EXPECT_EQ(spd.replace(first, carry_out).value().kept, 3u);
  EXPECT_EQ(indexes(spd.list().value()), indexes(held));

  // The last rule comes first, one is another, one is new. Rules that stay keep their indexes.
  const Rules second = {drop_rule("10.3.0.0/16"), esp_rule("10.1.0.0/16"), drop_rule("10.2.0.0/16"), pass_rule()};
  const auto changes = spd.replace(second, carry_out).value();
  EXPECT_EQ(changes.kept, 2u);
  EXPECT_EQ(rules_of(changes.added), (Rules{second[2], second[3]}));
  EXPECT_EQ(rules_of(changes.removed), (Rules{first[1]}));
  const auto after = spd.list().value();
  EXPECT_EQ(rules_of(after), second);
  EXPECT_EQ(after[0].index, held[2].index);
  EXPECT_EQ(after[1].index, held[0].index);

  // A refused rule: nothing changes.
  Rules bad = second;
  bad.push_back(esp_rule("10.4.0.0/16"));
  bad.back().if_id = 3, bad.back().line = 12;
  const auto refused = spd.replace(bad, carry_out);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unsupported);
  EXPECT_THAT(refused.error().text, HasSubstr("the rule in line 12: if_id names an XFRM interface"));
  EXPECT_FALSE(spd.replace(bad, plan));
  EXPECT_EQ(indexes(spd.list().value()), indexes(after));
  const auto remarks = spd.check(bad).value();
  ASSERT_EQ(remarks.size(), 1u);
  EXPECT_EQ(remarks[0].rule, 4u);
  EXPECT_TRUE(remarks[0].refused);
  EXPECT_THAT(spd.check(second).value(), IsEmpty());
  Rules twice = {pass_rule(), drop_rule()};
  EXPECT_EQ(spd.replace(twice, carry_out).error().code, Errc::exists);

  EXPECT_EQ(spd.replace({}, carry_out).value().removed.size(), 4u);
  EXPECT_THAT(spd.list().value(), IsEmpty());
}

TEST(IpsecdRules, AreReplacedTogether) {
  testing::RunningDaemon daemon;
  const auto spd = SocketSpd::connect(daemon.path()).value();
  EXPECT_EQ(spd->name(), "ipsecd:" + daemon.path());
  replaces(*spd);
}

TEST(IpsecdRules, InMemoryTheyAreTheSame) {
  backend::MemorySpd spd([] { return Instant{}; });
  EXPECT_EQ(spd.name(), "memory");
  replaces(spd);
}

// What carries rules out may have lost them, or wait for them: also for none.
TEST(IpsecdRules, AreReplacedByTheSameRules) {
  std::size_t changes = 0;
  bool waits = false;
  engine::RuleBookOptions options;
  options.in_force = [&](const auto&) { ++changes; };
  options.waits = [&] { return waits; };
  backend::MemorySpd spd([] { return Instant{}; }, std::move(options));
  const Rules rules = {esp_rule("10.1.0.0/16")};
  EXPECT_TRUE(spd.replace({}, carry_out));
  EXPECT_EQ(changes, 1u);
  EXPECT_TRUE(spd.replace(rules, carry_out));
  EXPECT_EQ(spd.replace(rules, carry_out).value().kept, 1u);
  EXPECT_EQ(changes, 3u);
  EXPECT_TRUE(spd.replace(rules, plan));
  EXPECT_EQ(changes, 3u);

  EXPECT_TRUE(spd.extensible());
  waits = true;
  EXPECT_THAT(spd.extensible().error().text, HasSubstr("load all rules"));
  EXPECT_TRUE(spd.check(rules));
  EXPECT_TRUE(spd.replace(rules, carry_out));
  EXPECT_EQ(changes, 4u);
}

TEST(IpsecdRules, OfTunnelsNeedAnInterface) {
  testing::RunningDaemon daemon;
  const auto spd = SocketSpd::connect(daemon.path()).value();
  Rule rule = esp_rule();
  rule.tunnel = policy::Tunnel{"no-such-link"};
  EXPECT_THAT(spd->replace({&rule, 1}, carry_out).error().text, HasSubstr("there is no interface no-such-link"));
  rule.tunnel = policy::Tunnel{"lo"};
  EXPECT_TRUE(spd->replace({&rule, 1}, carry_out));
}

// Another client's change in between would be lost, or mixed with this one's.
TEST(IpsecdRules, OneClientChangesThemAtATime) {
  testing::RunningDaemon daemon;
  const auto writes = [&](unsigned number) {
    const auto spd = SocketSpd::connect(daemon.path()).value();
    for (unsigned round = 0; round < 20; ++round) {
      Rules rules;
      for (unsigned i = 0; i < 50; ++i) rules.push_back(drop_rule(fmt::format("10.{}.{}.0/24", number, i)));
      const auto done = spd->replace(rules, carry_out);
      ASSERT_TRUE(done) << done.error().text;
    }
  };
  std::thread other([&] { writes(1); });
  writes(2);
  other.join();
  const auto held = SocketSpd::connect(daemon.path()).value()->list().value();
  ASSERT_EQ(held.size(), 50u);  // Those of one of the two, whole.
  for (const HeldRule& h : held)
    EXPECT_EQ(h.rule.selector.remote->address.octets[1], held[0].rule.selector.remote->address.octets[1]);
}

TEST(IpsecdRules, TenThousandAreGivenAndListed) {
  testing::RunningDaemon daemon;
  const auto spd = SocketSpd::connect(daemon.path()).value();
  Rules rules;
  for (unsigned i = 0; i < 10'000; ++i) rules.push_back(esp_rule(fmt::format("10.{}.{}.0/24", i / 256, i % 256)));
  EXPECT_EQ(spd->replace(rules, carry_out).value().added.size(), 10'000u);
  EXPECT_EQ(rules_of(spd->list().value()), rules);
}

// Clients of PF_KEY on the same socket get notices of SAs, which are not for this one.
TEST(IpsecdRules, AreGivenWhileSasChange) {
  testing::RunningDaemon daemon;
  const auto spd = SocketSpd::connect(daemon.path()).value();
  const auto keys = backend::Socket::connect(daemon.path()).value();
  const Rules rules = {esp_rule("10.1.0.0/16")};
  for (std::uint32_t spi = 0x1000; spi < 0x1100; ++spi) {
    pfkey::Message sa = engine::testing::add_esp(spi);
    ASSERT_TRUE(keys->call({&sa, 1}, [](std::size_t, pfkey::Message&& m) { EXPECT_EQ(m.error, 0); }));
    const auto done = spd->replace(spi % 2 == 0 ? std::span<const Rule>(rules) : std::span<const Rule>(), carry_out);
    ASSERT_TRUE(done) << done.error().text;
  }
}

// On a connection of its own.
TEST(IpsecdRules, ChangesAreNews) {
  testing::RunningDaemon daemon;
  const auto spd = SocketSpd::connect(daemon.path()).value();
  const auto news = spd->listen().value();
  EXPECT_EQ(news->changed().value(), false);
  const Rules rules = {esp_rule("10.1.0.0/16")};
  ASSERT_TRUE(spd->check(rules));
  ASSERT_TRUE(spd->replace(rules, plan));
  ASSERT_TRUE(spd->list());
  EXPECT_EQ(news->changed().value(), false);
  ASSERT_TRUE(spd->replace(rules, carry_out));
  pollfd until{news->descriptor(), POLLIN, 0};
  ASSERT_EQ(::poll(&until, 1, 60'000), 1);
  EXPECT_EQ(news->changed().value(), true);
  EXPECT_EQ(news->changed().value(), false);
}

TEST(IpsecdRules, NewsEndWithTheDaemon) {
  std::optional<testing::RunningDaemon> daemon(std::in_place);
  const auto news = SocketSpd::connect(daemon->path()).value()->listen().value();
  daemon.reset();
  const auto end = news->changed();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Errc::unreachable);
  EXPECT_THAT(end.error().text, HasSubstr(" has ended: "));
}

TEST(IpsecdRules, WithoutADaemonThereIsAnError) {
  const auto none = SocketSpd::connect("/nonexistent/s");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::unreachable);
}

}  // namespace
}  // namespace ipseckey::ipsecd
