#include "lang/suggest.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "lang/testing.h"

namespace lang {
namespace {

using lang::testing::report;

struct Row {
  std::string_view word, candidates, expected;
};

TEST(Suggest, TheNearestOfTheCandidates) {
  constexpr Row kRows[] = {
      // Equal but for its case beats all else.
      {"ADD", "added add", "; did you mean add?"},
      // What goes on where the word ends, from two characters on.
      {"ad", "add update", "; did you mean add?"},
      {"sha3", "sha sha1 sha384", "; did you mean sha384?"},
      {"SHA3", "sha sha1 sha384", "; did you mean sha384?"},
      {"del", "delete delete-pair dump", "; did you mean delete or delete-pair?"},
      {"d", "delete dump", ""},
      // One slip in three characters, at most two.
      {"spj", "spi sport", "; did you mean spi?"},
      {"enrcalg", "encr_alg encralg", "; did you mean encralg?"},
      {"sh", "spi", ""},
      {"abcdefghi", "abcdefxyz", ""},
      {"abcdefghi", "abcdefgxy", "; did you mean abcdefgxy?"},
      // All that are equally near, if they are few enough to choose from.
      {"tcpx", "tcpa tcpb tcpc", "; did you mean tcpa, tcpb or tcpc?"},
      {"tcpx", "tcpa tcpb tcpc tcpd", ""},
      {"tcp", "tcpa tcpb tcpc tcpd", ""},
      {"", "add", ""},
  };
  for (const Row& row : kRows) {
    std::vector<std::string_view> candidates;
    text::for_each_word(row.candidates, [&](std::string_view w) { candidates.push_back(w); });
    EXPECT_EQ(did_you_mean(row.word, candidates), row.expected) << row.word << " among " << row.candidates;
  }
}

TEST(Suggest, Lists) {
  EXPECT_EQ(listed("", "and"), "");
  EXPECT_EQ(listed("a", "and"), "a");
  EXPECT_EQ(listed("a b", "and"), "a and b");
  EXPECT_EQ(listed("a b c", "or"), "a, b or c");
}

TEST(Suggest, OfTheLanguageItself) {
  EXPECT_EQ(report("ad esp spi 1 dst 192.0.2.1"), "keys:1:1: error: Unknown command \"ad\"; did you mean add?\n");
  EXPECT_EQ(report("del esp spi 1 dst 192.0.2.1"),
            "keys:1:1: error: Unknown command \"del\"; did you mean delete or delete-pair?\n");
  EXPECT_EQ(report("update esp spi 1 dst 192.0.2.1 authalg sha3"),
            "keys:1:40: error: authalg: Unknown authentication algorithm \"sha3\"; did you mean sha384?\n");
  EXPECT_EQ(report("update esp spi 1 dst 192.0.2.1 encralg sha256"),
            "keys:1:40: error: encralg: Unknown encryption algorithm \"sha256\"\n");
}

}  // namespace
}  // namespace lang
