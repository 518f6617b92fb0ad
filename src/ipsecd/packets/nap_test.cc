/// When a receiving thread sleeps for a moment.
#include "ipsecd/packets/nap.h"

#include <gtest/gtest.h>

namespace ipseckey::ipsecd {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kStart = seconds(1000);

TEST(Nap, IsDueOnlyWhenPacketsComeFast) {
  Nap nap;
  EXPECT_FALSE(nap.due(kStart));
  for (int i = 0; i < 100; ++i) {  // 10,000 questions in a second.
    nap.received(1, kStart + i * microseconds(100));
    EXPECT_FALSE(nap.due(kStart + i * microseconds(100))) << i;
  }
}

TEST(Nap, IsDueInAStream) {
  Nap nap;
  nap.received(Nap::kMany - 1, kStart);
  EXPECT_FALSE(nap.due(kStart + microseconds(10)));
  nap.received(1, kStart + microseconds(20));
  EXPECT_TRUE(nap.due(kStart + microseconds(30)));
  nap.received(1, kStart + microseconds(1100));  // The next span has only begun.
  EXPECT_TRUE(nap.due(kStart + microseconds(1200)));
}

TEST(Nap, IsNotDueAfterTheStream) {
  Nap nap;
  nap.received(1000, kStart);
  EXPECT_FALSE(nap.due(kStart + milliseconds(2)));
  nap.received(1, kStart + milliseconds(2));
  EXPECT_FALSE(nap.due(kStart + milliseconds(2)));
  nap.received(1000, kStart + milliseconds(10));
  nap.received(1, kStart + milliseconds(11));
  nap.received(1, kStart + milliseconds(12));
  EXPECT_FALSE(nap.due(kStart + milliseconds(12)));
}

}  // namespace
}  // namespace ipseckey::ipsecd
