#include "ipsecd/options.h"

#include <gmock/gmock.h>

#include <vector>

namespace ipsecd {
namespace {

Result<Options> parse(std::vector<std::string_view> words) { return parse_options(words); }

std::string error_of(std::vector<std::string_view> words) {
  const auto options = parse(std::move(words));
  return options ? "none" : options.error().text;
}

TEST(Options, AllAreOptional) {
  const auto options = parse({}).value();
  EXPECT_EQ(options.what, Options::Do::serve);
  EXPECT_EQ(options.socket, std::nullopt);
}

TEST(Options, TheSocketIsNamedInTwoWays) {
  EXPECT_EQ(parse({"--socket", "/a"}).value().socket, "/a");
  EXPECT_EQ(parse({"--socket=/a=b"}).value().socket, "/a=b");
  EXPECT_EQ(parse({"--owner-only", "--socket", "--help", "--foreground"}).value().socket, "--help");
}

TEST(Options, HelpAndVersion) {
  EXPECT_EQ(parse({"--help"}).value().what, Options::Do::help);
  EXPECT_EQ(parse({"-h"}).value().what, Options::Do::help);
  EXPECT_EQ(parse({"--version"}).value().what, Options::Do::version);
  EXPECT_EQ(parse({"-V"}).value().what, Options::Do::version);
}

TEST(Options, WrongWordsAreErrors) {
  EXPECT_EQ(error_of({"--socket"}), "--socket needs a path");
  EXPECT_EQ(error_of({"--socket="}), "--socket needs a path");
  EXPECT_EQ(error_of({"--socket", "/a", "--socket=/b"}), "--socket stands twice: one socket is served");
  for (const std::string word : {"/run/s", "--sockets", "-s", "", "--socke"})
    EXPECT_EQ(error_of({word}), "Unknown word '" + word + "': expected --socket PATH, --help or --version");
}

TEST(Options, HelpNamesEveryWordAndStatus) {
  for (const std::string_view word :
       {"--socket PATH", "--owner-only", "--foreground", "--help", "--version", "Exit status"})
    EXPECT_THAT(std::string(help_text()), ::testing::HasSubstr(std::string(word)));
}

}  // namespace
}  // namespace ipsecd
