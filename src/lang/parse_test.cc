// One block of tests for each way to be wrong; the whole report each time.
#include "lang/parse.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "lang/complete.h"
#include "lang/syntax.h"
#include "lang/testing.h"

namespace ipseckey::lang {
namespace {

using lang::testing::report;
using lang::testing::run;
using ::testing::HasSubstr;

struct ReportRow {
  std::string_view text;
  std::string_view expected;
};

// A sound SA, to be spoiled by what is put after it.
constexpr std::string_view kGood =
    "add esp spi 1000 dst 192.0.2.2 authalg sha256 "
    "authkey 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff "
    "encralg aes encrkey 00112233445566778899aabbccddeeff ";
// The same SA before somebody says what vouches for its packets.
constexpr std::string_view kUnvouched =
    "add esp spi 1000 dst 192.0.2.2 encralg aes encrkey 00112233445566778899aabbccddeeff ";
constexpr std::string_view kUpdate = "update esp spi 1000 dst 192.0.2.2 ";

std::string good_with(std::string_view more) { return report(std::string(kGood) + std::string(more)); }

// Of a fault in `more`, `column` bytes into it.
std::string at(std::string_view before, std::size_t column, std::string_view message) {
  return fmt::format("keys:1:{}: {}\n", before.size() + column + 1, message);
}

TEST(Parse, TakesWhatIsRight) {
  EXPECT_EQ(good_with(""), "");
  EXPECT_EQ(report(kUpdate), "");
  EXPECT_EQ(report("add AH spi 0x100 dst mypeer authalg HMAC-SHA256 "
                   "authkey 0x00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"),
            "");
  for (const std::string_view text : {"", "   ", "# add", "  # \\", "flush", "flush ALL", "quit", "exit"})
    EXPECT_EQ(report(text), "") << text;
}

TEST(Parse, UnderlinesTheFault) {
  EXPECT_EQ(run("add esp spi 1000 \\\n  dst 10.1 replay 1", Where::file, {"keys", 7}, true).report,
            "keys:7:1: error: add esp needs encr_alg, auth_alg or both\n"
            "     7 | add esp spi 1000 \\\n"
            "       | ^~~\n"
            "keys:8:7: error: dst: Unknown address \"10.1\": it is neither an IPv4 address nor a name\n"
            "     8 |   dst 10.1 replay 1\n"
            "       |       ^~~~\n"
            "keys:8:12: warning: a replay window with manual keys is considered harmful: after the peer restarts, its "
            "packets are dropped as replays\n"
            "     8 |   dst 10.1 replay 1\n"
            "       |            ^~~~~~~~\n");
  EXPECT_EQ(run("flsh", Where::prompt, {}, true).report,
            "error: Unknown command \"flsh\"; did you mean flush?\n"
            "     1 | flsh\n"
            "       | ^~~~\n");
  EXPECT_EQ(run("flsh", Where::prompt, {}, false).report,
            "column 1: error: Unknown command \"flsh\"; did you mean flush?\n");
}

TEST(Parse, UnderlinesWithKeysMasked) {
  EXPECT_EQ(run("add esp spi 1000 dst 192.0.2.2 encralgg aes encrkey 00112233445566778899aabbccddeeff", Where::file,
                {"keys", 1}, true)
                .report,
            "keys:1:32: error: Unknown extension \"encralgg\"; did you mean encralg?\n"
            "     1 | add esp spi 1000 dst 192.0.2.2 encralgg aes encrkey ********************************\n"
            "       |                                ^~~~~~~~\n");
}

TEST(Parse, CutsALongLineAroundTheFault) {
  const std::string text = "get esp spi 1 dst 192.0.2.2" + std::string(200, ' ') + "dport x" + std::string(200, ' ');
  EXPECT_EQ(run(text, Where::file, {"keys", 1}, true).report,
            "keys:1:234: error: dport: \"x\" is not a port number or the name of a service\n"
            "     1 | " +
                std::string(44, ' ') + "dport x" + std::string(49, ' ') + "\n       | " + std::string(50, ' ') + "^\n");
}

TEST(Parse, FaultsOfTheCommand) {
  constexpr ReportRow kRows[] = {
      {"ad esp", "keys:1:1: error: Unknown command \"ad\"; did you mean add?\n"},
      {"delte esp", "keys:1:1: error: Unknown command \"delte\"; did you mean delete?\n"},
      {"  ADD esp", "keys:1:3: error: Unknown command \"ADD\"; did you mean add?\n"},
      {"foo bar", "keys:1:1: error: Unknown command \"foo\"\n"},
      {"spi 1",
       "keys:1:1: error: \"spi\" is an extension, not a command: is a command missing before it, or a backslash at the "
       "end of the line above?\n"},
      {"add \"esp", "keys:1:5: error: the quotation mark is not closed on its line\n"},
      {"dump esp", "keys:1:1: error: can't do dump from a file: use it at the prompt or from the shell\n"},
      {"save all", "keys:1:1: error: can't do save from a file: use it at the prompt or from the shell\n"},
      {"load x", "keys:1:1: error: can't do load from a file: use it at the prompt or from the shell\n"},
      {"monitor", "keys:1:1: error: can't do monitor from a file: use it at the prompt or from the shell\n"},
      {"pmonitor", "keys:1:1: error: can't do passive_monitor from a file: use it at the prompt or from the shell\n"},
      {"help", "keys:1:1: error: can't do help from a file: it is for the prompt and the shell\n"},
  };
  for (const ReportRow& row : kRows) EXPECT_EQ(report(row.text), row.expected) << row.text;
}

TEST(Parse, FaultsOfTheSaType) {
  constexpr ReportRow kRows[] = {
      {"flush typo", "keys:1:7: error: Unknown SA type \"typo\"; expected all, ah or esp\n"},
      {"add", "keys:1:1: error: Unexpected end of command line: add needs an SA type, ah or esp\n"},
      {"get all spi 1 dst 192.0.2.1", "keys:1:5: error: get needs one SA type, ah or esp, not all\n"},
      {"flush ah extra", "keys:1:10: error: too many arguments for flush: usage: flush [all|ah|esp]\n"},
      {"quit now", "keys:1:6: error: too many arguments for quit: usage: quit\n"},
      {"delete spi 1 dst 192.0.2.1", "keys:1:8: error: delete needs an SA type, ah or esp, before its extensions\n"},
  };
  for (const ReportRow& row : kRows) EXPECT_EQ(report(row.text), row.expected) << row.text;
}

TEST(Parse, FaultsAtThePrompt) {
  constexpr ReportRow kRows[] = {
      {"save", "keys:1:1: error: Unexpected end of command line: save needs an SA type, all, ah or esp\n"},
      {"save all a b", "keys:1:12: error: too many arguments for save: usage: save all|ah|esp [FILE|-]\n"},
      {"save all \"\"", "keys:1:10: error: a name is needed here\n"},
      {"load", "keys:1:1: error: Unexpected end of command line: load needs a file\n"},
      {"load a b", "keys:1:8: error: too many arguments for load: usage: load FILE|-\n"},
      {"help add add", "keys:1:10: error: too many arguments for help: usage: help [COMMAND|attr]\n"},
  };
  for (const ReportRow& row : kRows) EXPECT_EQ(report(row.text, Where::prompt), row.expected) << row.text;
}

TEST(Parse, RefusesKeysFromTheShell) {
  for (const std::string_view verb : {"add", "update", "update-pair"})
    EXPECT_EQ(run(fmt::format("{} esp spi 1 dst 192.0.2.1", verb), Where::shell, {}).report,
              fmt::format("column 1: error: can't do {0} from the command line: every user could see its keys in the "
                          "process list; use the ipseckey> prompt, a file (ipseckey -f FILE) or a pipe: "
                          "echo '{0} esp spi 1 dst 192.0.2.1' | ipseckey\n",
                          verb));
}

TEST(Parse, ShowsNoKeyOfTheShellsAgain) {
  EXPECT_EQ(run("add ah spi 1000 dst 192.0.2.1 authalg md5 authkey 00112233445566778899aabbccddeeff", Where::shell, {})
                .report,
            "column 1: error: can't do add from the command line: every user could see its keys in the process list; "
            "use the ipseckey> prompt, a file (ipseckey -f FILE) or a pipe\n");
}

TEST(Parse, UnknownExtensions) {
  constexpr ReportRow kRows[] = {
      {"hard_byte 1", "Unknown extension \"hard_byte\"; did you mean hard_bytes?"},
      {"encralgg aes", "Unknown extension \"encralgg\"; did you mean encralg?"},
      {"Replay 1", "Unknown extension \"Replay\"; did you mean replay?"},
      {"0badc0de0badc0de", "Unknown extension word (16 characters, not shown: it may be part of a key)"},
      {"lifetime 1", "Unknown extension word (8 characters, not shown: it may be part of a key)"},
  };
  for (const ReportRow& row : kRows)
    EXPECT_EQ(good_with(row.text), at(kGood, 0, fmt::format("error: {}", row.expected))) << row.text;
  // No key on the line: the word may be shown.
  EXPECT_EQ(report("update esp spi 1000 dst 192.0.2.2 lifetime 1"),
            at(kUpdate, 0, "error: Unknown extension \"lifetime\""));
}

TEST(Parse, AMisspeltKeywordIsNotAMissingOne) {
  EXPECT_EQ(report("add esp spj 1000 dst 192.0.2.2 encralg null authalg sha256 "
                   "authkey 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
            "keys:1:9: error: Unknown extension \"spj\"; did you mean spi?\n");
  EXPECT_EQ(report("add esp spi 1000 dst 192.0.2.2 enrcalg aes encrkey 00112233445566778899aabbccddeeff"),
            "keys:1:32: error: Unknown extension \"enrcalg\"; did you mean encralg?\n");
}

std::string metavar_of(const Keyword& row) { return std::string(metavar(row)); }

// A value that each keyword takes.
std::string sample(const Keyword& row) {
  const std::string_view name = row.name();
  if (value_words(row) == 0) return "";
  if (name == "offload") return "crypto eth0";
  if (name == "df") return "copy";
  if (name == "src" || name == "dst" || name == "isrc" || name == "idst" || name.starts_with("nat_loc") ||
      name == "nat_rem")
    return "192.0.2.1";
  if (name == "encr_alg") return "aes";
  if (name == "auth_alg") return "md5";
  if (name == "encap") return "udp";
  if (name == "df") return "clear";
  if (name.ends_with("key")) return "00112233445566778899aabbccddeeff";
  if (name.ends_with("idtype")) return "fqdn a.example";
  // One of a choice, if it is one: the first that completion offers.
  const Completion offered = complete("add esp " + std::string(name) + ' ');
  return offered.words.empty() ? "1" : std::string(offered.words.front());
}

TEST(Parse, MissingValuesAtTheEnd) {
  for (const Keyword& row : keywords()) {
    if (value_words(row) == 0) continue;
    for_each_name(row, [&](std::string_view name) {
      // Twice or unusable: the missing value is reported all the same.
      EXPECT_THAT(
          good_with(name),
          HasSubstr(
              at(kGood, 0, fmt::format("error: Unexpected end of command line: {} needs {}", name, metavar_of(row)))));
    });
  }
}

TEST(Parse, MissingValuesInTheMiddle) {
  for (const Keyword& row : keywords()) {
    if (value_words(row) == 0 || row.used == 0) continue;
    for_each_name(row, [&](std::string_view name) {
      EXPECT_THAT(report(fmt::format("get esp {} inbound spi 1 dst 192.0.2.1", name)),
                  HasSubstr(fmt::format("error: a value is missing: {} needs {}\n", name, metavar_of(row))));
    });
  }
  EXPECT_EQ(report("add esp spi dst 192.0.2.1 authalg sha256 "
                   "authkey 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
            "keys:1:9: error: a value is missing: spi needs NUMBER\n");
  EXPECT_EQ(report("update esp spi 1 dst 192.0.2.1 srcidtype fqdn replay_value 1"),
            "keys:1:32: error: a value is missing: srcidtype needs TYPE TEXT\n");
}

TEST(Parse, Duplicates) {
  for (const Keyword& row : keywords()) {
    if (row.used == 0) continue;
    for_each_name(row, [&](std::string_view name) {
      const bool v6 = name.ends_with('6');
      const std::string value = sample(row);
      // The first value precedes it, so that the second is the one too many, under any name.
      const std::string before = fmt::format("update esp {} {} ", row.name(), value);
      const std::string text = fmt::format("{}{} {}", before, name, v6 ? "2001:db8::1" : value);
      EXPECT_THAT(report(text), HasSubstr(at(before, 0, fmt::format("error: Can only specify single {}", row.name()))))
          << text;
    });
  }
  EXPECT_EQ(report("get esp spi 0x1 dst 192.0.2.1 spi 0x1"), "keys:1:31: error: Can only specify single spi\n");
}

TEST(Parse, NumbersOutOfRange) {
  struct Range {
    std::string_view name;
    std::uint64_t largest;
  };
  constexpr std::uint64_t k64 = UINT64_MAX;
  constexpr Range kRanges[] = {
      {"spi", UINT32_MAX},
      {"pair-spi", UINT32_MAX},
      {"replay_value", UINT64_MAX},
      {"replay", 4096},
      {"soft_alloc", UINT32_MAX},
      {"hard_alloc", UINT32_MAX},
      {"soft_bytes", k64},
      {"hard_bytes", k64},
      {"soft_addtime", k64},
      {"hard_addtime", k64},
      {"soft_usetime", k64},
      {"hard_usetime", k64},
      {"idle_addtime", k64},
      {"idle_usetime", k64},
      {"reserved_bits", 65535},
      {"sport", 65535},
      {"dport", 65535},
      {"isport", 65535},
      {"idport", 65535},
      {"nat_lport", 65535},
      {"nat_rport", 65535},
      {"tfcpad", 65535},
      {"keepalive", 65535},
      {"bundle", 4294967295},
      {"dscp", 63},
      {"proto", 255},
      {"iproto", 255},
      {"auth_alg", 255},
      {"encr_alg", 255},
      {"state", 6},
  };
  for (const Range& range : kRanges) {
    const std::string before = fmt::format("update esp {} ", range.name);
    const std::string over = range.largest == k64 ? "18446744073709551616" : fmt::to_string(range.largest + 1);
    const std::string shown = over.size() > 11 ? "the value" : '"' + over + '"';
    EXPECT_THAT(
        report(before + over),
        HasSubstr(at(before, 0,
                     fmt::format("error: {}: {} is too big; the largest is {}", range.name, shown, range.largest))));
    for (const std::string_view wrong : {"-1", "+1", "1x", "0x", "08", "1.5", "99999999999999999999999x"})
      EXPECT_THAT(report(before + std::string(wrong)),
                  HasSubstr(fmt::format("keys:1:{}: error: {}: ", before.size() + 1, range.name)))
          << wrong;
  }
  // The bounds themselves, in each base.
  for (const std::string_view spi : {"4294967295", "0xffffffff", "0XFFFFFFFF", "037777777777", "1", "01"})
    EXPECT_EQ(report(fmt::format("get esp spi {} dst 192.0.2.1", spi)), "") << spi;
  EXPECT_EQ(report("get esp spi 0 dst 192.0.2.1"),
            "keys:1:13: error: spi: 0 is not an SPI: it is reserved (RFC 4303 section 2.1)\n");
  EXPECT_EQ(report("get esp spi 040000000000 dst 192.0.2.1"),
            "keys:1:13: error: spi: the value is too big; the largest is 4294967295\n");
}

TEST(Parse, BadValues) {
  constexpr ReportRow kRows[] = {
      {"dport http-alt", "dport: \"http-alt\" is not a port number or the name of a service"},
      {"proto icmpx", "proto: \"icmpx\" is not the number or the name of an IP protocol"},
      {"authalg sha257", "authalg: Unknown authentication algorithm \"sha257\"; did you mean sha256?"},
      {"authalg rot13x", "authalg: Unknown authentication algorithm \"rot13x\""},
      {"authalg 99", "authalg: Unknown authentication algorithm number 99"},
      {"state adult",
       "state: Unknown state \"adult\"; expected larval, mature, dying, dead, active-elsewhere, idle or active"},
      {"state 7", "state: \"7\" is too big; the largest is 6"},
      {"tfcpad 0", "tfcpad: \"0\" is too small; the smallest is 1"},
      {"bundle 0", "bundle: \"0\" is too small; the smallest is 1"},
      {"df keep", "df: Unknown DF setting \"keep\"; expected copy, set or clear"},
      {"dscp set", "dscp: \"set\" is not a DSCP from 0 to 63, copy or keep"},
      {"output-mark 0x10/0xf", "output-mark: \"0x10/0xf\" has bits outside its mask: drop them or widen the mask"},
      {"dev a/b", "dev: \"a/b\" is not the name of a network device: 1 to 15 characters without a / are needed"},
      {"encap udpx", "encap: Unknown encapsulation \"udpx\"; expected udp"},
      {"nat_loc 192.0.2.1/24", "nat_loc: \"192.0.2.1/24\" has a prefix; a single address is needed"},
      {"src 192.0.2.256", "src: Unknown address \"192.0.2.256\": it is neither an IPv4 address nor a name"},
      {"src 1:2", "src: Unknown address \"1:2\": it is not an IPv6 address"},
      {"src fe80::1%eth0",
       "src: Unknown address \"fe80::1%eth0\": an SA has no zone. Remove the % and everything after it; the SA is then "
       "for this address on every link, unless if_id ties it to an XFRM interface of one link"},
      {"isrc fe80::%2/64",
       "isrc: Unknown address \"fe80::%2/64\": an SA has no zone. Remove the % and everything after it; the SA is then "
       "for this address on every link, unless if_id ties it to an XFRM interface of one link"},
      {"src 0x2112", "src: Unknown address \"0x2112\": it is neither an IPv4 address nor a name"},
      {"src 0X7f.0x1", "src: Unknown address \"0X7f.0x1\": it is neither an IPv4 address nor a name"},
      {"src 10.0x", "src: Unknown address \"10.0x\": it is neither an IPv4 address nor a name"},
      {"src 12", "src: Unknown address \"12\": it is neither an IPv4 address nor a name"},
      {"src 127.1", "src: Unknown address \"127.1\": it is neither an IPv4 address nor a name"},
      {"isrc 0x0a000000/8", "isrc: Unknown address \"0x0a000000/8\": it is neither an IPv4 address nor a name"},
      {"src a!b", "src: Unknown address \"a!b\": it is neither an address nor a host name"},
      {"src6 192.0.2.1", "src6: \"192.0.2.1\" is an IPv4 address; IPv6 is needed here"},
      {"saddr6 ::ffff:192.0.2.1", "saddr6: \"::ffff:192.0.2.1\" is an IPv4 address; IPv6 is needed here"},
      {"proxy6 192.0.2.1/24", "proxy6: \"192.0.2.1/24\" is an IPv4 address; IPv6 is needed here"},
      {"isrc 192.0.2.0/33", "isrc: \"192.0.2.0/33\" has a prefix that is too long; the longest is 32"},
      {"idst 2001:db8::/129", "idst: \"2001:db8::/129\" has a prefix that is too long; the longest is 128"},
      {"idst mypeer/129", "idst: \"mypeer/129\" has a prefix that is too long; the longest is 128"},
      {"isrc 192.0.2.0/", "isrc: \"192.0.2.0/\" has no number after its / for the prefix length"},
      {"isrc 192.0.2.0/24x", "isrc: \"192.0.2.0/24x\" has no number after its / for the prefix length"},
      {"isrc 192.0.2.0/-1", "isrc: \"192.0.2.0/-1\" has no number after its / for the prefix length"},
      {"isrc 192.0.2.0/8/8", "isrc: \"192.0.2.0/8/8\" has no number after its / for the prefix length"},
      {"srcidtype dn x",
       "srcidtype: Unknown identity type \"dn\"; expected prefix, fqdn, domain, domainname, user_fqdn, "
       "mailbox, der_dn, der_gn, key_id or addr_range; did you mean der_dn?"},
      {"label 256",
       "label: \"256\" is not a security label: a level from 0 to 255 is needed, or LEVEL:COMPARTMENTS "
       "with compartments as up to 4,000 hexadecimal digits in groups of 16"},
      {"label 1:",
       "label: \"1:\" is not a security label: a level from 0 to 255 is needed, or LEVEL:COMPARTMENTS with "
       "compartments as up to 4,000 hexadecimal digits in groups of 16"},
      {"mark x", "mark: \"x\" is not a mark: a 32-bit number or VALUE/MASK is needed"},
      {"mark 1/x", "mark: \"1/x\" needs a mask, a 32-bit number, after the /"},
      {"mark 0x100000000", "mark: \"0x100000000\" is not a mark: a 32-bit number or VALUE/MASK is needed"},
      {"mark 3/1", "mark: \"3/1\" has bits outside its mask: drop them or widen the mask"},
      {"offload both eth0", "offload: Unknown kind of offload \"both\"; expected crypto or packet"},
  };
  for (const ReportRow& row : kRows) {
    const std::size_t value = row.text.find(' ') + 1;
    const std::string_view before = row.text.starts_with("authalg") ? kUnvouched : kGood;
    EXPECT_EQ(report(std::string(before).append(row.text)), at(before, value, fmt::format("error: {}", row.expected)))
        << row.text;
  }
  EXPECT_EQ(
      good_with("srcidtype fqdn $\"\\q\""),
      at(kGood, 15, "error: srcidtype: \"\\q\" has an invalid escape; \\\\ \\\" \\n \\r \\t and \\xHH are valid"));
}

TEST(Parse, NamesOfDevices) {
  const std::string name = "is not the name of a network device: 1 to 15 characters without a / are needed";
  for (const std::string_view device : {"sixteen-letters-", "a/b", "\"\"", "$\"\\q\""})
    EXPECT_THAT(good_with(fmt::format("offload packet {}", device)), HasSubstr(name)) << device;
}

constexpr std::string_view kOwnLine = "error: a comment needs a line of its own; here # is a word of the command\n";

TEST(Parse, CommentsAreOnTheirOwnLines) {
  struct CommentRow {
    std::string_view text;
    unsigned column;
  };
  constexpr CommentRow kRows[] = {
      {"add esp spi 9000 dst 1.2.3.4 # 7", 30},
      {"add esp spi 9000 dst 1.2.3.4 authalg sha256 #authkey 00112233445566778899aabbccddeeff", 45},
      {"add esp spi 9000 dst 1.2.3.4 # spi 2 dst 3", 30},
      {"flush # all of them", 7},
      {"flush all # of them", 11},
      {"quit # now", 6},
  };
  for (const CommentRow& row : kRows)
    EXPECT_EQ(report(row.text), fmt::format("keys:1:{}: {}", row.column, kOwnLine)) << row.text;
  // The next line continues the command.
  EXPECT_EQ(report("add esp spi 9000 # the first \\\n  dst 1.2.3.4 hard_byte 2"),
            fmt::format("keys:1:18: {}keys:2:15: error: Unknown extension \"hard_byte\"; did you mean hard_bytes?\n",
                        kOwnLine));
}

TEST(Parse, ForbiddenWords) {
  for (const std::string_view name : {"flags", "current_alloc", "current_bytes", "current_addtime", "current_usetime",
                                      "dpd", "sens_level", "sens_map", "integ_level", "integ_map"}) {
    EXPECT_EQ(good_with(fmt::format("{} 1", name)),
              at(kGood, 0, fmt::format("error: Don't use extension {} for add: it is not for manual keys", name)));
    EXPECT_EQ(report(fmt::format("get esp spi 1 dst 192.0.2.1 {} 1", name)),
              fmt::format("keys:1:29: error: Don't use extension {} for get: it is not for manual keys\n", name));
  }
  EXPECT_EQ(report("update-pair esp spi 1 dst 192.0.2.1 pair-spi 2"),
            "keys:1:37: error: Don't use extension pair-spi for update-pair\n");
}

TEST(Parse, SurplusExtensionsAreIgnored) {
  for (const std::string_view verb : {"delete", "delete-pair", "get"})
    for (const Keyword& row : keywords()) {
      if (row.used == 0 || (row.used & kFinders) != 0) continue;
      const std::string before = fmt::format("{} esp spi 1 dst 192.0.2.1 ", verb);
      EXPECT_EQ(report(before + std::string(row.name()) + ' ' + sample(row)),
                at(before, 0, fmt::format("warning: {} does not use {}; it is ignored", verb, row.name())));
    }
}

TEST(Parse, RequiredExtensions) {
  for (const CommandRow& command : commands()) {
    if (command.operands != Operands::extensions) continue;
    const bool adds = command.verb == Verb::add;
    const std::string tail =
        adds ? " authalg sha256 authkey 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" : "";
    EXPECT_EQ(report(fmt::format("{} ah{}", command.name(), tail)),
              fmt::format("keys:1:1: error: {0} needs spi\nkeys:1:1: error: {0} needs dst\n", command.name()));
    EXPECT_EQ(report(fmt::format("{} ah spi 1000{}", command.name(), tail)),
              fmt::format("keys:1:1: error: {} needs dst\n", command.name()));
  }
}

// covers RFC4552-12-1
TEST(Parse, KeySyntax) {
  const std::string before(kUpdate);
  constexpr std::string_view kNotHex =
      "the value is not a hex string: keys are written in hexadecimal digits; to convert one that is text: printf %s "
      "TEXT | xxd -p -c 256";
  constexpr ReportRow kRows[] = {
      {"abc/17", "bit length 17 is too big for the 12 bits of the key"},
      {"abcd/17", "bit length 17 is too big for the 16 bits of the key"},
      {"abc/13", "bit length 13 is too big for the 12 bits of the key"},
      {"ab/x", "the text after the / is not a bit specifier: a decimal number is needed"},
      {"ab/", "the text after the / is not a bit specifier: a decimal number is needed"},
      {"ab/-1", "the text after the / is not a bit specifier: a decimal number is needed"},
      {"ab/8/8", "the text after the / is not a bit specifier: a decimal number is needed"},
      {"ab/0", "a key cannot have 0 bits"},
      {"ab/9", "bit length 9 is too big for the 8 bits of the key"},
      {"ab/99999999999999999999", "bit length 65535 or more is too big for the 8 bits of the key"},
      {"xyz", kNotHex},
      {"12-34", kNotHex},
      {"0x", kNotHex},
      {"/8", "the value is not a hex string: it has no digit"},
  };
  for (const std::string_view keyword : {"authkey", "encrkey"})
    for (const ReportRow& row : kRows) {
      // Without a SADB: update needs only the algorithm of the key.
      const std::string text = fmt::format("{}authalg md5 encralg des {} ", before, keyword);
      EXPECT_EQ(report(text + std::string(row.text)), at(text, 0, fmt::format("error: {}: {}", keyword, row.expected)));
    }
  const std::string longest = before + "authalg md5 authkey ";
  EXPECT_EQ(report(longest + std::string(514, 'a')),
            at(longest, 0, "error: authkey: the key has 2056 bits; no algorithm takes more than 2048"));
}

// covers RFC4552-12-1
TEST(Parse, KeyBits) {
  struct KeyRow {
    std::string_view text;
    std::vector<unsigned> octets;
    unsigned bits;
    bool warned = false;
  };
  const std::vector<KeyRow> rows = {
      {"123/12", {0x12, 0x30}, 12},
      {"e/3", {0xe0}, 3},
      {"f/3", {0xe0}, 3},
      {"ff/5", {0xf8}, 5},
      {"123", {0x12, 0x30}, 16, true},
      {"123/16", {0x12, 0x30}, 16},
      {"1", {0x10}, 8, true},
      {"0xAb", {0xab}, 8},
      {"0XaB/8", {0xab}, 8},
      {"abcd/16", {0xab, 0xcd}, 16},
      {"abcd/13", {0xab, 0xc8}, 13},
      {"abcd/8", {0xab}, 8, true},
      {"abcd/12", {0xab, 0xc0}, 12, true},
      {"00ff/008", {0x00}, 8, true},
  };
  for (const KeyRow& row : rows) {
    const Word word{row.text, 0, Word::Kind::bare};
    ReadContext context{lang::testing::names(), false, {}};
    const auto key = Syntax<KeyValue>::read(Words(&word, 1), context);
    ASSERT_TRUE(key) << row.text;
    std::vector<unsigned> octets;
    for (const std::byte b : key->material.bytes()) octets.push_back(std::to_integer<unsigned>(b));
    EXPECT_EQ(octets, row.octets) << row.text;
    EXPECT_EQ(key->bits, row.bits) << row.text;
    EXPECT_EQ(!context.warning.empty(), row.warned) << row.text;
  }
  EXPECT_EQ(report("update ah spi 1 dst 192.0.2.1 authalg sha256 "
                   "authkey 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00/256"),
            "keys:1:46: warning: authkey: the key has 264 bits; the last 8 are dropped\n");
}

TEST(Parse, SeveralFaultsAreReportedTogetherInOrder) {
  EXPECT_EQ(report("add esp spi 0x123456789 src 1.2.3 dst mypeer hard_byte 1 encap tcp state old encrkey xyz"),
            "keys:1:13: error: spi: \"0x123456789\" is too big; the largest is 4294967295\n"
            "keys:1:29: error: src: Unknown address \"1.2.3\": it is neither an IPv4 address nor a name\n"
            "keys:1:46: error: Unknown extension \"hard_byte\"; did you mean hard_bytes?\n"
            "keys:1:64: error: encap: Unknown encapsulation \"tcp\"; expected udp\n"
            "keys:1:74: error: state: Unknown state \"old\"; expected larval, mature, dying, dead, active-elsewhere, "
            "idle or active\n"
            "keys:1:86: error: encrkey: the value is not a hex string: keys are written in hexadecimal digits; to "
            "convert one that "
            "is text: printf %s TEXT | xxd -p -c 256\n");
}

// The wordings that the manual's DIAGNOSTICS section lists. "Parse error on line N" and "One of the entered values is
// incorrect" are printed by the command, which knows the file and the SADB's answer.
TEST(Parse, SpeaksAsTheManualDoes) {
  constexpr ReportRow kRows[] = {
      {"add", "Unexpected end of command line"},
      {"foo", "Unknown"},
      {"update ah spi 1 dst 192.0.2.1 authkey ab/x", "is not a bit specifier"},
      {"update ah spi 1 dst 192.0.2.1 authkey ab/9", "bit length 9 is too big for"},
      {"update ah spi 1 dst 192.0.2.1 authkey xy", "is not a hex string"},
      {"get ah spi 1 spi 1 dst 192.0.2.1", "Can only specify single"},
      {"add ah dpd 1", "Don't use extension"},
  };
  for (const ReportRow& row : kRows) EXPECT_THAT(report(row.text), HasSubstr(row.expected)) << row.text;
}

}  // namespace
}  // namespace ipseckey::lang
