#include "base/text.h"

#include <gmock/gmock.h>

#include <vector>

namespace ipseckey {

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct DistanceRow {
  std::string_view a, b;
  std::size_t distance;
};

constexpr DistanceRow kDistances[] = {
    {"", "", 0},
    {"", "spi", 3},
    {"spi", "", 3},
    {"spi", "spi", 0},
    {"spi", "psi", 1},
    {"spi", "sp", 1},
    {"spi", "sip", 1},
    {"spi", "spii", 1},
    {"spi", "api", 1},
    {"encralg", "enrcalg", 1},
    {"abcd", "badc", 2},
    {"kitten", "sitting", 3},
    {"authalg", "encralg", 4},
};

TEST(EditDistance, CountsInsertionsRemovalsChangesAndSwaps) {
  for (const DistanceRow& row : kDistances) {
    EXPECT_EQ(text::edit_distance(row.a, row.b), row.distance) << row.a << ' ' << row.b;
    EXPECT_EQ(text::edit_distance(row.b, row.a), row.distance) << row.b << ' ' << row.a;
  }
}

TEST(SameWord, FoldsOnlyAsciiCase) {
  EXPECT_TRUE(text::same_word("AES-cbc", "aes-CBC"));
  EXPECT_TRUE(text::same_word("", ""));
  EXPECT_FALSE(text::same_word("aes", "aes-cbc"));
  EXPECT_FALSE(text::same_word("[", "{")) << "32 apart like the letters, but no letters";
  EXPECT_FALSE(text::same_word("\xc4", "\xe4"));
}

std::vector<std::string_view> words(std::string_view list) {
  std::vector<std::string_view> out;
  text::for_each_word(list, [&](std::string_view word) { out.push_back(word); });
  return out;
}

TEST(Words, AreSeparatedBySingleBlanks) {
  EXPECT_THAT(words(""), IsEmpty());
  EXPECT_THAT(words("esp"), ElementsAre("esp"));
  EXPECT_THAT(words("hmac-md5 md5 x"), ElementsAre("hmac-md5", "md5", "x"));
  EXPECT_EQ(text::first_word("hmac-md5 md5"), "hmac-md5");
  EXPECT_EQ(text::first_word("esp"), "esp");
  EXPECT_EQ(text::first_word(""), "");
}

TEST(Words, ListHasWholeWordsOnly) {
  EXPECT_TRUE(text::list_has("hmac-md5 md5", "MD5"));
  EXPECT_TRUE(text::list_has("hmac-md5 md5", "hmac-md5"));
  EXPECT_FALSE(text::list_has("hmac-md5 md5", "hmac"));
  EXPECT_FALSE(text::list_has("hmac-md5 md5", "hmac-md5 md5"));
  EXPECT_FALSE(text::list_has("hmac-md5 md5", ""));
}

TEST(HexDigit, KnowsBothCasesAndNothingElse) {
  const std::string_view digits = "0123456789abcdef", upper = "0123456789ABCDEF";
  int known = 0;
  for (int c = -128; c < 128; ++c) known += text::hex_digit(static_cast<char>(c)) >= 0;
  EXPECT_EQ(known, 22);
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(text::hex_digit(digits[static_cast<std::size_t>(i)]), i);
    EXPECT_EQ(text::hex_digit(upper[static_cast<std::size_t>(i)]), i);
  }
}

}  // namespace

}  // namespace ipseckey
