#include "ipsecd/rationed_log.h"

#include <gmock/gmock.h>

#include <vector>

namespace ipseckey::ipsecd {
namespace {

using namespace std::chrono_literals;
using Kind = RationedLog::Kind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct RationedLogTest : ::testing::Test {
  std::vector<std::string> lines;
  RationedLog log{[this](std::string_view line) { lines.emplace_back(line); }};

  std::vector<std::string> heard() { return std::exchange(lines, {}); }
};

TEST_F(RationedLogTest, TheFirstIsLoggedAtOnceAndTheRestAreCountedForASecond) {
  for (int i = 0; i < 14'155; ++i) log.say(Kind::stranger, "stranger " + std::to_string(i), 5s + i * 10us);
  EXPECT_THAT(heard(), ElementsAre("stranger 0"));
  EXPECT_EQ(log.deadline(), 6s);
  log.settle(6s - 1ns);
  EXPECT_THAT(heard(), IsEmpty());
  log.settle(6s);
  EXPECT_THAT(heard(), ElementsAre("stranger 14154 (and 14153 more like it)"));
  EXPECT_EQ(log.deadline(), std::nullopt);
  log.settle(9s);
  EXPECT_THAT(heard(), IsEmpty());
}

TEST_F(RationedLogTest, ASingleWaitingLineIsLoggedUnchanged) {
  log.say(Kind::crowd, "one", 5s);
  log.say(Kind::crowd, "two", 5s);
  log.settle(6s);
  EXPECT_THAT(heard(), ElementsAre("one", "two"));
  log.say(Kind::crowd, "three", 7s - 1ns);  // Within a second of the last.
  EXPECT_THAT(heard(), IsEmpty());
  EXPECT_EQ(log.deadline(), 7s);
  log.settle(7s);
  EXPECT_THAT(heard(), ElementsAre("three"));
  log.say(Kind::crowd, "four", 8s);
  EXPECT_THAT(heard(), ElementsAre("four"));
}

TEST_F(RationedLogTest, OneKindDoesNotDelayAnother) {
  log.say(Kind::stranger, "stranger", 5s);
  log.say(Kind::crowd, "crowd", 5s);
  log.say(Kind::failure, "failure", 5s);
  EXPECT_THAT(heard(), ElementsAre("stranger", "crowd", "failure"));
  log.say(Kind::failure, "failure again", 5500ms);
  log.say(Kind::stranger, "stranger again", 5600ms);
  EXPECT_EQ(log.deadline(), 6s);
  log.settle(6s);
  EXPECT_THAT(heard(), ElementsAre("stranger again", "failure again"));
}

// An endless flood: say() logs nothing while a line waits, however late settle() is called.
TEST_F(RationedLogTest, AFloodIsOneLinePerSecond) {
  std::size_t logged = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto now = 5s + i * 1ms;
    if (const auto due = log.deadline(); due && *due <= now) log.settle(now);
    log.say(Kind::stranger, "stranger", now);
  }
  logged = heard().size();
  EXPECT_EQ(logged, 10u);
}

}  // namespace
}  // namespace ipseckey::ipsecd
