// The rules of a database: doc/reference/pf-policy.md, request by request.
#include "engine/rule_book.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cerrno>

#include "engine/testing.h"
#include "pfpolicy/convert.h"
#include "policy/testing.h"

namespace ipseckey::engine {
namespace {

using pfpolicy::Diagnostic;
using pfpolicy::Message;
using pfpolicy::Spd;
using pfpolicy::Type;
using policy::Rule;
using policy::testing::drop_rule;
using policy::testing::esp_rule;
using policy::testing::pass_rule;
using testing::at;
using ::testing::ElementsAre;

struct Book {
  std::shared_ptr<const policy::Lookup> in_force;
  std::size_t changes = 0;
  bool settles = true;  // After each request.
  RuleBook book;

  explicit Book(RuleBookOptions options = {}) : book(with(std::move(options))) {}
  RuleBookOptions with(RuleBookOptions options) {
    options.in_force = [this](std::shared_ptr<const policy::Lookup> rules) {
      in_force = std::move(rules);
      ++changes;
    };
    return options;
  }

  Message ask(ClientId client, Message m, int second = 0) {
    m.seq = 5, m.pid = 6;
    const bool dump = m.type == Type::dump;
    Message reply;
    std::size_t replies = 0;
    book.handle(client, m, at(second), [&](Message&& got) {
      reply = std::move(got);
      ++replies;
    });
    EXPECT_EQ(replies, dump ? 0u : 1u);
    if (settles) book.put_into_force();
    if (replies) {
      EXPECT_EQ(reply.seq, 5u);
      EXPECT_EQ(reply.type, m.type);
    }
    return reply;
  }
  // "index" of a success, or "errno diagnostic".
  std::string add(const Rule& rule, Spd spd = Spd::active, std::uint32_t priority = 1, ClientId client = 1,
                  int second = 0) {
    Message m = pfpolicy::from_rule(rule, priority);
    m.type = Type::addrule, m.spd = spd;
    const Message got = ask(client, std::move(m), second);
    return got.error ? text(got) : std::to_string(got.rule->index);
  }
  static std::string text(const Message& m) { return fmt::format("{} {}", m.error, static_cast<int>(m.diagnostic)); }
  std::string say(Type type, Spd spd = Spd::standby, ClientId client = 1, int second = 0,
                  std::optional<std::string> tunnel = "") {
    Message m;
    m.type = type, m.spd = spd;
    if (tunnel) m.tunnel = pfpolicy::Text{*tunnel};
    return text(ask(client, std::move(m), second));
  }
  std::vector<std::uint64_t> dump(Spd spd = Spd::active, std::optional<std::string> tunnel = "") {
    Message m;
    m.type = Type::dump, m.spd = spd;
    if (tunnel) m.tunnel = pfpolicy::Text{*tunnel};
    ask(9, std::move(m));
    std::vector<std::uint64_t> indexes;
    const Message first = book.next_dumped(9);
    EXPECT_TRUE(first.ruleset && !first.rule);
    while (book.dumping(9)) {
      const Message next = book.next_dumped(9);
      if (next.rule) indexes.push_back(next.rule->index);
      if (next.ruleset) {
        EXPECT_EQ(*next.ruleset, *first.ruleset);
      }
    }
    EXPECT_EQ(first.ruleset->count, indexes.size());
    return indexes;
  }
};

TEST(RuleBook, AddsToTheActiveRulesAtOnce) {
  Book b;
  EXPECT_EQ(b.add(esp_rule("10.0.0.0/8"), Spd::active, 5), "1");
  EXPECT_EQ(b.add(pass_rule("10.1.0.0/16"), Spd::active, 9), "2");
  EXPECT_EQ(b.add(drop_rule("10.2.0.0/16"), Spd::active, 5), "3");
  EXPECT_THAT(b.dump(), ElementsAre(2, 1, 3));  // By priority, then as they were added.
  ASSERT_TRUE(b.in_force);
  EXPECT_EQ(b.in_force->rules(),
            (policy::Rules{pass_rule("10.1.0.0/16"), esp_rule("10.0.0.0/8"), drop_rule("10.2.0.0/16")}));
  EXPECT_EQ(b.book.active(), 3u);
}

TEST(RuleBook, SingleRulesComeIntoForceTogether) {
  Book b;
  b.settles = false;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(b.add(drop_rule(fmt::format("10.{}.0.0/16", i))), std::to_string(i + 1));
  Message remove;
  remove.type = Type::deleterule, remove.rule = pfpolicy::RuleData{.index = 7};
  EXPECT_EQ(b.ask(1, remove).error, 0);
  EXPECT_TRUE(b.book.unsettled());
  EXPECT_EQ(b.changes, 0u);
  b.book.put_into_force();
  EXPECT_FALSE(b.book.unsettled());
  EXPECT_EQ(b.changes, 1u);
  EXPECT_EQ(b.in_force->rules().size(), 99u);
  b.book.put_into_force();
  EXPECT_EQ(b.changes, 1u);
}

// Netfilter, for example, refuses them.
TEST(RuleBook, RulesThatAreNotInForceAreNotGranted) {
  RuleBookOptions options;
  std::string why;
  options.not_in_force = [&] { return why; };
  Book b(options);
  b.say(Type::flush);
  b.add(drop_rule("10.1.0.0/16"), Spd::standby);
  why = "netfilter refused the rules";
  EXPECT_EQ(b.say(Type::flip), "5 0");
  Message granted;
  granted.type = Type::addrule;
  EXPECT_EQ(b.book.settled(granted).error, EIO);
  granted.error = EEXIST;
  EXPECT_EQ(b.book.settled(granted).error, EEXIST);
  EXPECT_EQ(b.say(Type::watch, Spd::active), "0 0");
  why.clear();
  EXPECT_EQ(b.say(Type::flush), "0 0");
}

// Of a rule, as long as it is held: also while others come and go.
TEST(RuleBook, CountsWhatARuleDrops) {
  RuleBookOptions options;
  options.cause = [](std::uint8_t cause) { return fmt::format("cause {}", cause); };
  options.dropped = [] { return std::pair(pfpolicy::Dropped{9, "all"}, pfpolicy::Dropped{}); };
  Book b(options);
  b.add(esp_rule("10.0.0.0/8"));
  b.add(drop_rule("10.1.0.0/16"));
  b.in_force->tally(1)->drop(policy::Direction::out, 7);
  b.in_force->tally(1)->drop(policy::Direction::out, 8);
  b.in_force->tally(1)->drop(policy::Direction::in, 3);
  b.say(Type::flush);
  b.add(drop_rule("10.1.0.0/16"), Spd::standby);
  b.add(esp_rule("10.2.0.0/16"), Spd::standby);
  b.say(Type::flip);
  b.in_force->tally(0)->drop(policy::Direction::in, 4);
  const auto refusing = b.book.refusing();
  ASSERT_EQ(refusing.size(), 1u);
  EXPECT_EQ(refusing[0].index, 2u);
  EXPECT_EQ(refusing[0].out.packets, 2u);
  EXPECT_EQ(refusing[0].in.packets, 2u);
  Message dump;
  dump.type = Type::dump;
  b.ask(9, dump);
  EXPECT_EQ(b.book.next_dumped(9).dropped_out, (pfpolicy::Dropped{9, "all"}));
  const Message rule = b.book.next_dumped(9), other = b.book.next_dumped(9);
  EXPECT_EQ(rule.dropped_out, (pfpolicy::Dropped{2, "cause 8"}));
  EXPECT_EQ(rule.dropped_in, (pfpolicy::Dropped{2, "cause 4"}));
  EXPECT_FALSE(other.dropped_out || other.dropped_in);
  EXPECT_FALSE(b.book.next_dumped(9).dropped_in);
}

// Whoever keeps the clients notifies those that watch when this number changes.
TEST(RuleBook, HasAVersionOfTheActiveRules) {
  Book b;
  auto version = [&, last = b.book.version()]() mutable {
    const std::uint64_t before = std::exchange(last, b.book.version());
    return std::string(before != last ? "changed" : "same");
  };
  b.add(esp_rule("10.0.0.0/8"));
  EXPECT_EQ(version(), "changed");
  b.say(Type::clone), b.add(drop_rule("10.1.0.0/16"), Spd::standby), b.dump(), b.say(Type::watch, Spd::active);
  EXPECT_EQ(version(), "same");
  b.say(Type::flip);
  EXPECT_EQ(version(), "changed");
  const Message notice = b.book.notice();
  EXPECT_EQ(notice.type, Type::watch);
  EXPECT_EQ(notice.seq, 0u);
  EXPECT_EQ(notice.ruleset, (pfpolicy::Ruleset{2, b.book.version()}));
}

// They are never overtaken.
TEST(RuleBook, OtherRequestsPutSingleRulesIntoForce) {
  for (const Type type : {Type::clone, Type::flush, Type::flip}) {
    Book b;
    b.settles = false;
    b.say(Type::clone);
    b.add(drop_rule("10.1.0.0/16"));
    EXPECT_TRUE(b.book.unsettled());
    EXPECT_EQ(b.say(type), "0 0");
    EXPECT_FALSE(b.book.unsettled());
    EXPECT_EQ(b.changes, 1u);
    EXPECT_EQ(b.in_force != nullptr, type != Type::flip);
  }
  Book b;
  b.settles = false;
  b.add(drop_rule("10.1.0.0/16"));
  EXPECT_THAT(b.dump(), ElementsAre(1));
  EXPECT_EQ(b.changes, 1u);
}

TEST(RuleBook, FlipPutsAllRulesIntoForceTogether) {
  Book b;
  b.add(esp_rule("10.0.0.0/8"));
  b.add(drop_rule("10.1.0.0/16"));
  const std::size_t before = b.changes;
  EXPECT_EQ(b.say(Type::clone), "0 0");
  EXPECT_EQ(b.say(Type::flush), "0 0");
  EXPECT_EQ(b.add(drop_rule("10.1.0.0/16"), Spd::standby, 8), "2");  // The same rule: its index stays.
  EXPECT_EQ(b.add(esp_rule("10.3.0.0/16"), Spd::standby, 7), "3");
  EXPECT_EQ(b.add(pass_rule("10.0.0.0/8"), Spd::standby, 6), "4");  // The same packets, but another rule.
  EXPECT_EQ(b.changes, before);
  EXPECT_THAT(b.dump(), ElementsAre(1, 2));
  EXPECT_THAT(b.dump(Spd::standby), ElementsAre(2, 3, 4));
  EXPECT_EQ(b.say(Type::flip), "0 0");
  EXPECT_EQ(b.changes, before + 1);
  EXPECT_THAT(b.dump(), ElementsAre(2, 3, 4));
  EXPECT_THAT(b.dump(Spd::standby), ElementsAre(1, 2));
  EXPECT_EQ(b.in_force->rules().size(), 3u);
  EXPECT_EQ(b.say(Type::flush, Spd::active), "0 0");
  EXPECT_FALSE(b.in_force);
}

// What is in force elsewhere must not be replaced by a part of it.
TEST(RuleBook, WhileItWaitsOnlyWholeSetsAreTaken) {
  bool waits = true;
  RuleBookOptions options;
  options.waits = [&] { return waits; };
  Book b(std::move(options));
  const std::string again = fmt::format("{} {}", EAGAIN, static_cast<int>(Diagnostic::none));
  EXPECT_EQ(b.add(esp_rule()), again);
  EXPECT_EQ(b.say(Type::clone), again);
  EXPECT_EQ(b.say(Type::flush, Spd::active, 1, 0, "tunnel"), again);
  EXPECT_EQ(b.say(Type::flip, Spd::standby, 1, 0, "tunnel"), again);
  Message m;
  m.type = Type::deleterule;
  EXPECT_EQ(b.text(b.ask(1, m)), again);
  EXPECT_EQ(b.changes, 0u);
  EXPECT_THAT(b.dump(), ElementsAre());

  EXPECT_EQ(b.say(Type::flush), "0 0");
  EXPECT_EQ(b.add(esp_rule(), Spd::standby), "1");
  EXPECT_EQ(b.say(Type::flip), "0 0");
  EXPECT_EQ(b.in_force->rules(), policy::Rules{esp_rule()});
  EXPECT_EQ(b.say(Type::flush, Spd::active, 1, 0, std::nullopt), "0 0");  // Those of the host.
  EXPECT_EQ(b.changes, 2u);
  EXPECT_FALSE(b.in_force);

  waits = false;
  EXPECT_EQ(b.add(esp_rule()), "2");
  EXPECT_EQ(b.say(Type::clone), "0 0");
}

// A second client never finds its rules mixed with those of the first.
TEST(RuleBook, TheStandbySetBelongsToOneClient) {
  Book b;
  const std::string busy = fmt::format("{} {}", EBUSY, static_cast<int>(Diagnostic::standby_taken));
  EXPECT_EQ(b.add(esp_rule(), Spd::standby), busy);  // Nobody has begun.
  EXPECT_EQ(b.say(Type::flip), busy);
  EXPECT_EQ(b.say(Type::clone, Spd::standby, 1), "0 0");
  EXPECT_EQ(b.say(Type::clone, Spd::standby, 2), busy);
  EXPECT_EQ(b.say(Type::flip, Spd::standby, 2), busy);
  EXPECT_EQ(b.add(esp_rule(), Spd::standby, 1, 2), busy);
  EXPECT_EQ(b.add(esp_rule(), Spd::active, 1, 2), busy);
  EXPECT_EQ(b.say(Type::flush, Spd::active, 2), busy);
  EXPECT_THAT(b.dump(), ElementsAre());  // Reading is free.
  EXPECT_EQ(b.add(esp_rule(), Spd::standby, 1, 1), "1");
  b.book.close(1);
  EXPECT_EQ(b.say(Type::clone, Spd::standby, 2), "0 0");
  EXPECT_THAT(b.dump(Spd::standby), ElementsAre());
  // The second is silent for a minute: the third takes over, and the second cannot continue.
  EXPECT_EQ(b.say(Type::clone, Spd::standby, 3, 59), busy);
  EXPECT_EQ(b.say(Type::clone, Spd::standby, 3, 60), "0 0");
  EXPECT_EQ(b.add(esp_rule(), Spd::standby, 1, 2), busy);
  EXPECT_EQ(b.say(Type::flip, Spd::standby, 3, 61), "0 0");
  EXPECT_EQ(b.say(Type::flip, Spd::standby, 2, 61), busy);
  EXPECT_EQ(b.say(Type::clone, Spd::standby, 2, 61), "0 0");
}

// What was copied before another client's change would undo it.
TEST(RuleBook, AChangeByAnotherClientEndsAnExpiredClaim) {
  const std::string busy = fmt::format("{} {}", EBUSY, static_cast<int>(Diagnostic::standby_taken));
  const auto refused_flip = [&](auto change) {
    Book b;
    b.add(esp_rule("10.0.0.0/8"));
    EXPECT_EQ(b.say(Type::clone, Spd::standby, 1), "0 0");
    EXPECT_EQ(b.add(drop_rule("10.1.0.0/16"), Spd::active, 1, 2, 59), busy);
    change(b);
    EXPECT_EQ(b.say(Type::flip, Spd::standby, 1, 61), busy);
    EXPECT_EQ(b.add(pass_rule(), Spd::standby, 1, 1, 61), busy);
    EXPECT_EQ(b.say(Type::clone, Spd::standby, 1, 61), "0 0");
    EXPECT_EQ(b.say(Type::flip, Spd::standby, 1, 61), "0 0");
    return b.dump();
  };
  EXPECT_THAT(refused_flip([](Book& b) { EXPECT_EQ(b.add(drop_rule("10.1.0.0/16"), Spd::active, 1, 2, 60), "2"); }),
              ElementsAre(1, 2));
  EXPECT_THAT(refused_flip([](Book& b) { EXPECT_EQ(b.say(Type::flush, Spd::active, 2, 60), "0 0"); }), ElementsAre());
  // Refused changes, and the owner's own, end nothing.
  Book b;
  b.add(esp_rule("10.0.0.0/8"));
  EXPECT_EQ(b.say(Type::clone, Spd::standby, 1), "0 0");
  EXPECT_EQ(b.add(drop_rule("10.0.0.0/8"), Spd::active, 1, 2, 60), fmt::format("{} 0", EEXIST));
  EXPECT_EQ(b.add(drop_rule("10.2.0.0/16"), Spd::active, 1, 1, 60), "2");
  EXPECT_EQ(b.say(Type::flip, Spd::standby, 1, 61), "0 0");
  EXPECT_THAT(b.dump(), ElementsAre(1));
}

// Rules that nothing obeys would look like protection.
TEST(RuleBook, WithoutAnyoneWhoObeysItHoldsNoRules) {
  Book b(RuleBookOptions{.idle = "no packets", .unseen = "some"});
  const std::string refusal = fmt::format("{} {}", EOPNOTSUPP, static_cast<int>(Diagnostic::not_obeyed));
  const std::string remark = fmt::format("0 {}", static_cast<int>(Diagnostic::not_obeyed));
  EXPECT_EQ(b.add(esp_rule()), refusal);
  EXPECT_EQ(b.say(Type::clone), remark);
  EXPECT_EQ(b.add(esp_rule(), Spd::standby), refusal);
  EXPECT_EQ(b.say(Type::flush), remark);
  EXPECT_EQ(b.say(Type::flip), remark);  // So that unloading succeeds.
  EXPECT_THAT(b.dump(), ElementsAre());
  EXPECT_FALSE(b.in_force);
  Message m = pfpolicy::from_rule(pass_rule(), 1);
  m.type = Type::addrule;
  EXPECT_EQ(b.ask(1, m).remark->text, "no packets");
}

TEST(RuleBook, SaysWhichPacketsTheRulesDoNotSee) {
  Book b(RuleBookOptions{.unseen = "what comes in clear"});
  EXPECT_EQ(b.add(esp_rule()), "1");
  Message m;
  m.type = Type::clone, m.tunnel = pfpolicy::Text{};
  EXPECT_EQ(b.ask(1, m).remark->text, "what comes in clear");
  EXPECT_EQ(b.ask(1, m).diagnostic, Diagnostic::none);
  m.type = Type::dump;
  b.ask(1, m);
  EXPECT_EQ(b.book.next_dumped(1).remark->text, "what comes in clear");
  EXPECT_FALSE(b.book.next_dumped(1).remark);
}

TEST(RuleBook, RefusesASecondRuleAboutTheSamePackets) {
  Book b;
  Rule out = esp_rule("10.0.0.0/8"), in = out;
  out.in = false, in.out = false;
  EXPECT_EQ(b.add(out), "1");
  EXPECT_EQ(b.add(in), "2");  // Another direction.
  EXPECT_EQ(b.add(pass_rule("10.0.0.0/8")), fmt::format("{} 0", EEXIST));
  Rule marked = out;
  marked.mark = pfkey::Mark{1, 1};
  EXPECT_EQ(b.add(marked), "3");
  Message m = pfpolicy::from_rule(pass_rule("10.0.0.0/8"), 1);
  m.type = Type::addrule;
  EXPECT_EQ(b.ask(1, m).remark->text, "rule 1 is about the same packets");
}

TEST(RuleBook, RemovesByIndexAndByPattern) {
  Book b;
  Rule out = esp_rule("10.0.0.0/8");
  out.in = false;
  b.add(out), b.add(drop_rule("10.1.0.0/16")), b.add(pass_rule("10.2.0.0/16"));
  const auto remove = [&](const Rule& rule, std::uint64_t index) {
    Message m = pfpolicy::from_rule(rule, 0);
    m.type = Type::deleterule, m.rule->index = index;
    const Message got = b.ask(1, m);
    return got.error ? Book::text(got) : std::to_string(got.rule->index);
  };
  const std::string none = fmt::format("{} {}", ENOENT, static_cast<int>(Diagnostic::bad_index));
  EXPECT_EQ(remove(out, 7), none);
  EXPECT_EQ(remove(pass_rule(), 3), "3");
  EXPECT_EQ(remove(pass_rule(), 3), none);
  EXPECT_EQ(remove(pass_rule("10.0.0.0/8"), 0), "1");  // Its action does not matter.
  EXPECT_EQ(remove(esp_rule("10.3.0.0/16"), 0), none);
  Rule only_in = drop_rule("10.1.0.0/16");
  only_in.out = false;
  EXPECT_EQ(remove(only_in, 0), none);  // The rule is about the other direction, too.
  EXPECT_EQ(remove(drop_rule("10.1.0.0/16"), 0), "2");
  EXPECT_FALSE(b.in_force);
}

TEST(RuleBook, TunnelsHaveTheirOwnRules) {
  Book b;
  Rule inside = esp_rule();
  inside.tunnel = policy::Tunnel{"t0"};
  EXPECT_EQ(b.add(esp_rule()), "1");
  EXPECT_EQ(b.add(inside), "2");
  EXPECT_THAT(b.dump(Spd::active, std::nullopt), ElementsAre(1));
  EXPECT_THAT(b.dump(Spd::active, "t0"), ElementsAre(2));
  EXPECT_THAT(b.dump(Spd::active, "t1"), ElementsAre());
  EXPECT_THAT(b.dump(), ElementsAre(1, 2));
  EXPECT_EQ(b.say(Type::flush, Spd::active, 1, 0, "t0"), "0 0");
  EXPECT_THAT(b.dump(), ElementsAre(1));
  EXPECT_EQ(b.say(Type::clone, Spd::standby, 1, 0, "t0"), "0 0");
  EXPECT_EQ(b.add(inside, Spd::standby), "3");
  EXPECT_EQ(b.say(Type::flip, Spd::standby, 1, 0, "t0"), "0 0");
  EXPECT_THAT(b.dump(), ElementsAre(1, 3));
}

TEST(RuleBook, RefusesWhatTheEngineCannotDo) {
  Book b(RuleBookOptions{.has_link = [](std::string_view name) { return name == "ipsec0"; }, .most = 3});
  Rule rule = esp_rule();
  rule.if_id = 5;
  EXPECT_EQ(b.add(rule), fmt::format("{} {}", EINVAL, static_cast<int>(Diagnostic::not_here)));
  rule.if_id.reset();
  rule.tunnel = policy::Tunnel{"t0", false};
  EXPECT_EQ(b.add(rule), fmt::format("{} {}", EINVAL, static_cast<int>(Diagnostic::not_here)));
  rule.tunnel = policy::Tunnel{"t0"};
  EXPECT_EQ(b.add(rule), fmt::format("{} {}", ENOENT, static_cast<int>(Diagnostic::unknown_tunnel)));
  Rule with_ends = rule;
  with_ends.alternatives[0].protection.ends =
      policy::TunnelEnds{*parse_address("192.0.2.1"), *parse_address("192.0.2.2")};
  EXPECT_EQ(b.add(with_ends), "1");
  Rule drop = drop_rule("10.0.0.0/8");
  drop.tunnel = rule.tunnel;
  EXPECT_EQ(b.add(drop), "2");  // Its tunnel's ends are known.
  rule.tunnel = policy::Tunnel{"ipsec0"};
  EXPECT_EQ(b.add(rule), "3");
  EXPECT_EQ(b.add(pass_rule()), fmt::format("{} {}", ENOMEM, static_cast<int>(Diagnostic::no_memory)));
  Message m = pfpolicy::from_rule(pass_rule(), 1);
  m.type = Type::addrule, m.rule->index = 4;
  EXPECT_EQ(Book::text(b.ask(1, m)), fmt::format("{} {}", EINVAL, static_cast<int>(Diagnostic::bad_index)));
  m = {};
  m.type = Type::addrule;
  EXPECT_EQ(Book::text(b.ask(1, m)), fmt::format("{} {}", EINVAL, static_cast<int>(Diagnostic::no_rule)));
  for (const Type type : {Type::lookup, Type::alglist, Type::dumpalgs, Type::updatealgs, Type{0}, Type{99}})
    EXPECT_EQ(b.say(type), fmt::format("{} {}", EINVAL, static_cast<int>(Diagnostic::bad_message_type)));
  EXPECT_EQ(b.say(Type::flush, Spd{2}), fmt::format("{} {}", EINVAL, static_cast<int>(Diagnostic::bad_spd)));
  EXPECT_EQ(b.changes, 3u);
}

// A DUMP shows one state, whatever happens meanwhile.
TEST(RuleBook, ADumpShowsTheRulesOfItsBeginning) {
  Book b;
  b.add(esp_rule("10.0.0.0/8")), b.add(esp_rule("10.1.0.0/16"));
  Message m;
  m.type = Type::dump, m.tunnel = pfpolicy::Text{};
  b.ask(1, m);
  EXPECT_EQ(b.book.next_dumped(1).ruleset->count, 2u);
  b.say(Type::flush, Spd::active);
  const Message first = b.book.next_dumped(1);
  EXPECT_EQ(*pfpolicy::to_rule(first), esp_rule("10.0.0.0/8"));
  EXPECT_EQ(first.rule->index, 1u);
  EXPECT_EQ(b.book.next_dumped(1).rule->index, 2u);
  EXPECT_EQ(b.book.next_dumped(1).ruleset->count, 2u);
  EXPECT_FALSE(b.book.dumping(1));
  b.ask(1, m);
  b.book.close(1);
  EXPECT_FALSE(b.book.dumping(1));
}

}  // namespace
}  // namespace ipseckey::engine
