// PF_POLICY beside PF_KEY on one socket: told apart by the first byte, with the rights that a client has there.
#include <gmock/gmock.h>

#include <cerrno>
#include <map>

#include "engine/testing.h"
#include "ipsecd/clients/server.h"
#include "pfpolicy/convert.h"
#include "policy/testing.h"

namespace ipseckey::ipsecd {
namespace {

using engine::testing::at;
using pfpolicy::Message;
using pfpolicy::Spd;
using pfpolicy::Type;
using policy::testing::drop_rule;
using policy::testing::esp_rule;
using ::testing::ElementsAre;

struct RulesOfClients : ::testing::Test {
  struct Peer {
    std::size_t room = 1000;
    std::vector<std::vector<std::byte>> got;
  };
  std::map<ClientId, Peer> peers;
  bool memory = true;
  std::string refusal;
  bool settles = true;  // After each request.
  std::size_t in_force = 0, changes = 0;
  std::shared_ptr<const policy::Lookup> lookup;
  Server server{{},
                [this](ClientId to, Bytes wire) {
                  Peer& peer = peers[to];
                  if (peer.room == 0) return Sent::full;
                  --peer.room;
                  peer.got.emplace_back(wire.begin(), wire.end());
                  return Sent::done;
                },
                std::nullopt,
                [this] { return memory; },
                {.in_force =
                     [this](const std::shared_ptr<const policy::Lookup>& rules) {
                       lookup = rules;
                       in_force = rules ? rules->rules().size() : 0;
                       ++changes;
                     },
                 .not_in_force = [this] { return refusal; }}};

