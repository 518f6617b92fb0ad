#include "engine/keysock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "engine/testing.h"

namespace ipseckey::engine {
namespace {

using namespace engine::testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Clients of every kind; and the messages that each received.
struct KeysockTest : ::testing::Test {
  Keysock keysock;
  ClientId sender = keysock.open(), idle = keysock.open(), esp = keysock.open(), ah = keysock.open(),
           extended = keysock.open(), promiscuous = keysock.open();
  std::vector<std::pair<ClientId, Message>> got;

  auto record() {
    return [this](ClientId id, const Message& m) { got.emplace_back(id, m.clone()); };
  }
  KeysockTest() {
    send(esp, request(Type::reg, SaType::esp));
    send(ah, request(Type::reg, SaType::ah));
    Message m = request(Type::reg, SaType::unspec);
    m.extended_register = pfkey::ExtendedRegister{{2, 3}};
    send(extended, std::move(m));
    send(promiscuous, request(Type::x_promisc, SaType{1}));
    got.clear();
  }
  void send(ClientId from, Message m, Instant now = at(0)) { keysock.handle(from, std::move(m), now, record()); }
  // Who receives the answer to that request, in the order of ids.
  std::vector<ClientId> heard(ClientId from, Message m, unsigned error = 0) {
    got.clear();
    send(from, std::move(m));
    std::vector<ClientId> ids;
    for (const auto& [id, message] : got) {
      ids.push_back(id);
      EXPECT_EQ(message.error, error);
      const bool keys = message.auth_key || message.encrypt_key;
      EXPECT_TRUE(!keys || message.type == Type::get);
    }
    return ids;
  }
  auto everyone() { return ElementsAre(sender, idle, esp, ah, extended, promiscuous); }
  auto sender_only() { return ElementsAre(sender, promiscuous); }
};

// covers RFC2367-3.1.9-1 RFC2367-3.1.3-2
TEST_F(KeysockTest, EveryoneReceivesChanges) {
  EXPECT_THAT(heard(sender, getspi(0x9000, 0x9fff)), everyone());
  EXPECT_THAT(heard(sender, add_esp(1)), everyone());
  Message back = reversed(add_esp(2));
  back.pair = pfkey::Pair{1};
  EXPECT_THAT(heard(sender, std::move(back)), everyone());
  EXPECT_THAT(heard(sender, request(Type::update, SaType::esp, 1)), everyone());
  EXPECT_THAT(heard(sender, request(Type::x_updatepair, SaType::esp, 1)), everyone());
  EXPECT_THAT(heard(sender, request(Type::x_delpair, SaType::esp, 1)), everyone());
  EXPECT_THAT(heard(sender, add_ah(1)), everyone());
  EXPECT_THAT(heard(sender, request(Type::del, SaType::ah, 1)), everyone());
  EXPECT_THAT(heard(sender, request(Type::flush, SaType::unspec)), everyone());
}

TEST_F(KeysockTest, EveryoneReceivesRefusalsOfChanges) {
  for (const Type type : {Type::getspi, Type::update, Type::add, Type::del, Type::x_updatepair, Type::x_delpair})
    EXPECT_THAT(heard(sender, request(type, SaType::unspec), EINVAL), everyone());
  EXPECT_THAT(heard(sender, request(Type::flush, SaType::esp, 1), EINVAL), everyone());
  EXPECT_THAT(heard(sender, request(Type::expire, SaType::esp), EOPNOTSUPP), everyone());
}

// covers RFC2367-3.1.5-1
TEST_F(KeysockTest, AnswersToQueriesGoToTheSenderAndPromiscuousClients) {
  send(idle, add_esp(1));
  EXPECT_THAT(heard(sender, request(Type::get, SaType::esp, 1)), sender_only());
  EXPECT_TRUE(got[1].second.encrypt_key);
  EXPECT_THAT(heard(sender, request(Type::get, SaType::esp, 9), ESRCH), sender_only());
  EXPECT_THAT(heard(sender, request(Type::x_inverse_acquire, SaType::unspec, 1)), sender_only());
  EXPECT_THAT(heard(sender, request(Type::x_delpair_state, SaType::esp, 1)), sender_only());
  EXPECT_THAT(heard(sender, request(static_cast<Type>(77), SaType::esp), EINVAL), sender_only());
  EXPECT_EQ(got[0].second.type, Type::reserved);
  EXPECT_THAT(heard(sender, request(Type::dump, SaType{7}), EINVAL), sender_only());
}

TEST_F(KeysockTest, RegisterGoesToClientsOfItsKind) {
  EXPECT_THAT(heard(sender, request(Type::reg, SaType::esp)), ElementsAre(sender, esp, promiscuous));
  EXPECT_THAT(heard(sender, request(Type::reg, SaType::esp)), ElementsAre(sender, esp, promiscuous));
  EXPECT_THAT(heard(idle, request(Type::reg, SaType::ah)), ElementsAre(idle, ah, promiscuous));
}

TEST_F(KeysockTest, ExtendedRegisterAnswersOncePerType) {
  Message m = request(Type::reg, SaType::unspec);
  m.extended_register = pfkey::ExtendedRegister{{3, 2}};
  EXPECT_THAT(heard(sender, std::move(m)), ElementsAre(sender, extended, promiscuous, sender, extended, promiscuous));
  EXPECT_EQ(got[0].second.satype, SaType::esp);
  EXPECT_EQ(got[3].second.satype, SaType::ah);
}

TEST_F(KeysockTest, ARegistrationIsOfOneKind) {
  Message m = request(Type::reg, SaType::unspec);
  m.extended_register = pfkey::ExtendedRegister{{3}};
  EXPECT_THAT(heard(esp, m.clone(), EBUSY), ElementsAre(esp, promiscuous));
  EXPECT_THAT(heard(extended, request(Type::reg, SaType::esp), EBUSY), ElementsAre(extended, promiscuous));
  EXPECT_THAT(heard(sender, request(Type::reg, SaType{5}), EINVAL), sender_only());
  // The refused one has no effect.
  EXPECT_THAT(heard(idle, request(Type::reg, SaType::unspec), EINVAL), ElementsAre(idle, promiscuous));
  EXPECT_THAT(heard(idle, request(Type::reg, SaType::ah)), ElementsAre(idle, ah, promiscuous));
}

TEST_F(KeysockTest, PromiscuousModeIsSwitchedOnAndOff) {
  EXPECT_THAT(heard(idle, request(Type::x_promisc, SaType{1})), ElementsAre(idle, promiscuous));
  EXPECT_THAT(heard(sender, request(Type::get, SaType::esp, 9), ESRCH), ElementsAre(sender, idle, promiscuous));
  EXPECT_THAT(heard(idle, request(Type::x_promisc, SaType::unspec)), ElementsAre(idle, promiscuous));
  EXPECT_THAT(heard(sender, request(Type::get, SaType::esp, 9), ESRCH), sender_only());
}

TEST_F(KeysockTest, EveryoneReceivesExpire) {
  Message m = add_esp(1);
  m.hard = pfkey::Lifetime{.addtime = 10};
  m.idle = m.hard;
  send(sender, std::move(m));
  EXPECT_EQ(keysock.deadline(), at(10).steady);
  got.clear();
  keysock.expire(at(10), record());
  std::vector<ClientId> ids;
  for (const auto& [id, message] : got) {
    ids.push_back(id);
    EXPECT_EQ(message.type, Type::expire);
  }
  EXPECT_THAT(ids, everyone());
}

Wanted wanted(SaType satype = SaType::esp) {
  return {satype, endpoint("192.0.2.1"), endpoint("192.0.2.2"), std::nullopt, std::nullopt};
}

// covers RFC2367-3.1.6-1 RFC2367-2.1-1
TEST_F(KeysockTest, AcquireGoesToTheRegisteredAndToExtendedOnesFirst) {
  EXPECT_TRUE(keysock.acquire(wanted(), at(0), record()));
  std::vector<std::pair<ClientId, SaType>> heard_by;
  for (const auto& [id, m] : got) heard_by.emplace_back(id, m.satype);
  EXPECT_THAT(heard_by, ElementsAre(std::pair(extended, SaType::unspec), std::pair(promiscuous, SaType::unspec),
                                    std::pair(esp, SaType::esp), std::pair(promiscuous, SaType::esp)));
  EXPECT_EQ(got[0].second.seq, 0xfffffffeu);
  EXPECT_EQ(got[0].second.pid, 0u);
  got.clear();
  EXPECT_FALSE(keysock.acquire(wanted(), at(14), record()));
  EXPECT_THAT(got, IsEmpty());
  keysock.expire(at(15), record());
  EXPECT_TRUE(keysock.acquire(wanted(), at(15), record()));
  EXPECT_EQ(got[0].second.seq, 0xfffffffdu);
}

TEST_F(KeysockTest, AnAcquireThatNobodyReceivesIsNotOpen) {
  keysock.close(extended), keysock.close(esp);
  EXPECT_FALSE(keysock.acquire(wanted(), at(0), record()));
  EXPECT_EQ(keysock.deadline(), std::nullopt);
  EXPECT_FALSE(keysock.acquire(wanted(), at(0), record()));
  EXPECT_EQ(got.back().second.seq, 0xfffffffdu);  // It was requested again.
}

// covers RFC2367-3.1.6-1
TEST_F(KeysockTest, AnAcquireFromAClientGoesToTheRegisteredAndANoticeToNobody) {
  EXPECT_THAT(heard(sender, request(Type::acquire, SaType::esp, 1)), ElementsAre(sender, esp, promiscuous));
  keysock.acquire(wanted(), at(0), record());
  Message notice = request(Type::acquire, SaType::esp);
  notice.seq = got.back().second.seq;
  notice.error = EPERM;
  EXPECT_THAT(heard(esp, notice.clone()), IsEmpty());
  EXPECT_TRUE(keysock.acquire(wanted(), at(0), record()));
  notice.satype = SaType::unspec;
  notice.seq = got.back().second.seq;
  EXPECT_THAT(heard(sender, notice.clone(), EINVAL), sender_only());
  EXPECT_THAT(heard(extended, notice.clone()), IsEmpty());
  EXPECT_TRUE(keysock.acquire(wanted(), at(0), record()));
}

TEST_F(KeysockTest, ClosingEndsRegistrations) {
  keysock.close(esp), keysock.close(promiscuous);
  EXPECT_THAT(heard(sender, request(Type::reg, SaType::esp)), ElementsAre(sender));
}

TEST_F(KeysockTest, RejectedBytesAreAnsweredByType) {
  const auto reject = [&](Message header) {
    got.clear();
    keysock.reject(sender, {EMSGSIZE, pfkey::Diagnostic::none, "", std::move(header)}, record());
    std::vector<ClientId> ids;
    for (const auto& [id, m] : got) {
      ids.push_back(id);
      EXPECT_EQ(m.error, EMSGSIZE);
    }
    return ids;
  };
  EXPECT_THAT(reject(request(Type::add, SaType::esp)), everyone());
  EXPECT_THAT(reject(request(Type::get, SaType::esp)), sender_only());
  EXPECT_THAT(reject(request(Type::reg, SaType::esp)), sender_only());
  EXPECT_THAT(reject(request(static_cast<Type>(200), SaType::esp)), sender_only());
  EXPECT_EQ(got[0].second.type, Type::reserved);
}

// covers RFC2367-3.1.10-1
TEST_F(KeysockTest, ADumpIsPulledWhileTheSadbChanges) {
  keysock.close(promiscuous);
  for (const std::uint32_t spi : {1u, 2u, 3u}) send(sender, add_esp(spi));
  got.clear();
  send(sender, request(Type::dump, SaType::unspec));
  EXPECT_THAT(got, IsEmpty());
  EXPECT_TRUE(keysock.dumping(sender));
  EXPECT_FALSE(keysock.dumping(idle));
  EXPECT_THAT(heard(sender, request(Type::dump, SaType::unspec), EBUSY), ElementsAre(sender));
  keysock.next_dumped(sender, record());
  send(idle, request(Type::del, SaType::esp, 2));
  send(idle, add_esp(4));
  got.clear();
  keysock.next_dumped(sender, record());
  keysock.next_dumped(sender, record());
  EXPECT_FALSE(keysock.dumping(sender));
  keysock.next_dumped(sender, record());  // Nothing is left to pull.
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].second.sa->spi, 3u);
  Message end = request(Type::dump, SaType::unspec);
  end.seq = 0;
  EXPECT_EQ(got[1], (std::pair<ClientId, Message>(sender, std::move(end))));
}

TEST_F(KeysockTest, AFlushEndsADumpEarly) {
  send(sender, add_esp(1));
  send(sender, request(Type::dump, SaType::esp));
  send(idle, request(Type::flush, SaType::unspec));
  got.clear();
  keysock.next_dumped(sender, record());
  EXPECT_EQ(got[0].second.seq, 0u);
  EXPECT_FALSE(keysock.dumping(sender));
}

}  // namespace
}  // namespace ipseckey::engine
