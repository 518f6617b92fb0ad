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
#include "pfkey/packs.h"
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
  std::vector<std::size_t> packets;  // How many messages each had.
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
    peer.packets.push_back(0);
    for (std::size_t size = 0; !wire.empty(); wire = wire.subspan(size), ++peer.packets.back()) {
      size = pfkey::packs::first_size(wire);
      peer.got.push_back(pfkey::decode(wire.first(size)).value());
    }
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
    while (server.busy()) server.work();
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

// ---- packets of several messages

using Wire = std::vector<std::byte>;

Wire encoded(const Message& m) {
  Wire wire(4096);
  wire.resize(pfkey::encode(m, wire).value());
  return wire;
}

// As a client sends it that takes packets of several messages.
Wire marked(Message m, std::uint32_t seq) {
  m.seq = seq;
  Wire wire = encoded(m);
  pfkey::packs::set_mark(wire, pfkey::packs::kClient);
  return wire;
}

struct PacksTest : ServerTest {
  // Everything in the packet that the server takes; the number of requests.
  std::size_t give(ClientId id, Bytes packet) {
    std::size_t requests = 0;
    for (; !packet.empty(); ++requests) packet = packet.subspan(server.receive(id, packet, at(0)));
    server.put_rules_into_force();
    server.send_packs();
    return requests;
  }
  std::size_t give(ClientId id, const std::vector<Wire>& messages) {
    Wire packet;
    for (const Wire& wire : messages) packet.insert(packet.end(), wire.begin(), wire.end());
    return give(id, packet);
  }
  std::vector<std::size_t> packets(ClientId id) { return std::exchange(peers.at(id).packets, {}); }
};

Wire get(std::uint32_t seq, std::uint32_t spi = 0x1001) { return marked(request(Type::get, SaType::esp, spi), seq); }

TEST_F(PacksTest, RequestsOfOnePacketAreAnsweredInOne) {
  const ClientId a = open();
  EXPECT_EQ(give(a, {marked(add_esp(0x1001), 1), get(2), get(3, 0x2002)}), 3u);
  std::vector<unsigned> marks;
  for (const Message& m : peers[a].got) marks.push_back(m.diagnostic);
  EXPECT_THAT(heard(a), ElementsAre(Glance{Type::add, 0, 1}, Glance{Type::get, 0, 2}, Glance{Type::get, ESRCH, 3}));
  EXPECT_THAT(packets(a), ElementsAre(3));
  // Successes say that the server takes packets; an error has its diagnostic there.
  const auto missing = static_cast<unsigned>(pfkey::Diagnostic::sa_notfound);
  EXPECT_THAT(marks, ElementsAre(pfkey::packs::kServer, pfkey::packs::kServer, missing));
}

TEST_F(PacksTest, AClientThatDoesNotShowThatItTakesThemGetsAndSendsSingleMessages) {
  const ClientId a = open();
  say(a, numbered(add_esp(0x1001), 1));
  say(a, numbered(request(Type::get, SaType::esp, 0x1001), 2));
  EXPECT_EQ(peers[a].got.back().diagnostic, 0);
  EXPECT_THAT(packets(a), ElementsAre(1, 1));  // At once.
  heard(a);
  const Wire one = encoded(numbered(request(Type::get, SaType::esp, 0x1001), 3));
  EXPECT_EQ(give(a, {one, one}), 1u);
  EXPECT_THAT(heard(a), ElementsAre(Glance{Type::get, EMSGSIZE, 3}));
  EXPECT_THAT(packets(a), ElementsAre(1));
}

TEST_F(PacksTest, TheFirstDumpComesInPackets) {
  const ClientId a = open(), b = open();
  for (std::uint32_t i = 0; i < 1000; ++i) say(b, numbered(add_esp(0x1000 + i), i + 1));
  heard(a), packets(a);
  give(a, marked(request(Type::dump, SaType::esp), 7));
  while (server.wants(a).write) {
    server.flush(a);
    server.send_packs();
  }
  const auto dumped = heard(a);
  ASSERT_EQ(dumped.size(), 1001u);
  EXPECT_EQ(dumped.back(), (Glance{Type::dump, 0, 0}));
  EXPECT_LT(packets(a).size(), 20u);
}

