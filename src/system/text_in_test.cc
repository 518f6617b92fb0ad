#include "system/text_in.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ipseckey {

namespace {

TEST(TextIn, ReturnsAWholeFileAndNothingForAMissingOne) {
  const auto path = std::filesystem::path(::testing::TempDir()) / ("text_in." + std::to_string(::getpid()));
  const std::string text = std::string("a line\n\nno end of line\0 after this", 34);
  std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(text_in(path), text);
  std::filesystem::remove(path);
  EXPECT_EQ(text_in(path), "");
  EXPECT_EQ(text_in("/proc/self/comm"), text_in("/proc/thread-self/comm")) << "whose size is unknown before";
  EXPECT_NE(text_in("/proc/self/comm"), "");
}

}  // namespace

}  // namespace ipseckey
