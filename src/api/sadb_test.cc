#include "api/sadb.h"

#include <gmock/gmock.h>

#include <stdexcept>
#include <string>

#include "api/language.h"
#include "backend/testing.h"
#include "pfkey/notices.h"

namespace ipseckey {
namespace {

using testing::HasSubstr;

const std::string kKey = "00112233445566778899aabbccddeeff";

std::vector<pfkey::Message> requests(std::string_view text) {
  auto commands = read_commands(text);
  EXPECT_TRUE(commands.has_value() && commands->ok());
  std::vector<pfkey::Message> all;
  for (auto& request : commands->requests) all.push_back(std::move(request.message));
  return all;
}
pfkey::Message request(std::string_view text) { return std::move(requests(text).front()); }

std::string add(int spi) {
  return "add ah spi " + std::to_string(spi) + " src 192.0.2.1 dst 192.0.2.2 authalg sha256 authkey " + kKey + kKey +
         "\n";
}

Sadb memory() {
  auto sadb = Sadb::open("memory");
  EXPECT_TRUE(sadb.has_value());
  return std::move(*sadb);
}

std::size_t count(Sadb& sadb) {
  std::size_t sas = 0;
  EXPECT_TRUE(sadb.dump(pfkey::SaType::unspec, [&](pfkey::Message&&) { ++sas; }).has_value());
  return sas;
}

TEST(SadbTest, SaysWhatKeepsItFromBeingOpened) {
  const auto none = Sadb::open("ipsecd:/nowhere/at/all");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, Errc::unreachable);
  EXPECT_THAT(none.error().text, HasSubstr("/nowhere/at/all"));
  EXPECT_EQ(Sadb::open("").error().code, Errc::syntax);
}

TEST(SadbTest, AsksAndReturnsTheReply) {
  Sadb sadb = memory();
  EXPECT_EQ(sadb.name(), "memory");
  ASSERT_TRUE(sadb.ask(request(add(7))).has_value());
  const auto got = sadb.ask(request("get ah spi 7 dst 192.0.2.2\n"));
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->sa->spi, 7u);
  EXPECT_EQ(got->auth_key, request(add(7)).auth_key);
}

TEST(SadbTest, MakesAnErrorOfARefusal) {
  Sadb sadb = memory();
  const auto missing = sadb.ask(request("delete ah spi 7 dst 192.0.2.2\n"));
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_EQ(missing.error().text, "ah SA spi 0x7 dst 192.0.2.2 does not exist");
  sadb.ask(request(add(7)));
  EXPECT_EQ(sadb.ask(request(add(7))).error().code, Errc::exists);
  pfkey::Message keyless = request(add(8));
  keyless.auth_key.reset();
  EXPECT_EQ(sadb.ask(std::move(keyless)).error().code, Errc::invalid);
}

TEST(SadbTest, CarriesOutWhatFollowsARefusal) {
  Sadb sadb = memory();
  const auto results = sadb.ask_all(requests(add(1) + add(1) + add(2)));
  ASSERT_TRUE(results.has_value());
  ASSERT_EQ(results->size(), 3u);
  EXPECT_TRUE((*results)[0].has_value());
  EXPECT_FALSE((*results)[1].has_value());
  EXPECT_TRUE((*results)[2].has_value());
  EXPECT_EQ(count(sadb), 2u);
  EXPECT_EQ(sadb.ask_all({})->size(), 0u);
}

TEST(SadbTest, WantsADumpAskedForByItsName) {
  Sadb sadb = memory();
  pfkey::Message m;
  m.type = pfkey::Type::dump;
  EXPECT_EQ(sadb.ask(std::move(m)).error().code, Errc::invalid);
}

TEST(SadbTest, DumpsOneTypeOrAll) {
  Sadb sadb = memory();
  sadb.ask_all(requests(add(1) + add(2)));
  std::size_t esp = 0;
  EXPECT_TRUE(sadb.dump(pfkey::SaType::esp, [&](pfkey::Message&&) { ++esp; }).has_value());
  EXPECT_EQ(esp, 0u);
  EXPECT_EQ(count(sadb), 2u);
}

