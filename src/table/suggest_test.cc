#include "table/suggest.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace ipseckey::table {
namespace {

struct Row {
  std::string_view word, candidates, expected;
};

TEST(Suggest, TheNearestOfTheCandidates) {
  constexpr Row kRows[] = {
      // A word that differs only in case comes before all others.
      {"ADD", "added add", "; did you mean add?"},
      // Words that begin with it, if it has two characters or more.
      {"ad", "add update", "; did you mean add?"},
      {"sha3", "sha sha1 sha384", "; did you mean sha384?"},
      {"SHA3", "sha sha1 sha384", "; did you mean sha384?"},
      {"del", "delete delete-pair dump", "; did you mean delete or delete-pair?"},
      {"d", "delete dump", ""},
      // One typing error in three characters, at most two.
      {"spj", "spi sport", "; did you mean spi?"},
      {"enrcalg", "encr_alg encralg", "; did you mean encralg?"},
      {"sh", "spi", ""},
      {"abcdefghi", "abcdefxyz", ""},
      {"abcdefghi", "abcdefgxy", "; did you mean abcdefgxy?"},
      // All that are equally near, if there are at most three.
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

}  // namespace
}  // namespace ipseckey::table
