#include "table/words.h"

#include <gmock/gmock.h>

#include <random>

namespace ipseckey::table {
namespace {

// Words between bars; a quoted one in "", an escaped one in $"".
std::string cut(std::string_view text) {
  std::vector<Word> words;
  if (const auto fault = split(text, words)) return std::to_string(fault->at) + ": " + std::string(fault->message);
  std::string out;
  for (const Word& w : words) {
    if (!out.empty()) out += '|';
    out += w.kind == Word::Kind::bare     ? std::string(w.text)
           : w.kind == Word::Kind::quoted ? '"' + std::string(w.text) + '"'
                                          : "$\"" + std::string(w.text) + '"';
  }
  return out;
}

struct TextRow {
  std::string_view text;
  std::string_view expected;
};

constexpr std::string_view kUnclosed = "the quotation mark is not closed on its line";
constexpr std::string_view kGlued = "a blank is needed after the closing quotation mark";

constexpr TextRow kCuts[] = {
    {"", ""},
    {" \t\r\n\v\f ", ""},
    {"add", "add"},
    {"  add   esp\tspi\r\n1 ", "add|esp|spi|1"},
    {"a#b # c", "a#b|#|c"},  // A comment has a line of its own.
    // Continued lines.
    {"add \\\nesp", "add|esp"},
    {"add\\\nesp", "add|esp"},
    {"dst6 fec0:bbbb::7843\\\nauthalg md5", "dst6|fec0:bbbb::7843|authalg|md5"},
    {"add \\\r\nesp", "add|esp"},
    {"add\\\r\nesp", "add|esp"},
    {"add \\ \t \nesp", "add|esp"},
    {"add\\  \nesp", "add|esp"},
    {"add esp \\", "add|esp"},
    {"add esp\\", "add|esp"},
    {"add esp\\ ", "add|esp"},
    {"\\\n\\\n add", "add"},
    {"a\\b \\c \\\\d", "a\\b|\\c|\\\\d"},  // Inside a line it is a character like any other.
    {"a \\ b", "a|\\|b"},
    {"a\\\\\nb", "a\\|b"},
    // Comments inside a command.
    {"add \\\n# not this\nesp", "add|esp"},
    {"add \\\n  # nor this \\\n\t#nor this\n esp spi", "add|esp|spi"},
    {"add \\\n# to the end", "add"},
    {"add\n#\nesp", "add|esp"},
    {"add \\\n spi # 1", "add|spi|#|1"},
    // Quotes.
    {"a \"b c\" d", "a|\"b c\"|d"},
    {"a \"\" d", "a|\"\"|d"},
    {"\" b\"", "\" b\""},
    {"\"a\\\"", "\"a\\\""},
    {"\"#\"", "\"#\""},
    {"a\"b", "a\"b"},  // In the middle of a word it is a character like any other.
    {"$\"a\\\"b\" c", "$\"a\\\"b\"|c"},
    {"$\"\\\\\" c", "$\"\\\\\"|c"},
    {"$a $", "$a|$"},
    {"\"a\"\\\nb", "\"a\"|b"},
};

TEST(Words, AreCut) {
  for (const TextRow& row : kCuts) EXPECT_EQ(cut(row.text), row.expected) << row.text;
}

TEST(Words, KeepTheirPlaces) {
  std::vector<Word> words;
  ASSERT_FALSE(split("add \\\n esp \"a b\" $\"c\"", words));
  std::vector<std::uint32_t> places;
  for (const Word& w : words) places.push_back(w.at);
  EXPECT_THAT(places, testing::ElementsAre(0, 7, 11, 17));
}

TEST(Words, AreRefused) {
  EXPECT_EQ(cut("a \"b c"), "2: " + std::string(kUnclosed));
  EXPECT_EQ(cut("\""), "0: " + std::string(kUnclosed));
  EXPECT_EQ(cut("a \"b\nc\""), "2: " + std::string(kUnclosed));
  EXPECT_EQ(cut("a $\"b\\\""), "2: " + std::string(kUnclosed));
  EXPECT_EQ(cut("a $\"b\\"), "2: " + std::string(kUnclosed));
  EXPECT_EQ(cut("a \"b\"c"), "5: " + std::string(kGlued));
  EXPECT_EQ(cut("\"b\"\"c\""), "3: " + std::string(kGlued));
  EXPECT_EQ(cut("\"b\"\\c"), "3: " + std::string(kGlued));
}

TEST(Words, AreUnescaped) {
  const auto bare = [](std::string_view text, Word::Kind kind) { return unescape(Word{text, 0, kind}); };
  EXPECT_EQ(bare("a\\n", Word::Kind::bare), "a\\n");
  EXPECT_EQ(bare("a\\n", Word::Kind::quoted), "a\\n");
  EXPECT_EQ(bare("a\\n\\r\\t\\\\\\\"\\x41\\xfFz", Word::Kind::escaped), "a\n\r\t\\\"A\xffz");
  EXPECT_EQ(bare("", Word::Kind::escaped), "");
  for (const std::string_view wrong : {"\\", "\\q", "\\x", "\\x1", "\\xg1", "\\x1g", "\\x00", "\\X41", "\\0"})
    EXPECT_EQ(bare(wrong, Word::Kind::escaped), std::nullopt) << wrong;
}

constexpr TextRow kQuotes[] = {
    {"", "\"\""},
    {"host.example.com", "host.example.com"},
    {"joe@example.com", "joe@example.com"},
    {"a b", "\"a b\""},
    {"#1", "\"#1\""},
    {"a#1", "a#1"},
    {"$a", "\"$a\""},
    {"a\\", "\"a\\\""},
    {"a\"b", "$\"a\\\"b\""},
    {"a\nb", "$\"a\\x0ab\""},
    {"\x7f\\", "$\"\\x7f\\\\\""},
    {"gr\xc3\xbc\xc3\x9f", "$\"gr\\xc3\\xbc\\xc3\\x9f\""},
    {"\x80", "$\"\\x80\""},
    {"a\xff", "$\"a\\xff\""},
};

TEST(Words, AreQuotedWhereNeeded) {
  for (const TextRow& row : kQuotes) {
    std::string out;
    write_quoted(row.text, out);
    EXPECT_EQ(out, row.expected) << row.text;
  }
}

TEST(Words, AreReadBackFromQuotes) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 12, ' ');
    constexpr std::string_view kSpecial = "\\\"$# \n\r\tx0";
    for (char& c : text)
      c = random() % 2 ? kSpecial[random() % kSpecial.size()]
                       : static_cast<char>(static_cast<unsigned char>(1 + random() % 255));
    std::string line = "srcidtype fqdn ";
    write_quoted(text, line);
    line += " \\\n    spi";
    std::vector<Word> words;
    ASSERT_FALSE(split(line, words)) << line;
    ASSERT_EQ(words.size(), 4u) << line;
    EXPECT_EQ(unescape(words[2]), text) << line;
  }
}

// split() reads sixteen characters at a time: every length, at every place, with every end.
TEST(Words, AreCutAlikeWhereverTheyAre) {
  for (const char* const end : {" ", "\t", "\r", "\n", "\\\n", " \\\n"})
    for (std::size_t before = 0; before < 66; ++before)
      for (std::size_t length = 1; length < 67; ++length) {
        const std::string word(length, 'f');
        std::string text = std::string(before, 'a');
        text += before > 0 ? " " : "";
        text += word + end + word + end + "last";
        EXPECT_EQ(cut(text), (before > 0 ? std::string(before, 'a') + '|' : "") + word + '|' + word + "|last") << text;
      }
  // Anything but a blank belongs to the word.
  for (const char inside : {'\x01', '\x1f', '\x7f', '\x80', '\xff', '\\', '"', '$', '#'})
    for (std::size_t at = 1; at < 67; ++at) {
      const std::string word = std::string(at, 'f') + inside + "ff";
      EXPECT_EQ(cut(word + ' ' + word), word + '|' + word) << at << ' ' << static_cast<int>(inside);
    }
}

}  // namespace
}  // namespace ipseckey::table