TEST(SadbTest, CanBeUsedAfterACallbackThrew) {
  Sadb sadb = memory();
  sadb.ask_all(requests(add(1) + add(2)));
  int calls = 0;
  const auto dumped = sadb.dump(pfkey::SaType::unspec, [&](pfkey::Message&&) {
    ++calls;
    throw std::runtime_error("no");
  });
  EXPECT_EQ(dumped.error().code, Errc::io);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(count(sadb), 2u);
}

TEST(SadbTest, RefusesToBeUsedByTheCallbackOfItsDump) {
  Sadb sadb = memory();
  sadb.ask_all(requests(add(1) + add(2) + add(3)));
  std::size_t calls = 0;
  const auto dumped = sadb.dump(pfkey::SaType::unspec, [&](pfkey::Message&&) {
    ++calls;
    EXPECT_EQ(sadb.ask(request("get ah spi 1 dst 192.0.2.2\n")).error().code, Errc::invalid);
    EXPECT_EQ(sadb.dump(pfkey::SaType::unspec, [](pfkey::Message&&) {}).error().code, Errc::invalid);
  });
  EXPECT_TRUE(dumped.has_value());
  EXPECT_EQ(calls, 3u);
  EXPECT_TRUE(sadb.ask(request("get ah spi 1 dst 192.0.2.2\n")).has_value());
}

TEST(SadbTest, SendsWhatFollowsARequestThatCannotBeEncoded) {
  const backend::testing::TempFolder folder;
  const std::string path = folder / "sadb.sock";
  const backend::testing::ScriptedDaemon daemon(path, {[](int fd) {
                                                  for (int i = 0; i < 2; ++i) {
                                                    pfkey::Message m;
                                                    if (!backend::testing::receive_message(fd, m)) return;
                                                    backend::testing::send_message(fd, m);
                                                  }
                                                }});
  auto sadb = Sadb::open("ipsecd:" + path);
  ASSERT_TRUE(sadb.has_value());
  auto all = requests(add(1) + add(2) + add(3));
  all[1].src_identity = pfkey::Identity{pfkey::IdentityType::fqdn, 0, std::string(600'000, 'a')};
  const auto results = sadb->ask_all(std::move(all));
  ASSERT_TRUE(results.has_value());
  EXPECT_TRUE((*results)[0].has_value());
  EXPECT_EQ((*results)[1].error().code, Errc::invalid);
  EXPECT_TRUE((*results)[2].has_value());
}

TEST(SadbTest, HasOneListenerAtATime) {
  Sadb sadb = memory();
  {
    const auto first = sadb.listen();
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(sadb.listen().error().code, Errc::invalid);
  }
  EXPECT_TRUE(sadb.listen().has_value());
}

TEST(SadbTest, IsListenedToEvenAfterItIsGone) {
  auto sadb = std::make_unique<Sadb>(memory());
  auto listener = sadb->listen(true);
  ASSERT_TRUE(listener.has_value());
  EXPECT_GE(listener->descriptor(), 0);
  ASSERT_EQ(listener->next()->size(), 1u);  // Listening has begun.
  sadb->ask(request(add(7)));
  sadb.reset();
  const auto heard = listener->next();
  ASSERT_TRUE(heard.has_value());
  EXPECT_TRUE(heard->empty());  // Nobody else changes it.
}

TEST(MessagesLost, AreThoseOfAGapNotice) {
  EXPECT_EQ(ipseckey::messages_lost(pfkey::gap_notice(7)), 7u);
  EXPECT_EQ(ipseckey::messages_lost(request(add(1))), std::nullopt);
}

TEST(SecretOf, RefusesWhatIsTooLong) {
  const std::vector<std::byte> material(Secret::kMaxSize + 1);
  EXPECT_EQ(secret_of(material).error().code, Errc::invalid);
  EXPECT_EQ(secret_of(Bytes(material).first(16))->size(), 16u);
}

}  // namespace
}  // namespace ipseckey
