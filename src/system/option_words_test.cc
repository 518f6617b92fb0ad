#include "system/option_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <array>

namespace ipseckey {

namespace {

const std::array kShapes = {OptionShape{"--file -f", true}, OptionShape{"--numeric -n"}, OptionShape{"--verbose -v"}};

// Every option on a line of its own, then the remaining words.
std::string cut(std::vector<std::string> words) {
  using enum OptionWords::Found::Kind;
  std::string out;
  OptionWords options(kShapes, std::move(words));
  while (const auto found = options.next()) {
    const std::string_view kind = found->kind == unknown         ? "unknown "
                                  : found->kind == lacks_value   ? "lacks a value "
                                  : found->kind == surplus_value ? "takes no value "
                                                                 : "";
    const std::string row = found->kind == unknown ? "" : fmt::format("{} ", found->option);
    out += fmt::format("{}{}{} of {}: [{}]\n", kind, row, found->name, found->word, found->value);
  }
  return out + fmt::format("{}", fmt::join(options.rest(), "|"));
}

TEST(OptionWords, AValueCanBeWrittenInFourWays) {
  EXPECT_EQ(cut({"--file=a=b"}), "0 --file of --file=a=b: [a=b]\n");
  EXPECT_EQ(cut({"--file", "--numeric"}), "0 --file of --file: [--numeric]\n");
  EXPECT_EQ(cut({"-f", "-"}), "0 -f of -f: [-]\n");
  EXPECT_EQ(cut({"-fname"}), "0 -f of -fname: [name]\n");
  EXPECT_EQ(cut({"--file="}), "0 --file of --file=: []\n");
}

TEST(OptionWords, LettersMayShareAWord) {
  EXPECT_EQ(cut({"-nv"}), "1 -n of -nv: []\n2 -v of -nv: []\n");
  EXPECT_EQ(cut({"-nf", "x", "y"}), "1 -n of -nf: []\n0 -f of -nf: [x]\ny");
  EXPECT_EQ(cut({"-nfx", "y"}), "1 -n of -nfx: []\n0 -f of -nfx: [x]\ny");
}

TEST(OptionWords, TheFirstOperandEndsThem) {
  EXPECT_EQ(cut({"-n", "add", "-v"}), "1 -n of -n: []\nadd|-v");
  EXPECT_EQ(cut({"-n", "--", "-v", "--"}), "1 -n of -n: []\n-v|--");
  EXPECT_EQ(cut({"-", "-n"}), "-|-n");
  EXPECT_EQ(cut({"", "-n"}), "|-n");
  EXPECT_EQ(cut({}), "");
}

TEST(OptionWords, ErrorsAreReportedAndTheRestIsParsed) {
  EXPECT_EQ(cut({"--fil", "-n"}), "unknown --fil of --fil: []\n1 -n of -n: []\n");
  EXPECT_EQ(cut({"--fil=x"}), "unknown --fil of --fil=x: []\n");
  EXPECT_EQ(cut({"-nxv"}), "1 -n of -nxv: []\nunknown -x of -nxv: []\n2 -v of -nxv: []\n");
  EXPECT_EQ(cut({"--file"}), "lacks a value 0 --file of --file: []\n");
  EXPECT_EQ(cut({"-f"}), "lacks a value 0 -f of -f: []\n");
  EXPECT_EQ(cut({"--numeric=1"}), "takes no value 1 --numeric of --numeric=1: [1]\n");
}

TEST(OptionWords, AProgramMaySkipAWordOfItsOwn) {
  OptionWords words(kShapes, {"status", "-n"});
  EXPECT_FALSE(words.next());
  words.skip();
  EXPECT_EQ(words.next()->name, "-n");
  EXPECT_TRUE(words.rest().empty());
}

TEST(OptionWords, AFaultNamesTheOptionAsItWasWritten) {
  const auto fault = [](std::vector<std::string> words) {
    OptionWords options(kShapes, std::move(words));
    return option_fault(*options.next(), "FILE", "SHOWN").text;
  };
  EXPECT_EQ(fault({"-f"}), "-f needs a FILE");
  EXPECT_EQ(fault({"--file"}), "--file needs a FILE");
  EXPECT_EQ(fault({"--numeric=1"}), "--numeric takes no value");
  EXPECT_EQ(fault({"--secret=1"}), "unknown option SHOWN");
}

TEST(OptionWords, AShapeHasTheLetterBehindTheName) {
  EXPECT_EQ(option_shape("file", 'f', true).names, "--file -f");
  EXPECT_EQ(option_shape("file", '\0', true).names, "--file");
}

}  // namespace

}  // namespace ipseckey
