#include "ipsecd/clients/server.h"

#include <gmock/gmock.h>
#include <malloc.h>

#include <cerrno>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "engine/testing.h"
#include "pfkey/notices.h"
#include "pfkey/test_samples.h"

namespace ipseckey {

extern "C" std::size_t __sanitizer_get_current_allocated_bytes() __attribute__((weak));

namespace ipsecd {
namespace {

using engine::testing::add_ah;
using engine::testing::add_esp;
using engine::testing::at;
using engine::testing::request;
using pfkey::Message;
using pfkey::SaType;
using pfkey::Type;
using ::testing::ElementsAre;

// A client's end of the wire: the messages that the server could send, and why it cannot send more.
struct Peer {
  std::size_t room = 1'000'000;  // Messages for which it has room.
  bool gone = false;
  std::size_t longest = pfkey::kMaxMessageSize;
  std::vector<Message> got;
};

// A summary of a message: type, errno, seq.
using Glance = std::tuple<Type, unsigned, std::uint32_t>;

struct ServerTest : ::testing::Test {
  std::map<ClientId, Peer> peers;
  Server server{{}, [this](ClientId to, Bytes wire) { return take(peers.at(to), wire); }};

  static Sent take(Peer& peer, Bytes wire) {
    if (peer.gone) return Sent::gone;
    if (wire.size() > peer.longest) return Sent::too_long;
    if (peer.room == 0) return Sent::full;
    --peer.room;
    peer.got.push_back(pfkey::decode(wire).value());
    return Sent::done;
  }