TEST_F(PacksTest, NoticesForSuchAClientShareAPacketAndAreCountedWhenTheyAreTooMany) {
  const ClientId a = open(), b = open();
  give(b, get(1));
  heard(b), packets(b);
  for (std::uint32_t i = 0; i < 5; ++i) say(a, numbered(add_esp(0x1000 + i), i + 1));
  EXPECT_THAT(packets(b), ElementsAre());
  server.send_packs();
  EXPECT_THAT(packets(b), ElementsAre(5));
  heard(b);

  peers[b].room = 0;
  for (std::uint32_t i = 0; i < 3000; ++i) say(a, numbered(add_esp(0x2000 + i), i + 1));
  server.send_packs();
  EXPECT_EQ(server.wants(b), (Wants{.read = true, .write = true}));
  peers[b].room = 1'000'000;
  server.flush(b);
  server.send_packs();
  std::size_t news = 0, lost = 0;
  for (const auto& [type, error, seq] : heard(b)) {
    if (type == Type::reserved) lost += seq;
    if (type == Type::add) ++news;
  }
  EXPECT_EQ(news + lost, 3000u);
  EXPECT_GT(lost, 0u);
  EXPECT_EQ(server.wants(b), (Wants{.read = true, .write = false}));
}

TEST_F(PacksTest, ALengthThatCannotBeEndsThePacketWithOneError) {
  for (const unsigned units : {0u, 1u, 3u, 0xffffu}) {
    SCOPED_TRACE(units);
    const ClientId a = open();
    Wire bad = get(2);
    const std::size_t whole = bad.size();
    ASSERT_NE(units, whole / 8);
    bad[4] = static_cast<std::byte>(units & 0xff), bad[5] = static_cast<std::byte>(units >> 8);
    // Three words are less than this GET has: it is cut in its middle, and what follows is not a message.
    const std::size_t requests = give(a, {get(1), bad, get(3)});
    const auto got = heard(a);
    EXPECT_EQ(requests, units == 3 ? 3u : 2u);
    ASSERT_EQ(got.size(), requests);
    EXPECT_EQ(got[0], (Glance{Type::get, ESRCH, 1}));
    EXPECT_EQ(std::get<1>(got[1]), static_cast<unsigned>(units == 3 ? EINVAL : EMSGSIZE));
    if (units == 3) {
      EXPECT_EQ(std::get<1>(got[2]), unsigned{EINVAL});
    }
    server.close(a);
  }
}

TEST_F(PacksTest, APacketThatIsCutOffIsAnsweredOnceForItsEnd) {
  const ClientId a = open();
  const Wire first = get(1), second = get(2);
  for (std::size_t cut = 1; cut < second.size(); ++cut) {
    EXPECT_EQ(give(a, {first, Wire(second.begin(), second.begin() + static_cast<std::ptrdiff_t>(cut))}), 2u) << cut;
    const auto got = heard(a);
    ASSERT_EQ(got.size(), 2u) << cut;
    EXPECT_EQ(got[0], (Glance{Type::get, ESRCH, 1})) << cut;
    EXPECT_EQ(std::get<1>(got[1]), static_cast<unsigned>(cut < pfkey::kHeaderSize ? EINVAL : EMSGSIZE)) << cut;
  }
}

