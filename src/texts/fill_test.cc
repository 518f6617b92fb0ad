#include "texts/fill.h"

#include <gmock/gmock.h>

#include "texts/tables.h"

namespace ipseckey::texts {
namespace {

using ::testing::HasSubstr;

Tables animals() {
  return {{"animal",
           {{{"name", "cat"}, {"names", "cat tom"}, {"legs", "4"}, {"say", "it's [so]: .a\\b"}},
            {{"name", "hen"}, {"names", "hen"}, {"legs", "2"}, {"say", ""}},
            {{"name", "ape"}, {"names", "ape"}, {"legs", "2"}, {"say", "`rm x` does"}}}}};
}

std::string filled(std::string_view text) {
  const auto result = fill(text, animals(), "1.2");
  return result ? *result : result.error().text;
}

TEST(Fill, OtherTextStays) {
  EXPECT_EQ(filled("a {b} ${c}\n\n.Os x @version@ y\n"), "a {b} ${c}\n\n.Os x 1.2 y\n");
  EXPECT_EQ(filled("no end"), "no end\n");
}

TEST(Fill, ABlockIsWrittenForEachRowOrThoseSelected) {
  EXPECT_EQ(filled("@each animal\n- {{name}} has {{legs}}\n@end\n.\n"), "- cat has 4\n- hen has 2\n- ape has 2\n.\n");
  EXPECT_EQ(filled("@each animal legs=2\n{{name}}\n@end\n"), "hen\nape\n");
  EXPECT_EQ(filled("@each animal legs=2 say=\n{{names|cases}})\n@end\n"), "'hen')\n");
  EXPECT_EQ(filled("@each animal name=cat\n{{names|cases}})\n@end\n"), "'cat'|'tom')\n");
}

TEST(Fill, ALineWhosePartsAreAllEmptyIsLeftOut) {
  EXPECT_EQ(filled("@each animal legs=2\n{{name}}:\n  says {{say}}\n--\n@end\n"),
            "hen:\n--\nape:\n  says `rm x` does\n--\n");
}

TEST(Fill, TextForOneRowFollowsIt) {
  EXPECT_EQ(filled("@each animal\n{{name}}\n@more ape\nclimbs\nwell\n@before hen\n== birds\n@end\n"),
            "cat\n== birds\nhen\nape\nclimbs\nwell\n");
}

TEST(Fill, Filters) {
  EXPECT_EQ(filled("@each animal\n{{say|mdoc}}\n@end\n"), "it's [so]: .a\\eb\n\\(oqrm x\\(cq does\n");
  EXPECT_EQ(filled("@each animal legs=4\n{{names|list}} '{{say|sh}}' '{{say|fish}}' '{{say|zsh}}'\n@end\n"),
            "cat , tom 'it'\\''s [so]: .a\\b' 'it\\'s [so]: .a\\\\b' 'it'\\''s \\[so\\]\\: .a\\\\b'\n");
  const Tables one{{"a", {{{"name", "[all|FILE] HEX[/BITS] ..."}}}}};
  EXPECT_EQ(fill("@each a\n.It {{name|args}}\n@end", one, "").value(),
            ".It No \\&[\\& Ns Cm all Ns No \\&|\\& Ns Ar FILE Ns No \\&]\\& Ar HEX Ns No \\&[/\\& Ns Ar BITS Ns No "
            "\\&]\\& No \\&...\\&\n");
  const Tables flags{{"a", {{{"name", "-f FILE , --file=FILE -v [--dry-run] FILE|-"}}}}};
  EXPECT_EQ(fill("@each a\n.It {{name|args}}\n@end", flags, "").value(),
            ".It Fl f Ar FILE , Fl Fl file Ns = Ns Ar FILE Fl v No \\&[\\& Ns Fl Fl dry-run Ns No \\&]\\& "
            "Ar FILE Ns No \\&|\\& Ns No \\&-\\&\n");
}

TEST(Fill, SentencesAndLists) {
  const Tables one{{"a", {{{"name", "help ?"}, {"say", "carry `x y`;\nor not"}}}}};
  EXPECT_EQ(fill("@each a\n{{name|list}}: {{say|sentence}}\n@end", one, "").value(),
            "help , \\&?: Carry \\(oqx y\\(cq; or not.\n");
  std::string longer = "word";
  for (int i = 0; i < 40; ++i) longer += " word";
  const Tables two{{"a", {{{"name", longer}}}}};
  const std::string broken = fill("@each a\n{{name|mdoc}}\n@end", two, "").value();
  for (std::string_view rest = broken; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1))
    EXPECT_LE(rest.find('\n'), 78u);
}

TEST(Fill, EveryMistakeIsNamedWithItsLine) {
  EXPECT_EQ(filled("\n@each plant\n@end"), "line 2: there is no table plant");
  EXPECT_EQ(filled("@each animal wings=2\n@end"), "line 1: the rows of animal have no field wings");
  EXPECT_EQ(filled("@each animal\n{{wings}}\n@end"), "line 3: there is no field wings");
  EXPECT_EQ(filled("@each animal\n{{name|loud}}\n@end"), "line 3: there is no filter loud");
  EXPECT_EQ(filled("@each animal\n{{name\n@end"), "line 3: {{ without its }}");
  EXPECT_EQ(filled("@each animal\n@more cow\n@end"), "line 2: there is no row cow");
  EXPECT_EQ(filled("@each animal legs=2\n@more cat\n@end"), "line 2: there is no row cat");
  EXPECT_EQ(filled("@each animal\n@more cat\n@more cat\n@end"), "line 3: cat is given twice");
  EXPECT_EQ(filled("@each animal\n@each animal\n@end"), "line 2: @each is not allowed here");
  EXPECT_EQ(filled("@each animal\n"), "line 1: @each without its @end");
  EXPECT_EQ(filled("@end"), "line 1: @end is not allowed here");
  EXPECT_EQ(filled("@loop"), "line 1: @loop is not allowed here");
}

// All rows of a kind have the same fields, or a template that is right for the first would fail at another.
TEST(Tables, RowsOfAKindAreAlike) {
  for (const auto& [kind, rows] : program_tables()) {
    ASSERT_FALSE(rows.empty()) << kind;
    for (const Row& row : rows) {
      std::vector<std::string> fields, expected;
      for (const auto& [field, text] : row) fields.push_back(field);
      for (const auto& [field, text] : rows.front()) expected.push_back(field);
      EXPECT_EQ(fields, expected) << kind;
      EXPECT_NE(row.at("name"), "") << kind;
    }
  }
}

TEST(Tables, SayWhatTheProgramKnows) {
  constexpr std::string_view kText =
      "@each command\n{{name}}/{{satypes}}/{{operands}}/{{keywords}}/{{required}}/{{shell}}/{{file}}\n@end\n"
      "@each keyword\n{{names}}={{value}}={{words}}={{used}}={{required}}={{values}}={{secret}}\n@end\n"
      "@each algorithm\n{{name}} {{kind}} {{number}} {{keys}} {{icv}} {{class}} {{source}}\n@end\n";
  const std::string text = fill(kText, program_tables(), "").value();
  for (const std::string_view line :
       {"delete/ah esp/extensions/spi inbound outbound src dst sport dport proto mark/spi dst/yes/yes",
        "save/all ah esp/file///yes/no", "pair-spi=NUMBER=1=add update===no", "encap=udp=1===udp=no",
        "authkey=HEX[/BITS]|@FILE=1====yes", "spi=NUMBER=1==add update update-pair delete delete-pair get==no",
        "state=STATE=1===larval mature dying dead active-elsewhere idle active=no",
        "aes-gcm encrypt 20 128, 192 or 256 bits plus a 32-bit salt 16 combined RFC 4106"})
    EXPECT_THAT(text, HasSubstr("\n" + std::string(line) + "\n"));
}

}  // namespace
}  // namespace ipseckey::texts
