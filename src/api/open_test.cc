#include "api/open.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>

#include "backend/socket.h"
#include "backend/testing.h"
#include "base/text.h"
#include "pfkey/diagnostics.h"
#include "pfkey/notices.h"
#include "pfpolicy/codec.h"

namespace ipseckey::api {
namespace {

using backend::testing::ScriptedDaemon;
using backend::testing::TempFolder;

Instant noon() { return {}; }

std::string opened(std::string_view where, const Surroundings& around) {
  const auto sadb = open_sadb(where, around);
  return sadb ? (*sadb)->name() : sadb.error().text;
}

TEST(Open, FindsIpsecdAtAGivenPathOrByDefault) {
  const TempFolder folder;
  const Surroundings around{folder / "default", noon};
  const ScriptedDaemon by_default(folder / "default", {[](int) {}, [](int) {}}), other(folder / "o:ther", {[](int) {}});
  EXPECT_EQ(opened("ipsecd", around), "ipsecd:" + (folder / "default"));
  EXPECT_EQ(opened("auto", around), "ipsecd:" + (folder / "default"));
  EXPECT_EQ(opened("ipsecd:" + (folder / "o:ther"), around), "ipsecd:" + (folder / "o:ther"));
}

TEST(Open, MemoryNeedsNothing) { EXPECT_EQ(opened("memory", {"/nonexistent/s", noon}), "memory"); }

TEST(Open, SaysWhatIsMissingAndHowToMendIt) {
  const Surroundings around{"/nonexistent/s", noon, [] { return std::string("this kernel has no ESP"); }};
  EXPECT_EQ(opened("ipsecd", around), "no ipsecd at /nonexistent/s: start it with `ipsecd --socket /nonexistent/s`");
  EXPECT_EQ(opened("auto", around),
            "no SADB is available: no ipsecd answers at /nonexistent/s, and this kernel has no ESP; start ipsecd with "
            "`ipsecd --socket /nonexistent/s`");
  EXPECT_EQ(opened("ipsecd:", around), "the path of ipsecd's socket is empty");
  for (const std::string word : {"", "Memory", "xfrm", "ipsecdx"})
    EXPECT_EQ(opened(word, around),
              "Unknown SADB '" + word + "': expected ipsecd, ipsecd:PATH, kernel, memory or auto");
}

TEST(Open, KnowsEveryWordThatIsOffered) {
  const Surroundings around{"/nonexistent/s", noon};
  text::for_each_word(kPlaces, [&](std::string_view word) {
    EXPECT_THAT(opened(word, around), ::testing::Not(::testing::HasSubstr("Unknown SADB"))) << word;
  });
}

std::string rules_opened(std::string_view where, const Surroundings& around) {
  const auto rules = open_spd(where, around);
  return rules ? (*rules)->name() : rules.error().text;
}

// The rules of an ipsecd, of which there are none; `idle`: why nothing would obey them.
void answer_dump(int fd, std::string_view idle) {
  std::array<std::byte, 4096> wire;
  const ssize_t size = ::read(fd, wire.data(), wire.size());
  if (size <= 0) return;
  const auto asked = pfpolicy::decode(Bytes(wire).first(static_cast<std::size_t>(size)));
  if (!asked) return;
  pfpolicy::Message reply = asked->header();
  reply.ruleset = pfpolicy::Ruleset{0, 1};
  if (!idle.empty()) {
    reply.diagnostic = pfpolicy::Diagnostic::not_obeyed;
    reply.remark = pfpolicy::Text{std::string(idle)};
  }
  const auto length = pfpolicy::encode(reply, wire);
  if (!length) return;
  for (int ends = 0; ends < 2; ++ends)  // A DUMP begins and ends with it.
    if (::write(fd, wire.data(), *length) < 0) return;
  while (::read(fd, wire.data(), wire.size()) > 0) {
  }  // Until the client closes.
}

// An ipsecd without packets does not count.
TEST(Open, RulesGoToADatabaseThatObeysThem) {
  const TempFolder folder;
  Surroundings around{folder / "default", noon};
  around.policies = [] {
    kernel::PolicyWorld none;
    none.connect = []() -> Result<kernel::Netlink> { return fail(Errc::unsupported, "no XFRM here"); };
    return none;
  };
  const ScriptedDaemon idle(folder / "default", {[](int fd) { answer_dump(fd, "it carries no packets"); }});
  EXPECT_EQ(rules_opened("auto", around),
            "no database of rules is available: it carries no packets; and of the kernel: no XFRM here");
}

// The rules of a place have the name of its SADB.
TEST(Open, FindsRulesWhereTheSasAre) {
  const TempFolder folder;
  const Surroundings around{folder / "default", noon};
  const ScriptedDaemon by_default(folder / "default", {[](int) {}, [](int fd) { answer_dump(fd, ""); }});
  EXPECT_EQ(rules_opened("ipsecd", around), "ipsecd:" + (folder / "default"));
  EXPECT_EQ(rules_opened("auto", around), "ipsecd:" + (folder / "default"));
  EXPECT_EQ(rules_opened("memory", around), "memory");
  EXPECT_TRUE((*open_spd("memory", around))->list()->empty());
  EXPECT_EQ(rules_opened("ipsecd:/nonexistent/s", around),
            "no ipsecd at /nonexistent/s: start it with `ipsecd --socket /nonexistent/s`");
  EXPECT_EQ(rules_opened("moon", around), "Unknown SADB 'moon': expected ipsecd, ipsecd:PATH, kernel, memory or auto");
}

// A check uses the host's addresses to refuse SAs, and leaves the accepted ones as requested.
TEST(Open, ACheckJudgesAsItsSadbWouldAndKeepsWhatWasAsked) {
  const auto add = [](std::uint32_t spi, const char* src, const char* dst, std::uint32_t flags) {
    pfkey::Message m;
    m.type = pfkey::Type::add, m.satype = pfkey::SaType::ah;
    m.seq = spi, m.pid = 1;
    m.sa = pfkey::Sa{.spi = spi, .state = pfkey::State::mature, .flags = flags};
    m.sa->auth = 2;
    m.auth_key = pfkey::Key{128, 0, Secret(16)};
    m.auth_key->material.bytes()[0] = std::byte{1};
    m.src = pfkey::Endpoint{.address = *parse_address(src)}, m.dst = pfkey::Endpoint{.address = *parse_address(dst)};
    return m;
  };
  Surroundings around{"", noon};
  around.own_addresses = [] { return [](const Address& a) { return a == parse_address("192.0.2.1"); }; };
  const auto scratch =
      open_scratch(around, {.whole = true, .usable = [](const pfkey::Algorithm& row) { return row.number != 3; }});
  std::vector<pfkey::Message> requests;
  requests.push_back(add(1, "192.0.2.1", "192.0.2.2", 0));
  requests.push_back(add(2, "192.0.2.2", "192.0.2.1", pfkey::kFlagOutbound));
  requests.back().pair = pfkey::Pair{1};
  requests.push_back(add(3, "192.0.2.1", "192.0.2.2", 0));
  requests.back().sa->auth = 3, requests.back().auth_key = pfkey::Key{160, 0, Secret(20)};
  requests.back().auth_key->material.bytes()[0] = std::byte{1};
  requests.push_back(add(4, "192.0.2.2", "192.0.2.1", 0));
  requests.back().pair = pfkey::Pair{1};
  std::vector<std::string> said;
  ASSERT_TRUE(scratch->call(requests, [&](std::size_t, pfkey::Message&& m) {
    said.push_back(m.error == 0 ? "" : m.remark ? m.remark->text : std::to_string(m.diagnostic));
  }));
  EXPECT_EQ(said, (std::vector<std::string>{"", std::string(pfkey::kSameDirection),
                                            std::to_string(static_cast<int>(pfkey::Diagnostic::bad_aalg)), ""}));
  pfkey::Message dump;
  dump.type = pfkey::Type::dump, dump.seq = 9, dump.pid = 1;
  std::vector<std::uint32_t> flags;
  ASSERT_TRUE(scratch->call({&dump, 1}, [&](std::size_t, pfkey::Message&& m) {
    if (m.sa) flags.push_back(m.sa->flags);
  }));
  EXPECT_EQ(flags, (std::vector<std::uint32_t>{pfkey::kFlagPaired, pfkey::kFlagPaired}));
}

TEST(Open, TheKindOfErrorDecidesTheExitStatus) {
  const Surroundings around{"/nonexistent/s", noon};
  EXPECT_EQ(open_sadb("ipsecd", around).error().code, Errc::unreachable);
  EXPECT_EQ(open_sadb("auto", around).error().code, Errc::unreachable);
  EXPECT_EQ(open_sadb("xfrm", around).error().code, Errc::syntax);
}

}  // namespace
}  // namespace ipseckey::api
