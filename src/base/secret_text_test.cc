#include "base/secret_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

namespace ipseckey {

namespace {

TEST(SecretText, GrowsWithoutLoss) {
  SecretText text;
  std::string expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string piece = std::to_string(i) + ' ';
    text += piece;
    expected += piece;
  }
  EXPECT_EQ(std::string_view(text), expected);
}

// The first bytes of a released block point to the next free one.
TEST(SecretText, LeavesNothingInItsOldMemory) {
  constexpr std::size_t kLink = sizeof(void*);
  SecretText text;
  text.reserve(500);
  text.assign(400, 'k');
  const std::string_view before(text.data(), text.size());
  text.append(4000, 'k');
  ASSERT_NE(text.data(), before.data());
  EXPECT_TRUE(std::ranges::all_of(before.substr(kLink), [](char c) { return c == 0; }));
  EXPECT_EQ(text, SecretText(4400, 'k'));
}

}  // namespace

}  // namespace ipseckey
