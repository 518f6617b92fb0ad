#include "cli/warnings.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace ipseckey::cli {
namespace {

lang::Fault warning(std::string message, bool fresh_keys_end_it = false) {
  return {lang::Severity::warning, 0, 1, std::move(message), fresh_keys_end_it};
}

TEST(Warnings, TheFirstTenOfAKindAreShown) {
  Warnings warnings;
  for (std::uint32_t line = 1; line <= 25; ++line) {
    EXPECT_EQ(warnings.shows(warning("a"), line), line <= 10) << line;
  }
  for (std::uint32_t line = 101; line <= 111; ++line)
    EXPECT_EQ(warnings.shows(warning("b", true), line), line <= 110) << line;
  EXPECT_TRUE(warnings.shows(warning("c"), 200));
  EXPECT_EQ(warnings.rest("keys"),
            "keys: warning: 15 more like this, up to line 25: a\n"
            "keys: warning: 1 more like this, up to line 111: b; if these keys have never been used, put a line "
            "`fresh` above them or give --fresh-keys\n");
}

TEST(Warnings, StrongOnesAreAllShown) {
  Warnings warnings;
  lang::Fault strong = warning("DANGER: same key and salt as line 1");
  strong.always_shown = true;
  for (std::uint32_t line = 2; line <= 30; ++line) EXPECT_TRUE(warnings.shows(strong, line)) << line;
  for (std::uint32_t line = 31; line <= 41; ++line)
    EXPECT_EQ(warnings.shows(warning("DANGER: same key and salt as line 1"), line), line <= 40) << line;
  EXPECT_EQ(warnings.rest("keys"),
            "keys: warning: 1 more like this, up to line 41: DANGER: same key and salt as line 1\n");
}

TEST(Warnings, NothingIsLeftOutOfTen) {
  Warnings warnings;
  EXPECT_EQ(warnings.rest("keys"), "");
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(warnings.shows(warning("a"), 1));
  EXPECT_EQ(warnings.rest("keys"), "");
}

TEST(Warnings, WordsWithDigitsMakeNoOtherKind) {
  Warnings warnings;
  for (int i = 0; i < 11; ++i)
    EXPECT_EQ(warnings.shows(warning(fmt::format("the key of line {} again, by 2001:db8::{}", i, i)), 0), i < 10) << i;
  EXPECT_TRUE(warnings.shows(warning("the key of line again, by 2001:db8::1"), 0)) << "a word fewer";
  EXPECT_TRUE(warnings.shows(warning("the key of line 1 again, of 2001:db8::1"), 0)) << "another word";
  EXPECT_EQ(warnings.rest("ipseckey"),
            "ipseckey: warning: 1 more like this: the key of line 10 again, by 2001:db8::10\n");
}

}  // namespace
}  // namespace ipseckey::cli
