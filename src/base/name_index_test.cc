#include "base/name_index.h"

#include <gtest/gtest.h>

namespace ipseckey {

namespace {

template <Case letters>
constexpr auto index_of(std::string_view list) {
  NameIndex<std::size_t, 16, letters> index;
  std::size_t i = 0;
  text::for_each_word(list, [&](std::string_view name) { index.put(name, i++); });
  return index;
}

TEST(NameIndex, FindsEveryNameAndNothingElse) {
  static constexpr auto kIndex = index_of<Case::matters>("spi src src6 dst");
  EXPECT_EQ(*kIndex.find("spi"), 0u);
  EXPECT_EQ(*kIndex.find("src"), 1u);
  EXPECT_EQ(*kIndex.find("src6"), 2u);
  EXPECT_EQ(*kIndex.find("dst"), 3u);
  for (const std::string_view other : {"", "s", "sp", "spii", "SPI", "src7", "a word that is longer than any name"})
    EXPECT_EQ(kIndex.find(other), nullptr) << other;
}

TEST(NameIndex, CaseIsIgnoredOnRequest) {
  static constexpr auto kIndex = index_of<Case::ignored>("aes-cbc sha-256");
  for (const std::string_view name : {"aes-cbc", "AES-CBC", "Aes-Cbc"}) EXPECT_EQ(*kIndex.find(name), 0u) << name;
  EXPECT_EQ(*kIndex.find("SHA-256"), 1u);
  // Another character whose last five bits are those of a letter or a sign.
  EXPECT_EQ(kIndex.find("aes\rcbc"), nullptr);
}

// One letter and, for the index, one length: each is found by its text.
TEST(NameIndex, NamesMayShareALetterAndALength) {
  static constexpr auto kIndex = index_of<Case::matters>("sport state sixteen-letters- sixteen-letters-and-more");
  EXPECT_EQ(*kIndex.find("sport"), 0u);
  EXPECT_EQ(*kIndex.find("state"), 1u);
  EXPECT_EQ(*kIndex.find("sixteen-letters-"), 2u);
  EXPECT_EQ(*kIndex.find("sixteen-letters-and-more"), 3u);
  for (const std::string_view other :
       {"spore", "Sport", "3port", "sixteen-letters", "sixteen-letters-and-mor", "\xf3port"})
    EXPECT_EQ(kIndex.find(other), nullptr) << other;
}

TEST(NameIndex, AFullOneFindsAll) {
  constexpr std::string_view kNames = "a b c d e f g h i j k l m n o p";
  static constexpr auto kIndex = index_of<Case::ignored>(kNames);
  static_assert(kIndex.well_spread());
  std::size_t i = 0;
  text::for_each_word(kNames, [&](std::string_view name) { EXPECT_EQ(*kIndex.find(name), i++) << name; });
}

TEST(NameIndex, DetectsADuplicateName) {
  EXPECT_TRUE(index_of<Case::matters>("a A b").well_spread());
  EXPECT_FALSE(index_of<Case::matters>("a b a").well_spread());
  EXPECT_FALSE(index_of<Case::ignored>("a A b").well_spread());
}

}  // namespace

}  // namespace ipseckey
