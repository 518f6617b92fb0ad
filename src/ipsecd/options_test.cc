#include "ipsecd/options.h"

#include <gmock/gmock.h>

#include <vector>

namespace ipseckey::ipsecd {
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
  EXPECT_EQ(options.tun, std::nullopt);
}

TEST(Options, ValuesAreWrittenInTwoWays) {
  EXPECT_EQ(parse({"--socket", "/a"}).value().socket, "/a");
  EXPECT_EQ(parse({"--socket=/a=b"}).value().socket, "/a=b");
  EXPECT_EQ(parse({"--owner-only", "--socket", "--help", "--foreground"}).value().socket, "--help");
}

TEST(Options, ThoseForPacketsAreParsed) {
  const auto options = parse({"--tun=t0", "--workers", "4", "--mtu", "9000", "--mark=0x10", "--no-offload",
                              "--no-path-reports", "--user", "ipsecd"})
                           .value();
  EXPECT_EQ(options.tun, "t0");
  EXPECT_EQ(options.workers, 4u);
  EXPECT_EQ(options.mtu, 9000u);
  EXPECT_EQ(options.mark, 16u);
  EXPECT_TRUE(options.no_offload);
  EXPECT_FALSE(parse({"--tun=t0"}).value().no_offload);
  EXPECT_TRUE(options.no_path_reports);
  EXPECT_FALSE(parse({"--tun=t0"}).value().no_path_reports);
  EXPECT_EQ(options.user, "ipsecd");
  EXPECT_EQ(options.icmp, std::nullopt);
  EXPECT_FALSE(options.mss_clamp);
  const auto others = parse({"--tun=t0", "--icmp-errors", "both", "--outer-source=same", "--mss-clamp"}).value();
  EXPECT_EQ(others.icmp, "both");
  EXPECT_EQ(others.source, "same");
  EXPECT_TRUE(others.mss_clamp);
  const auto rules = parse({"--tun=t0", "--got-secure=drop", "--icmp-in-clear", "accept"}).value();
  EXPECT_EQ(rules.got_secure, "drop");
  EXPECT_EQ(rules.icmp_clear, "accept");
}

TEST(Options, ThoseOfTheHookAreParsed) {
  const auto options = parse({"--hook", "--queue", "200", "--workers=2"}).value();
  EXPECT_TRUE(options.hook);
  EXPECT_EQ(options.tun, std::nullopt);
  EXPECT_EQ(options.queue, 200u);
  EXPECT_EQ(options.workers, 2u);
  const auto both = parse({"--tun=t0", "--hook"}).value();
  EXPECT_TRUE(both.hook);
  EXPECT_EQ(both.queue, std::nullopt);
  EXPECT_FALSE(parse({"--tun=t0"}).value().hook);
  const auto unhook = parse({"unhook", "--queue=0"}).value();
  EXPECT_EQ(unhook.what, Options::Do::unhook);
  EXPECT_EQ(unhook.queue, 0u);
}

TEST(Options, ThoseForClientsAreParsed) {
  const auto options = parse({"--group", "a", "--read-group=b", "--max-clients", "10000", "--max-user-clients=2",
                              "--max-sas", "1000000"})
                           .value();
  EXPECT_EQ(options.group, "a");
  EXPECT_EQ(options.read_group, "b");
  EXPECT_EQ(options.clients, 10000u);
  EXPECT_EQ(options.user_clients, 2u);
  EXPECT_EQ(options.sas, 1000000u);
}

TEST(Options, HelpVersionAndStatusAreParsed) {
  EXPECT_EQ(parse({"--help"}).value().what, Options::Do::help);
  EXPECT_EQ(parse({"-h"}).value().what, Options::Do::help);
  EXPECT_EQ(parse({"--version"}).value().what, Options::Do::version);
  EXPECT_EQ(parse({"-V"}).value().what, Options::Do::version);
  const auto status = parse({"status", "--json", "--socket", "/a"}).value();
  EXPECT_EQ(status.what, Options::Do::status);
  EXPECT_TRUE(status.json);
  EXPECT_EQ(status.socket, "/a");
}

