// No fault, under any input, shows a piece of a key: canary keys in command lines that are spoiled in every way.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <random>

#include "base/text.h"
#include "lang/testing.h"

namespace ipseckey::lang {
namespace {

using lang::testing::run;

// Any six of their digits in a row hold a letter, so that no number of the language looks like a piece of one.
constexpr std::array<std::string_view, 4> kCanaries = {
    "c0ffee15bad4c0de5ca1ab1edeadfa11", "0dd5ba11ab0ade5cafe4f00dfeed5a1d", "b0a7c0a1d1ce4babe5b0d1ec0ca5a1ad",
    "a11ec0bab5eedfacade5edace0ff1ce57e11a"};

constexpr std::size_t kShortestPiece = 6;

// The first piece of a canary that the text shows; empty: none.
std::string_view leak(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), text::lower);
  for (const std::string_view canary : kCanaries)
    for (std::size_t i = 0; i + kShortestPiece <= canary.size(); ++i)
      if (lower.find(canary.substr(i, kShortestPiece)) != std::string::npos) return canary.substr(i, kShortestPiece);
  return {};
}

using Text = std::vector<std::string>;

std::vector<Text> sound_lines() {
  const auto k = [](std::size_t i) { return std::string(kCanaries[i]); };
  return {
      {"add", "esp", "spi", "0x1000", "src", "10.0.0.1", "dst", "10.1.2.3", "encralg", "aes", "encrkey", k(0),
       "authalg", "md5", "authkey", k(1)},
      {"add", "ah", "spi", "4096", "dst", "mypeer", "authkey", k(2), "authalg", "hmac-md5", "hard_bytes", "16000000"},
      {"add", "esp", "spi", "0x1000", "dst", "two", "isrc", "10.0.0.0/8", "idst", "10.1.0.0/16", "encr_alg", "aes-gcm",
       "encrkey", k(3) + "/148", "reserved_bits", "0", "srcidtype", "fqdn", "\"a b\""},
      {"update", "esp", "spi", "0x1000", "dst", "2001:db8::1", "encrkey", "0x" + k(0), "encralg", "null", "label",
       "5:00000000000000ff", "encap", "udp", "nat_loc", "192.0.2.1"},
      {"delete", "esp", "spi", "0x1000", "dst", "10.1.2.3", "authkey", k(1), "dstidtype", "mailbox", "a@b.example"},
      {"get", "ah", "spi", "1", "dst", "you.domain.com", "proto", "tcp", "dport", "https", "encrkey", k(2) + "/x"},
  };
}

class Spoiler {
 public:
  explicit Spoiler(unsigned seed) : random_(seed) {}