TEST_F(PacksTest, APacketOfTooManyOctetsIsRefusedAsAWholeWithItsFirstRequest) {
  const ClientId a = open();
  const Wire one = marked(add_esp(0x1001), 9);
  EXPECT_EQ(give(a, std::vector<Wire>(pfkey::packs::kMost / one.size() + 1, one)), 1u);
  EXPECT_THAT(heard(a), ElementsAre(Glance{Type::add, EMSGSIZE, 9}));
  EXPECT_EQ(server.sas(), 0u);
  const std::size_t fit = pfkey::packs::kMost / one.size();
  EXPECT_EQ(give(a, std::vector<Wire>(fit, one)), fit);
  EXPECT_EQ(server.sas(), 1u);
}

TEST_F(PacksTest, AFullSocketStopsTheReadingWithinAPacket) {
  const ClientId a = open();
  give(a, get(1));
  heard(a), packets(a);
  peers[a].room = 0;
  const Wire one = get(2);
  std::size_t asked = 0;
  for (; server.wants(a).read; ++asked) server.receive(a, one, at(0));
  EXPECT_EQ(asked, Outbox::kReplies);
  peers[a].room = 1'000'000;
  server.flush(a);
  EXPECT_EQ(heard(a).size(), asked);
  EXPECT_THAT(packets(a), ElementsAre(asked));
  EXPECT_EQ(server.wants(a), (Wants{.read = true, .write = false}));
}

TEST_F(PacksTest, WhereAPacketIsTooLongForTheSocketItsMessagesAreNot) {
  const ClientId a = open();
  say(a, add_esp(0x1001));
  heard(a), packets(a);
  peers[a].longest = 64;
  give(a, {get(5, 0x2002), get(6), get(7, 0x2002)});
  EXPECT_THAT(heard(a),
              ElementsAre(Glance{Type::get, ESRCH, 5}, Glance{Type::get, EMSGSIZE, 6}, Glance{Type::get, ESRCH, 7}));
}

TEST_F(PacksTest, ADeadClientIsNotPackedFor) {
  const ClientId a = open(), b = open();
  give(a, get(1));
  peers[a].gone = true;
  say(b, add_esp(0x1001));
  server.send_packs();
  say(b, add_esp(0x1002));
  server.send_packs();
  EXPECT_EQ(server.wants(a), (Wants{.read = true, .write = false}));
  server.close(a);
  say(b, add_esp(0x1003));
  server.send_packs();
  EXPECT_EQ(heard(b).size(), 3u);
}

// ---- requests that remove many SAs

TEST_F(ServerTest, WhileManySasAreRemovedOthersAreServedAndTheRemoverWaits) {
  const ClientId a = open(), b = open(), c = open();
  for (std::uint32_t i = 0; i < 1000; ++i) say(b, numbered(add_esp(0x1000 + i), i + 1));
  heard(a), heard(b), heard(c);
  const auto give = [&](ClientId id, const Message& m) { server.receive(id, encoded(m), at(0)); };
  give(a, numbered(request(Type::flush, SaType::unspec), 5));
  EXPECT_EQ(server.remover(), a);
  EXPECT_EQ(server.wants(a), (Wants{.read = false, .write = false}));
  server.work();
  EXPECT_GT(server.sas(), 500u);
  give(b, numbered(request(Type::get, SaType::esp, 0x1000), 6));
  EXPECT_THAT(heard(b), ElementsAre(Glance{Type::get, 0, 6}));
  EXPECT_THAT(heard(a), ElementsAre());
  // A client that leaves does not stop what it began, nor the one behind it.
  give(c, numbered(request(Type::flush, SaType::esp), 7));
  server.close(a);
  peers.erase(a);
  while (server.busy()) server.work();
  EXPECT_EQ(server.sas(), 0u);
  EXPECT_THAT(heard(b), ElementsAre(Glance{Type::flush, 0, 5}, Glance{Type::flush, 0, 7}));
  EXPECT_THAT(heard(c), ElementsAre(Glance{Type::flush, 0, 5}, Glance{Type::flush, 0, 7}));
  EXPECT_EQ(server.wants(c), (Wants{.read = true, .write = false}));
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
      peers.at(reader).packets.clear();
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
