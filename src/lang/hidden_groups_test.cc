// Keys that are written in groups of digits, as dumps of files have them, behind whatever word somebody took for the
// keyword: no group is shown, nor the text around them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"
#include "lang/testing.h"

namespace ipseckey::lang {
namespace {

using lang::testing::run;

// Each octet has a letter, so that no number in a report is one of them.
constexpr std::array<std::string_view, 16> kOctets = {"c0", "ff", "ee", "1b", "ad", "4c", "de", "5c",
                                                      "a1", "ab", "1e", "da", "cd", "fa", "1f", "bb"};

struct Style {
  std::string_view before, between, after;
  std::size_t octets;  // Of a group.
};
constexpr Style kStyles[] = {{"", " ", "", 2},
                             {"", " ", "", 1},
                             {"", ":", "", 1},
                             {"", "-", "", 1},
                             {"", ", ", "", 2},
                             {"0x", ", 0x", "", 1},
                             {"{0x", ",0x", "}", 1},
                             {"\\x", "\\x", "", 1},
                             {"\"", " ", "\"", 2},
                             {"\"", "-", "\"", 2},
                             {"", ".", "", 2},
                             {"", " \\\n  ", "", 2},
                             {"0x", " 0x", "", 2},
                             {"00000000: ", " ", "  ........L.\\.....", 2},
                             {"", " ", "  .L.\\a1d... g1v-n", 2},
                             {"$\"", ":", "\"", 2},
                             {"(", " ", ")", 1},
                             {"", "_", "", 2}};

std::string key_in(const Style& style, bool upper) {
  std::string out(style.before);
  for (std::size_t i = 0; i < kOctets.size(); ++i) {
    if (i > 0 && i % style.octets == 0) out += style.between;
    for (const char c : kOctets[i]) out += upper && c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
  }
  return out.append(style.after);
}

// The first word of the text that is an octet, or in which two follow one another.
std::string leak(std::string_view text) {
  std::string word;
  for (const char c : std::string(text) + ' ') {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      word += text::lower(c);
      continue;
    }
    const std::string_view digits = std::string_view(word).substr(word.starts_with("0x") ? 2 : word.starts_with('x'));
    for (std::size_t i = 0; i < kOctets.size(); ++i)
      if (digits == kOctets[i] ||
          (i % 2 == 0 && digits.find(std::string(kOctets[i]) += kOctets[i + 1]) != std::string_view::npos))
        return word;
    word.clear();
  }
  return {};
}

TEST(HiddenGroups, BehindEveryWordThatMayBeMeantAsTheKeyword) {
  for (const std::string_view line :
       {"add esp spi 0x1000 dst 192.0.2.1 encralg aes encrkey {} replay 32", "add esp spi 0x1000 dst peer encr_key {}",
        "add esp key {} spi 0x1000", "add esp spi 0x1000 passwd {} dst 192.0.2.1", "add ah secret {}",
        "add ah authkye {}", "add esp spi 0x1000 foo {} dst 192.0.2.1", "add esp {}", "add {}", "{}", "passwd {}",
        "update esp spi {} replay 1", "add esp spi 0x1000 encralg {} hard_bytes 5", "delete ah spi 1 srcidtype fqdn {}",
        "add esp replay_value {}", "get esp spi 0x1000 dst you.domain.com {} # key", "flush {}",
        "add esp spi 0x1000 relpay 32 {} dst 192.0.2.1"})
    for (const Style& style : kStyles)
      for (const bool upper : {false, true})
        for (const Where where : {Where::file, Where::shell, Where::prompt}) {
          std::string text(line);
          text.replace(text.find("{}"), 2, key_in(style, upper));
          const std::string report = run(text, where, {"keys", 1}, true).report;
          ASSERT_NE(report, "") << text;
          ASSERT_EQ(leak(report), "") << text << "\n" << report;
          EXPECT_TRUE(may_hold_key(text)) << text;
        }
}

// No digits tell that it is a key, only the word before it does.
TEST(HiddenGroups, AKeyThatIsTextBehindAKeywordInAnyLetters) {
  for (const std::string_view keyword : {"authkey", "AUTHKEY", "EncrKey", "ENCRKEY", "SharedKey", "AUTH-KEY",
                                         "Auth_Key", "PASSWD", "Secret", "Psk", "KEY"})
    for (const std::string_view key : {"\"q83vEjRWeJCrze8SNFZ4kA==\"", "correct-horse", "$\"battery staple\""}) {
      const auto text = fmt::format("add esp spi 0x1000 dst 192.0.2.1 foo {} {}", keyword, key);
      const std::string report = run(text, Where::file, {"keys", 1}, true).report;
      ASSERT_NE(report, "") << text;
      for (const std::string_view piece : {"q83v", "kA==", "correct", "horse", "battery", "staple"})
        EXPECT_EQ(report.find(piece), std::string::npos) << text << "\n" << report;
      EXPECT_TRUE(may_hold_key(text)) << text;
    }
}

// The words of a report's source line.
std::string shown(std::string_view text) {
  const std::string report = run(text, Where::file, {"keys", 1}, true).report;
  const auto begin = report.find(" | ") + 3;
  return report.substr(begin, report.find('\n', begin) - begin);
}

TEST(HiddenGroups, AndNothingElse) {
  EXPECT_EQ(shown("add esp spi 0x1000 dst 192.0.2.1 encralg aes encrkey c0ff ee1b ad4c replay 32"),
            "add esp spi 0x1000 dst 192.0.2.1 encralg aes encrkey **** **** **** replay 32");
  EXPECT_EQ(shown("add esp spi 0x1000 dst peer encr_key \"c0ff ee1b ad4c\" relpay 32 hard_bytes 1000"),
            "add esp spi 0x1000 dst peer encr_key \"**************\" relpay 32 hard_bytes 1000");
  EXPECT_EQ(shown("add esp spi 0x1000 passwd c0ff ee1b ad4c dst 192.0.2.1"),
            "add esp spi 0x1000 passwd **** **** **** dst 192.0.2.1");
  EXPECT_EQ(shown("add esp spi c0ff ee1b dst 192.0.2.1"), "add esp spi **** **** dst 192.0.2.1");
  EXPECT_EQ(shown("add esp spi 0x1000 nearly c0ff ee1b g00d dst 192.0.2.1"),
            "add esp spi ****** ****** **** **** **** dst 192.0.2.1");
  EXPECT_EQ(shown("00000000: c0ff ee1b ad4c de5c  ....L..%"), "********* **** **** **** ****  ********");
  EXPECT_EQ(shown("add esp spi 0x1000 dport 80 443 dst 192.0.2.1"), "add esp spi 0x1000 dport 80 443 dst 192.0.2.1");
  EXPECT_EQ(shown("add esp 0x1000 dst 192.0.2.1 source 192.0.2.2"), "add esp 0x1000 dst 192.0.2.1 source 192.0.2.2");
  // A slip in an address does not make it a key, where an address is expected.
  for (const std::string_view slip : {"192.0.2.256", "10.20.30.400/24", "fe80::%2/64", "fe80::12%3"})
    EXPECT_EQ(shown(fmt::format("add esp spi 0x1000 isrc {} encrkey c0ff", slip)),
              fmt::format("add esp spi 0x1000 isrc {} encrkey ****", slip));
  for (const std::string_view key :
       {"192.0.2.25.16.12", "192.168.1000.1", "192.0.2.1c", "fe80::%c0ffee", "c0:ff:ee%1", "192:168:100:400"})
    EXPECT_EQ(shown(fmt::format("add esp spi 0x1000 isrc {}", key)),
              fmt::format("add esp spi 0x1000 isrc {}", std::string(key.size(), '*')));
}

// A suggestion for a word would reveal most of it.
TEST(HiddenGroups, WithoutASuggestion) {
  EXPECT_EQ(testing::report("adde c0ff ee1b"),
            "keys:1:1: error: Unknown command word (4 characters, not shown: it may be part of a key)\n");
  EXPECT_EQ(testing::report("delet esp spi 1 dst 192.0.2.1"),
            "keys:1:1: error: Unknown command \"delet\"; did you mean delete or delete-pair?\n");
}

}  // namespace
}  // namespace ipseckey::lang