  // errno of each reply, with the index of its rule.
  std::vector<std::pair<int, std::uint64_t>> heard(ClientId id) {
    std::vector<std::pair<int, std::uint64_t>> all;
    for (const auto& wire : std::exchange(peers[id].got, {})) {
      const auto m = pfpolicy::decode(wire);
      EXPECT_TRUE(m);
      all.emplace_back(m->error, m->rule ? m->rule->index : 0);
    }
    return all;
  }
  void say(ClientId id, const Message& m) {
    std::vector<std::byte> wire(4096);
    wire.resize(pfpolicy::encode(m, wire).value());
    server.receive(id, wire, at(0));
    if (settles) server.put_rules_into_force();
  }
  void add(ClientId id, const policy::Rule& rule) {
    Message m = pfpolicy::from_rule(rule, 1);
    m.type = Type::addrule;
    say(id, m);
  }
  void dump(ClientId id) {
    Message m;
    m.type = Type::dump, m.tunnel = pfpolicy::Text{};
    say(id, m);
    while (server.wants(id).write && peers[id].room > 0) server.flush(id);
  }
};

TEST_F(RulesOfClients, ReadersMayListThemOnly) {
  const ClientId writer = server.open(), reader = server.open(Access::read);
  add(writer, drop_rule("10.0.0.0/8"));
  EXPECT_THAT(heard(writer), ElementsAre(std::pair(0, 1)));
  add(reader, drop_rule("10.1.0.0/16"));
  for (const Type type : {Type::flush, Type::deleterule, Type::clone, Type::flip}) {
    Message m;
    m.type = type;
    say(reader, m);
  }
  EXPECT_THAT(heard(reader), ElementsAre(std::pair(EPERM, 0), std::pair(EPERM, 0), std::pair(EPERM, 0),
                                         std::pair(EPERM, 0), std::pair(EPERM, 0)));
  dump(reader);
  EXPECT_THAT(heard(reader), ElementsAre(std::pair(0, 0), std::pair(0, 1), std::pair(0, 0)));
  EXPECT_THAT(heard(writer), ElementsAre());  // Others get no notice.
  EXPECT_EQ(server.rules(), 1u);
}

// What was answered is in force: answers wait for one change for all of them, in the order of the requests.
TEST_F(RulesOfClients, AnswersAboutSingleRulesWaitUntilTheyAreInForce) {
  const ClientId id = server.open(), other = server.open();
  settles = false;
  for (const char* const to : {"10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16", "10.2.0.0/16"}) add(id, drop_rule(to));
  Message clone;
  clone.type = Type::clone;
  EXPECT_THAT(heard(id), ElementsAre());
  EXPECT_EQ(changes, 0u);
  server.put_rules_into_force();
  EXPECT_EQ(in_force, 3u);
  EXPECT_EQ(changes, 1u);
  EXPECT_THAT(heard(id), ElementsAre(std::pair(0, 1), std::pair(0, 2), std::pair(EEXIST, 0), std::pair(0, 3)));
  add(id, drop_rule("10.4.0.0/16"));
  say(id, clone);
  add(other, drop_rule("10.5.0.0/16"));  // EBUSY: the other one changes rules.
  EXPECT_EQ(in_force, 4u);
  EXPECT_THAT(heard(id), ElementsAre());
  server.close(other);
  server.put_rules_into_force();
  EXPECT_THAT(heard(id), ElementsAre(std::pair(0, 4), std::pair(0, 0)));
  EXPECT_EQ(changes, 2u);
}

// They get a notice of changes of the active rules, one while they read slowly, and of packets that these drop, once a
// second; readers may watch.
TEST_F(RulesOfClients, WatchersGetNotices) {
  const ClientId writer = server.open(), watcher = server.open(Access::read);
  Message watch;
  watch.type = Type::watch;
  EXPECT_FALSE(server.deadline());
  say(watcher, watch);
  EXPECT_THAT(heard(watcher), ElementsAre(std::pair(0, 0)));
  EXPECT_EQ(server.deadline(), at(1).steady);
  add(writer, drop_rule("10.0.0.0/8"));
  EXPECT_EQ(pfpolicy::decode(peers[watcher].got.at(0))->seq, 0u);
  EXPECT_EQ(pfpolicy::decode(peers[watcher].got.at(0))->ruleset->count, 1u);
  EXPECT_EQ(heard(watcher).size(), 1u);
  EXPECT_EQ(heard(writer).size(), 1u);
  Message clone;
  clone.type = Type::clone;
  say(writer, clone);  // Nothing new.
  EXPECT_EQ(heard(watcher).size(), 0u);

  peers[watcher].room = 0;
  for (const char* const to : {"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"}) add(writer, drop_rule(to));
  peers[watcher].room = 10;
  server.flush(watcher);
  EXPECT_EQ(heard(watcher).size(), 2u);  // The one that waited, and one for all others.

  server.expire(at(1));
  EXPECT_EQ(heard(watcher).size(), 0u);
  lookup->tally(2)->drop(policy::Direction::in, 1);
  server.expire(at(1));
  EXPECT_EQ(heard(watcher).size(), 0u);
  server.expire(at(2));
  EXPECT_EQ(heard(watcher).size(), 1u);
  EXPECT_EQ(server.refusing_rules().size(), 1u);
  server.close(watcher);
  server.expire(at(3));
  EXPECT_FALSE(server.deadline());
}

TEST_F(RulesOfClients, ARefusedWatchIsNone) {
  const ClientId writer = server.open(), watcher = server.open();
  for (const auto spd : {pfpolicy::Spd::standby, pfpolicy::Spd{77}}) {
    Message watch;
    watch.type = Type::watch, watch.spd = spd;
    say(watcher, watch);
    EXPECT_THAT(heard(watcher), ElementsAre(std::pair(EINVAL, 0)));
  }
  add(writer, drop_rule("10.0.0.0/8"));
  EXPECT_EQ(heard(watcher).size(), 0u);
  EXPECT_FALSE(server.deadline());
}

TEST_F(RulesOfClients, AnswersAboutSingleRulesSayThatTheyAreNotInForce) {
  const ClientId id = server.open();
  refusal = "netfilter refused the rules";
  for (const char* const to : {"10.0.0.0/8", "10.1.0.0/16"}) add(id, drop_rule(to));
  EXPECT_THAT(heard(id), ElementsAre(std::pair(EIO, 0), std::pair(EIO, 0)));
}

TEST_F(RulesOfClients, MalformedBytesAreAnswered) {
  const ClientId id = server.open();
  std::vector<std::byte> wire(24);
  wire[0] = std::byte{1};
  server.receive(id, wire, at(0));
  EXPECT_THAT(heard(id), ElementsAre(std::pair(EMSGSIZE, 0)));
  wire.resize(1);
  server.receive(id, wire, at(0));
  EXPECT_THAT(heard(id), ElementsAre(std::pair(EINVAL, 0)));
}

TEST_F(RulesOfClients, WithoutMemoryARuleIsRefused) {
  const ClientId id = server.open();
  memory = false;
  add(id, drop_rule());
  EXPECT_THAT(heard(id), ElementsAre(std::pair(ENOMEM, 0)));
  memory = true;
  add(id, drop_rule());
  EXPECT_THAT(heard(id), ElementsAre(std::pair(0, 1)));
}

// A DUMP continues as its client reads; requests behind it wait.
TEST_F(RulesOfClients, ASlowReaderGetsTheWholeDump) {
  const ClientId id = server.open();
  for (int i = 0; i < 200; ++i) {
    policy::Rule rule = drop_rule();
    rule.selector.protocol = static_cast<std::uint8_t>(i + 1);
    add(id, rule);
  }
  EXPECT_EQ(heard(id).size(), 200u);
  peers[id].room = 10;
  dump(id);
  EXPECT_EQ(heard(id).size(), 10u);
  EXPECT_FALSE(server.wants(id).read);
  std::size_t more = 0;
  for (int i = 0; i < 100 && server.wants(id).write; ++i) {
    peers[id].room = 7;
    server.flush(id);
    more += heard(id).size();
  }
  EXPECT_EQ(more, 192u);
  EXPECT_TRUE(server.wants(id).read);
}

TEST_F(RulesOfClients, WhoGoesGivesTheStandbyRulesUp) {
  const ClientId a = server.open(), b = server.open();
  Message clone;
  clone.type = Type::clone;
  say(a, clone), say(b, clone);
  EXPECT_THAT(heard(a), ElementsAre(std::pair(0, 0)));
  EXPECT_THAT(heard(b), ElementsAre(std::pair(EBUSY, 0)));
  server.close(a);
  say(b, clone);
  EXPECT_THAT(heard(b), ElementsAre(std::pair(0, 0)));
}

}  // namespace
}  // namespace ipseckey::ipsecd