  ClientId open() {
    const ClientId id = server.open();
    peers[id];
    return id;
  }
  void say(ClientId id, const Message& m, Instant now = at(0)) {
    std::vector<std::byte> wire(4096);
    wire.resize(pfkey::encode(m, wire).value());
    server.receive(id, wire, now);
  }
  std::vector<Glance> heard(ClientId id) {
    std::vector<Glance> glances;
    for (const Message& m : std::exchange(peers.at(id).got, {})) glances.emplace_back(m.type, m.error, m.seq);
    return glances;
  }
};

Message numbered(Message m, std::uint32_t seq) {
  m.seq = seq;
  return m;
}

TEST_F(ServerTest, RepliesGoToTheSenderAndNoticesToAll) {
  const ClientId a = open(), b = open();
  say(a, numbered(add_esp(0x1001), 1));
  say(a, numbered(request(Type::get, SaType::esp, 0x1001), 2));
  EXPECT_THAT(heard(a), ElementsAre(Glance{Type::add, 0, 1}, Glance{Type::get, 0, 2}));
  EXPECT_THAT(heard(b), ElementsAre(Glance{Type::add, 0, 1}));
}

// covers RFC2367-2.1-1 RFC2367-5.1-1
TEST_F(ServerTest, AClientThatDoesNotRegisterIsAnsweredUnderItsOwnNumbers) {
  const ClientId a = open();
  std::uint32_t seq = 0;
  for (const Type type : {Type::add, Type::get, Type::dump, Type::del, Type::flush}) {
    SCOPED_TRACE(static_cast<unsigned>(type));
    const bool one = type == Type::get || type == Type::del;
    Message m = type == Type::add ? add_esp(0x1001) : request(type, SaType::esp, one ? 0x1001 : 0);
    m.seq = ++seq, m.pid = 9000 + seq;
    say(a, m);
    while (server.wants(a).write) server.flush(a);
    const auto got = std::exchange(peers.at(a).got, {});
    ASSERT_EQ(got.size(), type == Type::dump ? 2u : 1u);
    for (const Message& answer : got) {
      EXPECT_EQ(answer.type, type);
      EXPECT_EQ(answer.error, 0);
      EXPECT_EQ(answer.pid, m.pid);
      EXPECT_EQ(answer.seq, type == Type::dump && &answer == &got.back() ? 0 : m.seq);
    }
  }
}

TEST_F(ServerTest, AMalformedMessageIsRefusedByItsHeader) {
  const ClientId a = open(), b = open();
  const std::vector<std::byte> noise(40, std::byte{0xee});
  server.receive(a, noise, at(0));
  server.receive(a, Bytes(noise).first(3), at(0));
  std::vector<std::byte> wire(64);
  ASSERT_TRUE(pfkey::encode(numbered(request(Type::get, SaType::esp), 9), wire));
  server.receive(a, wire, at(0));  // Longer than its length field.
  const auto replies = heard(a);
  ASSERT_EQ(replies.size(), 3u);
  EXPECT_EQ(std::get<1>(replies[0]), unsigned{EINVAL});
  EXPECT_EQ(std::get<1>(replies[1]), unsigned{EINVAL});
  EXPECT_EQ(replies[2], (Glance{Type::get, EMSGSIZE, 9}));
  EXPECT_THAT(heard(b), ElementsAre());
}

TEST_F(ServerTest, ADumpIsPulledOnlyAsFastAsItIsRead) {
  const ClientId a = open(), b = open();
  for (std::uint32_t i = 0; i < 200; ++i) say(b, numbered(add_esp(0x1000 + i), i + 1));
  heard(a);
  peers[a].room = 10;
  say(a, numbered(request(Type::dump, SaType::esp), 500));
  EXPECT_EQ(server.wants(a), (Wants{.read = false, .write = true}));
  server.flush(a);
  EXPECT_EQ(heard(a).size(), 10u);
  peers[a].room = 1'000'000;
  std::size_t flushes = 0;
  for (; server.wants(a).write; ++flushes) server.flush(a);
  EXPECT_GE(flushes, 2u);  // In portions, so that other clients are served in between.
  const auto rest = heard(a);
  ASSERT_EQ(rest.size(), 191u);
  EXPECT_EQ(rest.front(), (Glance{Type::dump, 0, 500}));
  EXPECT_EQ(rest.back(), (Glance{Type::dump, 0, 0}));
  EXPECT_EQ(server.wants(a), (Wants{.read = true, .write = false}));
  EXPECT_EQ(server.wants(b), (Wants{.read = true, .write = false}));
}

TEST_F(ServerTest, AClientThatDoesNotReadIsNotReadFrom) {
  const ClientId a = open();
  peers[a].room = 0;
  std::uint32_t asked = 0;
  for (; server.wants(a).read; ++asked) say(a, numbered(request(Type::get, SaType::esp, 0x1001), asked + 1));
  EXPECT_EQ(asked, Outbox::kReplies);
  EXPECT_EQ(server.wants(a), (Wants{.read = false, .write = true}));
  peers[a].room = 1'000'000;
  server.flush(a);
  const auto replies = heard(a);
  ASSERT_EQ(replies.size(), asked);
  for (std::uint32_t i = 0; i < asked; ++i) EXPECT_EQ(replies[i], (Glance{Type::get, ESRCH, i + 1}));
}

// Adds SAs from `spi` on until `count` are added; each is one broadcast to every other client.
struct GapTest : ServerTest {
  std::uint32_t added = 0;
  void add(ClientId by, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i, ++added) say(by, numbered(add_esp(0x1000 + added), added + 1));
  }
};

TEST_F(GapTest, ASlowListenerLearnsWhereNoticesAreMissing) {
  const ClientId a = open(), b = open();
  peers[b].room = 0;
  const auto kept = [&] {
    std::size_t limit = 0;
    std::vector<std::byte> wire(4096);
    Message reply = add_esp(0x1000);
    reply.encrypt_key.reset();
    reply.auth_key.reset();
    const std::size_t size = pfkey::encode(reply, wire).value();
    while (limit < Outbox::kBroadcasts && limit * size < Outbox::kBroadcastBytes) ++limit;
    return static_cast<std::uint32_t>(limit);
  }();
  add(a, kept + 500);
  EXPECT_EQ(heard(a).size(), kept + 500u);  // Nobody else is delayed.
  peers[b].room = 1'000'000;
  server.flush(b);
  add(a, 1);
  const auto news = heard(b);
  ASSERT_EQ(news.size(), kept + 2u);
  for (std::uint32_t i = 0; i < kept; ++i) ASSERT_EQ(news[i], (Glance{Type::add, 0, i + 1}));
  EXPECT_EQ(news[kept], (Glance{Type::reserved, ENOBUFS, 500}));
  EXPECT_EQ(news[kept + 1], (Glance{Type::add, 0, kept + 501}));
}

TEST_F(GapTest, AGapEndsOnlyWhenThereIsRoomForMore) {
  const ClientId a = open(), b = open();
  peers[b].room = 0;
  add(a, 3000);
  // Room for one message at a time: not a notice for each.
  for (int i = 0; i < 10; ++i) {
    peers[b].room = 1;
    server.flush(b);
    add(a, 1);
  }
  for (const auto& glance : heard(b)) EXPECT_EQ(std::get<0>(glance), Type::add);
  std::uint64_t lost = 0, news = 10;
  peers[b].room = 1'000'000;
  server.flush(b);
  for (const auto& [type, error, seq] : heard(b)) {
    if (type == Type::reserved) lost += seq;
    if (type == Type::add) ++news;
  }
  EXPECT_EQ(news + lost, 3010u);
}

TEST_F(GapTest, RepliesFollowTheNoticeAndAreNeverLost) {
  const ClientId a = open(), b = open();
  peers[b].room = 0;
  add(a, 3000);
  say(b, numbered(request(Type::get, SaType::esp, 0x1000), 77));
  add(a, 100);
  peers[b].room = 1'000'000;
  server.flush(b);
  std::vector<Glance> special;
  std::size_t news = 0;
  for (const auto& glance : heard(b)) {
    if (std::get<0>(glance) == Type::add) {
      ++news;
    } else {
      special.push_back(glance);
    }
  }
  const auto first_gap = static_cast<std::uint32_t>(3000 - news);
  EXPECT_THAT(special, ElementsAre(Glance{Type::reserved, ENOBUFS, first_gap}, Glance{Type::get, 0, 77},
                                   Glance{Type::reserved, ENOBUFS, 100}));
}

TEST_F(ServerTest, ADeadClientIsForgottenWhereverItDied) {
  const ClientId a = open(), b = open();
  peers[b].gone = true;
  say(a, add_esp(0x1001));
  EXPECT_EQ(server.wants(b), (Wants{.read = true, .write = false}));  // Its earlier requests are still processed.
  EXPECT_FALSE(server.finished(b));
  say(b, request(Type::dump, SaType::esp));
  server.flush(b);
  EXPECT_TRUE(server.finished(b));
  server.close(b);
  EXPECT_EQ(server.clients(), 1u);
  say(a, add_esp(0x1002));
  EXPECT_EQ(heard(a).size(), 2u);
}

TEST_F(ServerTest, AReplyTooLongForASocketIsAnError) {
  const ClientId a = open();
  say(a, add_esp(0x1001));
  heard(a);
  peers[a].longest = 64;
  say(a, numbered(request(Type::get, SaType::esp, 0x1001), 5));
  EXPECT_THAT(heard(a), ElementsAre(Glance{Type::get, EMSGSIZE, 5}));
}

TEST_F(ServerTest, AReplyTooLongForASocketIsAnErrorBehindOthersToo) {
  const ClientId a = open();
  say(a, add_esp(0x1001));
  heard(a);
  peers[a].longest = 64;
  peers[a].room = 0;
  say(a, numbered(request(Type::get, SaType::esp, 0x2002), 5));
  say(a, numbered(request(Type::get, SaType::esp, 0x1001), 6));
  say(a, numbered(request(Type::get, SaType::esp, 0x2002), 7));
  peers[a].room = 1;
  server.flush(a);
  EXPECT_THAT(heard(a), ElementsAre(Glance{Type::get, ESRCH, 5}));
  server.flush(a);  // There is no room for the error either: it waits.
  EXPECT_THAT(heard(a), ElementsAre());
  EXPECT_EQ(server.wants(a), (Wants{.read = true, .write = true}));
  peers[a].room = 10;
  server.flush(a);
  EXPECT_THAT(heard(a), ElementsAre(Glance{Type::get, EMSGSIZE, 6}, Glance{Type::get, ESRCH, 7}));
  EXPECT_EQ(server.wants(a), (Wants{.read = true, .write = false}));
}

TEST_F(ServerTest, ExpiryIsANoticeToAll) {
  const ClientId a = open(), b = open();
  EXPECT_EQ(server.deadline(), std::nullopt);
  Message m = add_ah(0x1001);
  m.hard = pfkey::Lifetime{.addtime = 10};
  say(a, m);
  heard(a), heard(b);
  ASSERT_TRUE(server.deadline());
  EXPECT_EQ(*server.deadline(), at(5).steady);  // Unused SAs idle for half of their hard add time.
  server.expire(at(5));
  EXPECT_THAT(heard(a), ElementsAre(Glance{Type::expire, 0, 0}));
  EXPECT_THAT(heard(b), ElementsAre(Glance{Type::expire, 0, 0}));
}

// ---- readers

TEST_F(ServerTest, AReaderGetsAndDumpsWithoutKeys) {
  const ClientId owner = open();
  const ClientId reader = server.open(Access::read);
  peers[reader];
  say(owner, numbered(add_esp(0x1001), 1));
  say(reader, numbered(request(Type::get, SaType::esp, 0x1001), 2));
  say(reader, numbered(request(Type::dump, SaType::esp), 3));
  while (server.wants(reader).write) server.flush(reader);
  say(reader, numbered(request(Type::x_promisc, SaType::unspec), 4));
  ASSERT_THAT(peers.at(reader).got, ::testing::SizeIs(5));
  for (const Message& m : peers.at(reader).got) {
    EXPECT_EQ(m.error, 0);
    EXPECT_FALSE(m.auth_key || m.encrypt_key || m.initial_iv);
  }
  for (const std::size_t i : {1u, 2u}) {
    ASSERT_TRUE(peers.at(reader).got[i].sa && peers.at(reader).got[i].remark);
    EXPECT_EQ(peers.at(reader).got[i].sa->spi, 0x1001u);
    EXPECT_EQ(peers.at(reader).got[i].remark->text, "keys are not shown to members of the read group");
  }
  EXPECT_EQ(peers.at(reader).got[0].type, Type::add);  // The notice of the ADD.
  EXPECT_EQ(peers.at(reader).got[3].seq, 0u);
}

// Bytes that this process has allocated.
std::size_t allocated() {
  if (__sanitizer_get_current_allocated_bytes) return __sanitizer_get_current_allocated_bytes();
  const struct mallinfo2 all = ::mallinfo2();
  return all.uordblks + all.hblkhd;
}

TEST_F(ServerTest, NoRequestOfAReaderLeavesMemoryBehind) {
  constexpr int kTimes = 4096;
  constexpr std::size_t kSlack = 16 * 1024;  // Capacity that containers keep; a word for each request would be more.
  const ClientId owner = open();
  const ClientId reader = server.open(Access::read);
  peers[reader];
  say(owner, add_esp(0x1001));
  Message wordy = request(Type::x_promisc, SaType::unspec);
  wordy.remark = pfkey::Remark{"all is well"};
  std::vector<Message> asked;
  asked.push_back(request(Type::get, SaType::esp, 0x1001));
  asked.push_back(request(Type::dump, SaType::esp));
  asked.push_back(request(Type::x_promisc, SaType::unspec));
  asked.push_back(std::move(wordy));
  asked.push_back(request(Type::reg, SaType::esp));
  asked.push_back(add_esp(0x1002));
  for (const Message& m : asked) {
    const auto once = [&] {
      say(reader, m);
      while (server.wants(reader).write) server.flush(reader);
      EXPECT_FALSE(peers.at(reader).got.empty());
      peers.at(reader).got.clear();
    };
    for (int i = 0; i < 16; ++i) once();
    const std::size_t before = allocated();
    for (int i = 0; i < kTimes; ++i) once();
    EXPECT_LT(allocated(), before + kSlack) << "type " << static_cast<unsigned>(m.type);
  }
}

TEST_F(ServerTest, ClientsAndSasThatComeAndGoLeaveNoMemoryBehind) {
  constexpr int kTimes = 4096;
  constexpr std::size_t kSlack = 16 * 1024;
  const auto once = [&] {
    const ClientId reader = server.open(Access::read);
    peers[reader];
    say(reader, request(Type::dump, SaType::esp));
    server.close(reader);  // In the middle of its DUMP.
    peers.erase(reader);
  };
  say(open(), add_esp(0x1001));
  for (int i = 0; i < 16; ++i) once();
  const std::size_t before = allocated();
  for (int i = 0; i < kTimes; ++i) once();
  EXPECT_LT(allocated(), before + kSlack);
}

TEST_F(ServerTest, AReaderCannotSendTextToAMonitor) {
  const ClientId monitor = open();
  const ClientId reader = server.open(Access::read);
  peers[reader];
  say(monitor, request(Type::x_promisc, SaType{1}));
  peers.at(monitor).got.clear();
  Message m = pfkey::samples::everything();
  m.type = Type::x_promisc, m.satype = SaType::unspec, m.seq = 9, m.pid = 77;
  m.encrypt_key->bits += std::exchange(m.encrypt_key->reserved, std::uint16_t{0});  // Its salt, as requests have it.
  say(reader, m);
  Message bare = request(Type::x_promisc, SaType::unspec);
  bare.seq = 9, bare.pid = 77;
  ASSERT_THAT(peers.at(monitor).got, ::testing::SizeIs(1));
  EXPECT_EQ(peers.at(monitor).got[0], bare);
  ASSERT_THAT(peers.at(reader).got, ::testing::SizeIs(1));
  EXPECT_EQ(peers.at(reader).got[0], bare);
}

TEST_F(ServerTest, AReaderChangesNothingAndItsAttemptsAreNotAnnounced) {
  const ClientId owner = open();
  const ClientId reader = server.open(Access::read);
  peers[reader];
  say(owner, numbered(add_esp(0x1001), 1));
  peers.at(owner).got.clear(), peers.at(reader).got.clear();
  for (unsigned type = 1; type <= pfkey::kTypeMax; ++type) {
    const Type t{static_cast<std::uint8_t>(type)};
    if (t == Type::get || t == Type::dump) continue;
    Message m = t == Type::add ? add_esp(0x1002) : request(t, SaType::esp, t == Type::flush ? 0 : 0x1001);
    m.seq = type;
    say(reader, m);
    ASSERT_THAT(peers.at(reader).got, ::testing::SizeIs(1)) << type;
    const Message got = std::move(peers.at(reader).got.front());
    peers.at(reader).got.clear();
    EXPECT_EQ(got.type, t);
    EXPECT_EQ(got.error, EPERM);
    EXPECT_EQ(got.seq, type);
    ASSERT_TRUE(got.remark);
    EXPECT_EQ(got.remark->text,
              "members of the read group may only get, dump and listen for changes (passive_monitor)");
  }
  const std::vector<std::byte> noise(40, std::byte{7});
  server.receive(reader, noise, at(0));
  EXPECT_THAT(peers.at(reader).got, ::testing::SizeIs(1));
  EXPECT_THAT(peers.at(owner).got, ::testing::IsEmpty());
  EXPECT_EQ(server.sas(), 1u);
}

TEST_F(ServerTest, WithoutMemoryAnAddIsRefusedUntilThereIsMemoryAgain) {
  bool memory = true;
  Server poor{{},
              [this](ClientId to, Bytes wire) { return take(peers.at(to), wire); },
              std::nullopt,
              [&memory] { return memory; }};
  const ClientId client = poor.open();
  peers[client];
  const auto error = [&](const Message& m) {
    std::vector<std::byte> wire(4096);
    wire.resize(pfkey::encode(m, wire).value());
    poor.receive(client, wire, at(0));
    return unsigned{peers.at(client).got.back().error};
  };
  EXPECT_EQ(error(add_esp(0x1001)), 0u);
  EXPECT_EQ(error(add_esp(0x1002)), 0u);
  memory = false;
  EXPECT_EQ(error(add_esp(0x1003)), unsigned{ENOMEM});
  EXPECT_EQ(peers.at(client).got.back().remark->text, "not enough memory for another SA");
  EXPECT_EQ(error(engine::testing::getspi(0x3000, 0x3000)), unsigned{ENOMEM});
  EXPECT_EQ(error(request(Type::get, SaType::esp, 0x1001)), 0u);
  EXPECT_EQ(error(request(Type::del, SaType::esp, 0x1001)), 0u);
  EXPECT_EQ(error(add_esp(0x1003)), 0u);  // Instead of the deleted one.
  EXPECT_EQ(error(add_esp(0x1004)), unsigned{ENOMEM});
  memory = true;
  EXPECT_EQ(error(add_esp(0x1004)), 0u);
}

TEST_F(ServerTest, TheSadbHoldsAtMostTheAllowedNumberOfSas) {
  Server small{{}, [this](ClientId to, Bytes wire) { return take(peers.at(to), wire); }, 2};
  const ClientId client = small.open();
  peers[client];
  for (std::uint32_t spi = 0x1001; spi <= 0x1003; ++spi) {
    std::vector<std::byte> wire(4096);
    wire.resize(pfkey::encode(numbered(add_esp(spi), spi), wire).value());
    small.receive(client, wire, at(0));
  }
  EXPECT_EQ(small.sas(), 2u);
  EXPECT_EQ(peers.at(client).got.back().error, ENOBUFS);
  EXPECT_EQ(peers.at(client).got.back().remark->text,
            "the SADB is full: it holds the number of SAs that --max-sas allows");
}

}  // namespace
}  // namespace ipsecd

}  // namespace ipseckey