  void spoil(Text& words) {
    if (words.empty()) words.push_back("add");
    std::string& word = words[at(words)];
    switch (random_() % 13) {
      case 0:
        words.erase(words.begin() + static_cast<std::ptrdiff_t>(at(words)));
        break;
      case 1:
        words.insert(words.begin() + static_cast<std::ptrdiff_t>(at(words)), std::string(word));
        break;
      case 2:
        std::swap(word, words[at(words)]);
        break;
      case 3:
        words.insert(words.begin() + static_cast<std::ptrdiff_t>(at(words)), junk());
        break;
      case 4:  // A slip of the finger.
        if (!word.empty()) word[random_() % word.size()] = static_cast<char>('!' + random_() % 94);
        break;
      case 5:
        if (word.size() > 1) std::swap(word[0], word[1]);
        break;
      case 6: {  // A blank, a comma or another character gets into a word.
        const std::size_t cut = random_() % (word.size() + 1);
        constexpr std::string_view kCharacters = " \t,/:=.\"\\-_%x";
        word.insert(cut, 1, kCharacters[random_() % kCharacters.size()]);
        break;
      }
      case 7: {  // The blank between two words is lost.
        const std::size_t i = at(words);
        if (i + 1 == words.size()) break;
        words[i] += words[i + 1];
        words.erase(words.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        break;
      }
      case 8:  // A key in the place of another value.
        word = kCanaries[random_() % kCanaries.size()];
        break;
      case 9:
        word = std::string(kCanaries[random_() % kCanaries.size()]).substr(random_() % 20, 4 + random_() % 10);
        break;
      case 10:
        std::ranges::transform(word, word.begin(),
                               [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
        break;
      case 11:
        words.insert(words.begin() + static_cast<std::ptrdiff_t>(at(words)), "\\\n");
        break;
      default:
        words.resize(random_() % words.size() + 1);
    }
  }

 private:
  std::size_t at(const Text& words) { return random_() % words.size(); }
  std::string junk() {
    constexpr std::string_view kJunk[] = {"key",   "\"",    "#",   "$\"\\x0",   "=",     "encralgg", "authky",
                                          "0x",    "isrc",  "src", "srcidtype", "label", "nat_loc",  "dst6",
                                          "proxy", "state", "enc", "-E",        "mode",  "reqid=",   "espenckey="};
    return std::string(kJunk[random_() % std::size(kJunk)]);
  }

  std::mt19937 random_;
};

std::string joined(const Text& words) {
  std::string line;
  for (const std::string& w : words) {
    if (!line.empty()) line += ' ';
    line += w;
  }
  return line;
}

TEST(HiddenKeys, InSpoiledLines) {
  const auto lines = sound_lines();
  Spoiler spoiler(7);
  std::size_t faulty = 0;
  for (unsigned round = 0; round < 6000; ++round) {
    Text words = lines[round % lines.size()];
    for (unsigned n = 0; n <= round % 4; ++n) spoiler.spoil(words);
    const std::string line = joined(words);
    const Where where = round % 5 ? Where::file : Where::shell;
    const std::string report = run(line, where, {"keys", 1}, true).report;
    ASSERT_EQ(leak(report), "") << line << "\n" << report;
    faulty += !report.empty();
  }
  EXPECT_GT(faulty, 4000u);  // Else the lines were not spoiled, and nothing was shown.
}

TEST(HiddenKeys, AtEveryPlaceOfALine) {
  for (const Text& line : sound_lines())
    for (const std::string_view canary : kCanaries)
      for (std::size_t i = 0; i < line.size(); ++i)
        for (const bool instead : {true, false}) {
          Text words = line;
          if (instead) {
            words[i] = canary;
          } else {
            words.insert(words.begin() + static_cast<std::ptrdiff_t>(i), std::string(canary));
          }
          const std::string report = run(joined(words), Where::prompt, {"keys", 1}, true).report;
          ASSERT_EQ(leak(report), "") << joined(words) << "\n" << report;
        }
}

TEST(HiddenKeys, InPiecesOfEveryLength) {
  for (const std::string_view canary : kCanaries)
    for (std::size_t cut = 0; cut <= canary.size(); ++cut)
      for (const std::string_view between : {" ", " \\\n", ":", "/", "\"", " \"", ".", " # "}) {
        const std::string line = "add esp spi 1000 dst 192.0.2.1 encralg aes encrkey " +
                                 std::string(canary.substr(0, cut)) + std::string(between) +
                                 std::string(canary.substr(cut)) + " relpay 1";
        const std::string report = run(line, Where::file, {"keys", 1}, true).report;
        ASSERT_EQ(leak(report), "") << line << "\n" << report;
      }
}

// A mark is two small numbers.
TEST(HiddenKeys, LeaveMarksToBeSeen) {
  EXPECT_EQ(
      run("add ah spi 1 dst 192.0.2.1 mark 0x10/0xffffffff authalg md5 authkey 00", Where::file, {"keys", 1}, true)
              .report.substr(0, 300)
              .find("mark 0x10/0xffffffff authalg md5 authkey **") == std::string::npos,
      false);
}

// What a service logs about a fault: no part of the line, not even the name of a key file.
TEST(HiddenKeys, OfALineThatAServiceReads) {
  const std::string_view line = "add ah spi 1 dst 192.0.2.1 authalg md5 authkey @/etc/keys/site.key";
  EXPECT_EQ(without_text("authkey: cannot open /etc/keys/site.key: No such file or directory", line),
            "authkey: cannot open ...: No such file or directory");
  EXPECT_EQ(without_text("authkey: site.key: others can read it", "add ah authkey @site.key"),
            "authkey: ...: others can read it");
  EXPECT_EQ(without_text("authkey: credential site is missing", "add ah authkey @cred:site"),
            "authkey: credential ... is missing");
}

// What is hidden must not be more than that.
TEST(HiddenKeys, LeaveTheRestToBeSeen) {
  EXPECT_EQ(run("add esp spi 0x1000 dst peer1 soft_bytes 16000000 encrallg aes \\\n"
                "  encrkey c0ffee15bad4c0de5ca1ab1edeadfa11 replay_valu 1 hard_bytes 12",
                Where::file, {"keys", 3}, true)
                .report,
            "keys:3:30: error: soft_bytes 16000000 is above hard_bytes 12\n"
            "     3 | add esp spi 0x1000 dst peer1 soft_bytes 16000000 encrallg aes \\\n"
            "       |                              ^~~~~~~~~~~~~~~~~~~\n"
            "keys:3:50: error: Unknown extension \"encrallg\"; did you mean encralg?\n"
            "     3 | add esp spi 0x1000 dst peer1 soft_bytes 16000000 encrallg aes \\\n"
            "       |                                                  ^~~~~~~~\n"
            "keys:4:44: error: Unknown extension \"replay_valu\"; did you mean replay_value?\n"
            "     4 |   encrkey ******************************** replay_valu 1 hard_bytes 12\n"
            "       |                                            ^~~~~~~~~~~\n");
}

}  // namespace
}  // namespace ipseckey::lang