TEST(Options, WrongWordsAreErrors) {
  EXPECT_EQ(error_of({"--socket"}), "--socket needs a value: PATH");
  EXPECT_EQ(error_of({"--socket="}), "--socket needs a value: PATH");
  EXPECT_EQ(error_of({"--socket", "/a", "--socket=/b"}), "--socket is given twice");
  EXPECT_EQ(error_of({"--tun", "t", "--workers", "0"}), "--workers needs a number from 1 to 64");
  EXPECT_EQ(error_of({"--tun", "t", "--workers", "65"}), "--workers needs a number from 1 to 64");
  EXPECT_EQ(error_of({"--tun", "t", "--mtu", "1279"}), "--mtu needs a number from 1280 to 65535");
  EXPECT_EQ(error_of({"--tun", "t", "--mark", "4294967296"}), "--mark needs a number from 1 to 4294967295");
  EXPECT_EQ(error_of({"--tun", "t", "--mark", "1x"}), "--mark needs a number from 1 to 4294967295");
  EXPECT_EQ(error_of({"--workers", "2"}), "--workers affects only packets: it needs --tun NAME or --hook");
  EXPECT_EQ(error_of({"--no-offload"}), "--no-offload affects only packets: it needs --tun NAME or --hook");
  EXPECT_EQ(error_of({"--mss-clamp"}), "--mss-clamp affects only packets: it needs --tun NAME or --hook");
  EXPECT_EQ(error_of({"--icmp-errors=own"}), "--icmp-errors affects only packets: it needs --tun NAME or --hook");
  EXPECT_EQ(error_of({"--tun", "t", "--icmp-errors", "all"}), "--icmp-errors needs one of: quoted own both");
  EXPECT_EQ(error_of({"--tun", "t", "--outer-source", "own"}), "--outer-source needs one of: any same");
  EXPECT_EQ(error_of({"--tun", "t", "--got-secure", "no"}), "--got-secure needs one of: accept drop");
  EXPECT_EQ(error_of({"--icmp-in-clear=drop"}), "--icmp-in-clear affects only packets: it needs --tun NAME or --hook");
  EXPECT_EQ(error_of({"--nat-follow"}), "--nat-follow affects only packets: it needs --tun NAME or --hook");
  EXPECT_EQ(error_of({"--beside-ike"}), "--beside-ike affects only packets: it needs --tun NAME or --hook");
  EXPECT_EQ(error_of({"--no-path-reports"}), "--no-path-reports affects only packets: it needs --tun NAME or --hook");
  EXPECT_EQ(error_of({"status", "--tun", "t"}), "status takes --socket PATH and --json, not --tun");
  EXPECT_EQ(error_of({"status", "--hook"}), "status takes --socket PATH and --json, not --hook");
  EXPECT_EQ(error_of({"unhook", "--hook"}), "unhook takes --queue N, not --hook");
  EXPECT_EQ(error_of({"unhook", "--socket", "/a"}), "unhook takes --queue N, not --socket");
  EXPECT_EQ(error_of({"--tun", "t", "--queue", "5"}), "--queue needs --hook");
  EXPECT_EQ(error_of({"--queue", "65001", "--hook"}), "--queue needs a number from 0 to 65000");
  EXPECT_EQ(error_of({"--json"}), "--json is only for status");
  for (const std::string word : {"/run/s", "--sockets", "-s", "", "--socke", "-v", "--Help", "--", "-hV", "-Vh"})
    EXPECT_EQ(error_of({word}), "Unknown word '" + word + "'; `ipsecd --help` lists the options");
  EXPECT_EQ(error_of({"--", "--json"}), "Unknown word '--'; `ipsecd --help` lists the options");
  EXPECT_EQ(error_of({"--", "status"}), "Unknown word '--'; `ipsecd --help` lists the options");
  EXPECT_EQ(error_of({"--socket=/a", "status"}), "Unknown word 'status'; `ipsecd --help` lists the options");
}

TEST(Options, HelpListsEveryOptionAndStatus) {
  for (const std::string_view word :
       {"--socket PATH", "--user NAME", "--tun NAME", "--hook", "--queue N", "--workers N", "--mtu BYTES", "--mark N",
        "--owner-only", "--foreground", "--help", "--version", "ipsecd status", "ipsecd unhook", "Exit status"})
    EXPECT_THAT(help_text(), ::testing::HasSubstr(std::string(word)));
}

}  // namespace
}  // namespace ipseckey::ipsecd
