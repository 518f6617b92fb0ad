#include "base/harmless.h"

#include <gtest/gtest.h>

namespace ipseckey::text {
namespace {

TEST(Harmless, EscapesEverythingButPrintableAscii) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    const bool stays = (byte >= 0x20 && byte < 0x7f) || byte == '\n' || byte == '\t';
    EXPECT_EQ(is_harmless(one), stays) << byte;
    if (stays) {
      EXPECT_EQ(harmless(one), one) << byte;
    } else {
      EXPECT_EQ(harmless(one).size(), 4u) << byte;
    }
  }
  EXPECT_EQ(harmless("a\x1b[2J\x9b\xff\x7f\r\n\tb"), "a\\x1b[2J\\x9b\\xff\\x7f\\x0d\n\tb");
  EXPECT_TRUE(is_harmless(""));
}

}  // namespace
}  // namespace ipseckey::text
