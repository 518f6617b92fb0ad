#include "lang/lines.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

namespace ipseckey::lang {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Gives a text out in pieces of at most `chunk` bytes.
LineReader::Fill pieces(std::string_view text, std::size_t chunk) {
  return [text, chunk](MutableBytes room) mutable -> Result<std::size_t> {
    const std::size_t n = std::min({chunk, room.size(), text.size()});
    std::ranges::copy(std::as_bytes(std::span(text.substr(0, n))), room.begin());
    text.remove_prefix(n);
    return n;
  };
}

std::string describe(const LineReader& reader, const Line& line) {
  std::string out = std::to_string(line.number) + ' ';
  if (line.kind == Line::Kind::too_long) return out + "too long";
  if (line.kind != Line::Kind::command) out += line.kind == Line::Kind::swallowed ? "swallowed " : "of JSON ";
  // So that a failure can be read.
  const std::string_view text = reader.text(line);
  return text.size() < 1000 ? out += text : out + std::to_string(text.size()) + " bytes of " + text.back();
}

std::vector<std::string> read_all(LineReader::Fill fill) {
  LineReader reader(std::move(fill));
  std::vector<std::string> out;
  while (true) {
    const auto line = reader.next();
    if (!line) {
      out.push_back("error: " + line.error().text);
      return out;
    }
    if (!*line) return out;
    out.push_back(describe(reader, **line));
    reader.release(**line);
  }
}

// What the reader makes of a text must not depend on how it arrives.
std::vector<std::string> lines_of(std::string_view text) {
  const auto whole = read_all(pieces(text, text.size() + 1));
  for (std::size_t chunk = 1; chunk <= text.size(); ++chunk)
    EXPECT_EQ(read_all(pieces(text, chunk)), whole) << "in chunks of " << chunk;
  return whole;
}

TEST(Lines, AreCommandsBetweenBlankLinesAndComments) {
  EXPECT_THAT(lines_of(""), IsEmpty());
  EXPECT_THAT(lines_of("\n \t\n\r\n# a comment\n   # another\n#"), IsEmpty());
  EXPECT_THAT(lines_of("flush esp\n# no\n\n  flush ah\nget"), ElementsAre("1 flush esp", "4   flush ah", "5 get"));
  EXPECT_THAT(lines_of("flush # esp\n"), ElementsAre("1 flush # esp"));
  EXPECT_THAT(lines_of("flush\r\ndump\r\n"), ElementsAre("1 flush\r", "2 dump\r"));
}

TEST(Lines, BeginBehindAByteOrderMark) {
  EXPECT_THAT(lines_of("\xef\xbb\xbf"
                       "flush\ndump"),
              ElementsAre("1 flush", "2 dump"));
  EXPECT_THAT(lines_of("\xef\xbb\xbf# a comment\n dump"), ElementsAre("2  dump"));
  EXPECT_THAT(lines_of("\xef\xbb\xbf"), IsEmpty());
  EXPECT_THAT(lines_of("\xef\xbb"), ElementsAre("1 \xef\xbb"));  // Not a whole one.
  EXPECT_THAT(lines_of("x\n\xef\xbb\xbf"
                       "dump"),
              ElementsAre("1 x",
                          "2 \xef\xbb\xbf"
                          "dump"));
  EXPECT_THAT(lines_of(std::string_view("\xff\xfe"
                                        "a\0",
                                        4)),
              ElementsAre("error: line 1 holds a NUL byte: this is not a file of commands"));
}

TEST(Lines, ContinueAfterABackslash) {
  EXPECT_THAT(lines_of("add esp \\\nspi 1\nflush"), ElementsAre("1 add esp \\\nspi 1", "3 flush"));
  EXPECT_THAT(lines_of("add esp\\\nspi 1"), ElementsAre("1 add esp\\\nspi 1"));
  EXPECT_THAT(lines_of("add \\\r\nspi 1\r\nflush\r\n"), ElementsAre("1 add \\\r\nspi 1\r", "3 flush\r"));
  EXPECT_THAT(lines_of("add \\ \t\nspi 1\nflush"), ElementsAre("1 add \\ \t\nspi 1", "3 flush"));
  EXPECT_THAT(lines_of("add esp \\\n\nflush"), ElementsAre("1 add esp \\\n", "3 flush"));  // As `save` on Solaris ends.
  EXPECT_THAT(lines_of("add esp \\\nflush"), ElementsAre("1 add esp \\\nflush"));
  EXPECT_THAT(lines_of("\\\nadd"), ElementsAre("1 \\\nadd"));
}

TEST(Lines, EndWithTheFile) {
  EXPECT_THAT(lines_of("flush"), ElementsAre("1 flush"));
  EXPECT_THAT(lines_of("add esp \\"), ElementsAre("1 add esp \\"));
  EXPECT_THAT(lines_of("add esp \\\n"), ElementsAre("1 add esp \\"));
  EXPECT_THAT(lines_of("add esp \\\n  "), ElementsAre("1 add esp \\\n  "));
}

TEST(Lines, LeaveCommentsInsideACommandToTheWords) {
  EXPECT_THAT(lines_of("add esp \\\n# state dying\n spi 1\nflush"),
              ElementsAre("1 add esp \\\n# state dying\n spi 1", "4 flush"));
  EXPECT_THAT(lines_of("add esp \\\n# one \\\n# two\nspi 1 \\\n\ndump"),
              ElementsAre("1 add esp \\\n# one \\\n# two\nspi 1 \\\n", "6 dump"));
}

TEST(Lines, BelongToACommentThatEndsInABackslash) {
  EXPECT_THAT(lines_of("# add esp \\\n  spi 1\nflush"), ElementsAre("3 flush"));
  EXPECT_THAT(lines_of("# old keys \\\nadd esp spi 1\nflush"), ElementsAre("2 swallowed add esp spi 1", "3 flush"));
  EXPECT_THAT(lines_of("# \\\r\nflush\r\n"), ElementsAre("2 swallowed flush\r"));
  EXPECT_THAT(lines_of("# \\\n text \\\n dump \nflush"), ElementsAre("3 swallowed  dump ", "4 flush"));
  EXPECT_THAT(lines_of("# \\"), IsEmpty());
}

TEST(Lines, ContinueIndentedAsTheSolaris9PagePrintsThem) {
  EXPECT_THAT(lines_of("add ah spi 1 dst b\n     authalg md5 authkey ab\n\thard_bytes 1\nflush"),
              ElementsAre("1 add ah spi 1 dst b\n     authalg md5 authkey ab\n\thard_bytes 1", "4 flush"));
  EXPECT_THAT(lines_of("update ah spi 1 hard_bytes\n      16000000\nexit"),
              ElementsAre("1 update ah spi 1 hard_bytes\n      16000000", "3 exit"));
  EXPECT_THAT(lines_of("add ah spi 1 \\\n authkey\n ab \\\n replay 1 \nexit"),
              ElementsAre("1 add ah spi 1 \\\n authkey\n ab \\\n replay 1 ", "5 exit"));
  EXPECT_THAT(lines_of("add ah srcidtype\n fqdn a\n"), ElementsAre("1 add ah srcidtype\n fqdn a"));
  EXPECT_THAT(lines_of("add ah srcidtype fqdn\n a\n b"), ElementsAre("1 add ah srcidtype fqdn\n a", "3  b"));
  EXPECT_THAT(lines_of("add ah spi 1\r\n  authkey\r\n  ab\r\n"), ElementsAre("1 add ah spi 1\r\n  authkey\r\n  ab\r"));
}

TEST(Lines, DoNotContinueWithoutAReason) {
  EXPECT_THAT(lines_of("add ah spi 1\ndst b"), ElementsAre("1 add ah spi 1", "2 dst b"));  // Not indented.
  EXPECT_THAT(lines_of("add ah spi 1\n\n dst b"), ElementsAre("1 add ah spi 1", "3  dst b"));
  EXPECT_THAT(lines_of("add ah spi 1\n#\n dst b"), ElementsAre("1 add ah spi 1", "3  dst b"));
  EXPECT_THAT(lines_of("add ah spi 1\n flush"), ElementsAre("1 add ah spi 1", "2  flush"));
  EXPECT_THAT(lines_of("add ah spi\n flush"), ElementsAre("1 add ah spi", "2  flush"));
  EXPECT_THAT(lines_of("add ah spi 1\n dest b"), ElementsAre("1 add ah spi 1", "2  dest b"));
  EXPECT_THAT(lines_of("add ah spi 1 inbound\n 16"), ElementsAre("1 add ah spi 1 inbound", "2  16"));
  EXPECT_THAT(lines_of("add ah spi 1 \\\n\n dst b"), ElementsAre("1 add ah spi 1 \\\n", "3  dst b"));
  EXPECT_THAT(lines_of("add ah spi 1 \\\n \t\r\n dst b"), ElementsAre("1 add ah spi 1 \\\n \t\r", "3  dst b"));
}

TEST(Lines, MayBeLong) {
  const std::string longest = "save all " + std::string(LineReader::kLongest - 9, 'x');
  const std::string over = longest + 'x';
  for (const std::size_t chunk : {std::size_t{4096}, std::size_t{1} << 18, std::size_t{1} << 30}) {
    EXPECT_EQ(read_all(pieces(longest + "\nflush\n", chunk)),
              (std::vector<std::string>{"1 1048576 bytes of x", "2 flush"}));
    EXPECT_THAT(read_all(pieces(over + "\nflush\ndump", chunk)), ElementsAre("1 too long", "2 flush", "3 dump"));
    EXPECT_THAT(read_all(pieces("dump\n" + over, chunk)), ElementsAre("1 dump", "2 too long"));
    EXPECT_THAT(read_all(pieces(over + "\\\nspi 1\nflush", chunk)), ElementsAre("1 too long", "3 flush"));
    EXPECT_THAT(read_all(pieces("add \\\n" + over + "\nflush", chunk)), ElementsAre("1 too long", "3 flush"));
  }
}

// A line that a command of the usual length would take with it is skipped with one that is too long.
TEST(Lines, ThatContinueOneThatIsTooLongAreSkippedToo) {
  const std::string over = "add esp spi " + std::string(LineReader::kLongest, 'x');
  struct Case {
    std::string_view behind, next;
  };
  for (const Case& c : {
           Case{"\n    dst 1.2.3.4\nflush", "3 flush"},
           Case{"\n\tdst 1.2.3.4 \\\n# comment\nspi 1\n encralg aes\nflush", "6 flush"},
           Case{"\n    1.2.3.4\n    dst 1.2.3.4\nflush", "4 flush"},
           Case{"\\\nspi 1\n    dst 1.2.3.4\nflush", "4 flush"},
           Case{"\n    dump\nflush", "2     dump"},
           Case{"\n    # comment\nflush", "3 flush"},
           Case{"\n\n    dst 1.2.3.4", "3     dst 1.2.3.4"},
           Case{"\\\n  \n    dst 1.2.3.4", "3     dst 1.2.3.4"},
           Case{"\ndst 1.2.3.4", "2 dst 1.2.3.4"},
       })
    for (const std::size_t chunk : {std::size_t{4096}, std::size_t{1} << 30}) {
      std::vector<std::string> lines = read_all(pieces(over + std::string(c.behind), chunk));
      lines.resize(2);
      EXPECT_THAT(lines, ElementsAre("1 too long", std::string(c.next))) << c.behind;
    }
  EXPECT_THAT(read_all(pieces("#" + over + "\n    dst 1.2.3.4", 1 << 30)),
              ElementsAre("1 too long", "2     dst 1.2.3.4"));
  const std::string half(LineReader::kLongest / 2, 'x');
  EXPECT_THAT(read_all(pieces("add esp\n  spi " + half + "\n  src " + half + "\n  dst 1.2.3.4\nflush", 1 << 30)),
              ElementsAre("1 too long", "5 flush"));
}

TEST(Lines, AreTooLongOnlyByThemselves) {
  const std::string half(LineReader::kLongest / 2 + 100, 'x');
  EXPECT_EQ(read_all(pieces(half + '\n' + half + "\nflush", 1 << 30)),
            (std::vector<std::string>{"1 524388 bytes of x", "2 524388 bytes of x", "3 flush"}));
  EXPECT_THAT(read_all(pieces("add " + half + "\\\n" + half + "\\\nspi 1\nflush", 1 << 30)),
              ElementsAre("1 too long", "4 flush"));
  EXPECT_EQ(read_all(pieces(half + "\n# " + half + half + "\\\nflush\ndump", 1 << 30)),
            (std::vector<std::string>{"1 524388 bytes of x", "2 too long", "4 dump"}));
}

TEST(Lines, OfTwentyMegabytesTakeLittleMemory) {
  std::size_t left = 20 << 20, most_room = 0;
  bool tail = false;
  LineReader reader([&](MutableBytes room) -> Result<std::size_t> {
    most_room = std::max(most_room, room.size());
    if (left == 0) {
      if (std::exchange(tail, true)) return 0;
      constexpr std::string_view kTail = "\nflush\n";
      std::ranges::copy(std::as_bytes(std::span(kTail)), room.begin());
      return kTail.size();
    }
    const std::size_t n = std::min(left, room.size());
    std::ranges::fill(room.first(n), std::byte{'x'});
    left -= n;
    return n;
  });
  auto line = reader.next();
  ASSERT_TRUE(line && *line);
  EXPECT_EQ(describe(reader, **line), "1 too long");
  reader.release(**line);
  line = reader.next();
  ASSERT_TRUE(line && *line);
  EXPECT_EQ(describe(reader, **line), "2 flush");
  EXPECT_LE(most_room, 4 * LineReader::kLongest);
}

// What is skipped behind a command that the caller still keeps.
TEST(Lines, ThatAreSkippedTakeLittleMemory) {
  const std::string blank(1 << 16, '\n'), comment = "# " + std::string(1 << 16, 'x') + '\n', endless(1 << 16, 'x');
  std::string backslashes, joined;
  while (backslashes.size() < 1 << 16) backslashes += "# x\\\n";
  while (joined.size() < 1 << 16) joined += "  dst 192.0.2.1\n";
  for (const std::string_view skipped : {blank, comment, endless, backslashes, joined}) {
    const std::string_view start = skipped == joined ? "flush\nadd ah\n" : "flush\n";
    std::size_t given = 0, most_room = 0;
    LineReader reader([&](MutableBytes room) -> Result<std::size_t> {
      most_room = std::max(most_room, room.size());
      const std::string_view piece = given == 0 ? start : given < 20 << 20 ? skipped : "";
      given += piece.size();
      std::ranges::copy(std::as_bytes(std::span(piece)), room.begin());
      return piece.size();
    });
    auto line = reader.next();
    ASSERT_TRUE(line && *line);
    EXPECT_EQ(describe(reader, **line), "1 flush");
    for (Line kept = **line; line && *line; line = reader.next()) {
      EXPECT_EQ(reader.text(kept), kept.length == 0 ? "" : "flush");
      if ((*line)->kind == Line::Kind::nothing) reader.release(kept = **line);
    }
    EXPECT_TRUE(line);
    EXPECT_LE(most_room, 4 * LineReader::kLongest);
  }
}

TEST(Lines, MayBeKeptByACallerThatReleasesNothing) {
  const std::string text = "flush\n" + std::string(5 << 20, '\n') + "dump\n#" + std::string(5 << 20, 'x') + "\nflush";
  LineReader reader(pieces(text, 1 << 16));
  std::vector<std::string> commands;
  std::size_t nothings = 0;
  std::vector<Line> kept;
  for (auto line = reader.next(); line && *line; line = reader.next()) {
    nothings += (*line)->kind == Line::Kind::nothing;
    if ((*line)->kind != Line::Kind::nothing) kept.push_back(**line);
  }
  for (const Line& line : kept) commands.push_back(describe(reader, line));
  EXPECT_THAT(commands, ElementsAre("1 flush", "5242882 dump", "5242883 too long", "5242884 flush"));
  EXPECT_EQ(nothings, 8u);
}

TEST(Lines, OfACommentHaveALimitToo) {
  EXPECT_THAT(read_all(pieces("# " + std::string(LineReader::kLongest, 'x') + "\nflush", 1 << 20)),
              ElementsAre("1 too long", "2 flush"));
}

TEST(Lines, HoldNoNulByte) {
  using namespace std::string_literals;
  EXPECT_THAT(lines_of("flush\ndump\nadd\0 esp\ndump"s),
              ElementsAre("1 flush", "2 dump", "error: line 3 holds a NUL byte: this is not a file of commands"));
  EXPECT_THAT(lines_of("# \0\n"s), ElementsAre("error: line 1 holds a NUL byte: this is not a file of commands"));
}

TEST(Lines, AreKeptUntilReleased) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "save all f" + std::to_string(i) + '\n';
  LineReader reader(pieces(text, 1 << 16));
  std::vector<Line> kept;
  for (auto line = reader.next(); line && *line; line = reader.next()) kept.push_back(**line);
  ASSERT_EQ(kept.size(), 100'000u);
  EXPECT_EQ(reader.text(kept.front()), "save all f0");
  EXPECT_EQ(reader.text(kept[54'321]), "save all f54321");
  reader.release(kept[50'000]);
  EXPECT_EQ(reader.text(kept[54'321]), "save all f54321");
  EXPECT_EQ(reader.text(kept.back()), "save all f99999");
}

TEST(Lines, ReleasedOutOfStepKeepTheRest) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += "save all f" + std::to_string(i) + '\n';
  LineReader reader(pieces(text, 4096));
  std::vector<Line> kept;
  std::size_t released = 0;
  for (auto line = reader.next(); line && *line; line = reader.next()) {
    kept.push_back(**line);
    if (kept.size() - released > 64) reader.release(kept[released++]);
    for (std::size_t i = released; i < kept.size(); i += 13)
      ASSERT_EQ(reader.text(kept[i]), "save all f" + std::to_string(i));
  }
  EXPECT_EQ(kept.size(), 50'000u);
}

TEST(Lines, EndWhereReadingFails) {
  int calls = 0;
  const auto fill = [&](MutableBytes room) -> Result<std::size_t> {
    if (++calls > 1) return fail(Errc::io, "the disk is gone");
    constexpr std::string_view kText = "flush\ndump";
    std::ranges::copy(std::as_bytes(std::span(kText)), room.begin());
    return kText.size();
  };
  EXPECT_THAT(read_all(fill), ElementsAre("error: the disk is gone"));
}

}  // namespace
}  // namespace ipseckey::lang
