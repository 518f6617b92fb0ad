#include "backend/open.h"

#include <gmock/gmock.h>

#include "backend/socket.h"
#include "backend/testing.h"
#include "base/socket_path.h"
#include "base/text.h"

namespace backend {
namespace {

using testing::ScriptedDaemon;
using testing::TempFolder;

Instant noon() { return {}; }

std::string opened(std::string_view where, const Surroundings& around) {
  const auto sadb = open(where, around);
  return sadb ? (*sadb)->name() : sadb.error().text;
}

TEST(Open, FindsIpsecdWhereItIsToldOrByDefault) {
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
            "no SADB to talk to: no ipsecd answers at /nonexistent/s, and this kernel has no ESP; start ipsecd with "
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

TEST(Open, TheKindOfErrorDecidesTheExitStatus) {
  const Surroundings around{"/nonexistent/s", noon};
  EXPECT_EQ(open("ipsecd", around).error().code, Errc::unreachable);
  EXPECT_EQ(open("auto", around).error().code, Errc::unreachable);
  EXPECT_EQ(open("xfrm", around).error().code, Errc::syntax);
}

TEST(Open, TheDefaultSocketIsTheUsers) {
  EXPECT_EQ(default_socket_path(true, "/run/user/0"), "/run/ipsecd/pfkey.sock");
  EXPECT_EQ(default_socket_path(true, nullptr), "/run/ipsecd/pfkey.sock");
  EXPECT_EQ(default_socket_path(false, "/run/user/7"), "/run/user/7/ipsecd/pfkey.sock");
  EXPECT_EQ(default_socket_path(false, nullptr), "/run/ipsecd/pfkey.sock");
  EXPECT_EQ(default_socket_path(false, ""), "/run/ipsecd/pfkey.sock");
}

}  // namespace
}  // namespace backend
