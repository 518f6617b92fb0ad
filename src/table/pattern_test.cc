// A second, small language with the code of this folder: the pattern of a policy. It defines a record, rows and the
// syntax of two types of its own; parser, faults, redaction, completion, help, writer and comparison are those of the
// folder.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>

#include "base/cast.h"
#include "base/secret.h"
#include "table/completion.h"
#include "table/help.h"
#include "table/pairs.h"
#include "table/record.h"
#include "table/suggest.h"

namespace ipseckey::pattern {

enum class Direction : std::uint8_t { in, out, both };

/// A word that nobody may see.
struct Passphrase {
  Secret text;
  bool operator==(const Passphrase&) const = default;
};

struct Pattern {
  std::optional<table::Network> local, remote;
  std::optional<table::Port> local_port, remote_port;
  std::optional<table::Protocol> protocol;
  std::optional<Direction> direction;
  std::optional<Passphrase> passphrase;
  std::optional<table::Flag> log;
};

template <class T>
struct Syntax : table::Syntax<T> {};

constexpr std::string_view kDirections = "in out both";

template <>
struct Syntax<Direction> : table::SyntaxFacts<false, 1> {
  static constexpr std::string_view kMetavar = "in|out|both";
  static table::Value<Direction> read(table::Words words, table::ReadContext&) {
    const auto which = table::one_of(words[0], kDirections, "direction");
    if (!which) return std::unexpected(which.error());
    return static_cast<Direction>(*which);
  }
  static void write(const Direction& v, bool, std::string& out) {
    std::string_view list = kDirections;
    for (auto n = static_cast<std::size_t>(v); n > 0; --n) list.remove_prefix(text::first_word(list).size() + 1);
    out += text::first_word(list);
  }
};

template <>
struct Syntax<Passphrase> : table::SyntaxFacts<true, 1> {
  static constexpr std::string_view kMetavar = "TEXT";
  static table::Value<Passphrase> read(table::Words words, table::ReadContext&) {
    if (words[0].text.size() < 4) return table::bad("{word} is too short: 4 characters are needed");
    return Passphrase{Secret(std::as_bytes(std::span(words[0].text)))};
  }
  static void write(const Passphrase& v, bool paranoid, SecretText& out) {
    for (const char c : chars_of(v.text.bytes())) out += paranoid ? 'X' : c;
  }
};

using Slot = table::Slot<Pattern, table::Network, table::Port, table::Protocol, Direction, Passphrase, table::Flag>;

struct Row : table::Row {
  template <class T>
  constexpr Row(std::string_view its_names, std::optional<T> Pattern::* member, table::Uses used_by,
                table::Uses required_by, std::string_view sentence, std::string_view its_v6_names = {})
      : table::Row{its_names, its_v6_names, sentence, table::kind_of<Syntax>(Slot(member)), used_by, required_by},
        slot(member) {}

  Slot slot;
};

// Entries with patterns: a rule, and a question, which uses only some of the rows.
constexpr table::Uses kRule = 1, kQuestion = 2, kBoth = kRule | kQuestion;

constexpr std::array kRows = {
    Row{"laddr local", &Pattern::local, kBoth, 0, "Address of this side."},
    Row{"raddr remote", &Pattern::remote, kBoth, kQuestion, "Address of the other side.", "raddr6"},
    Row{"lport", &Pattern::local_port, kBoth, 0, "Port of this side."},
    Row{"rport", &Pattern::remote_port, kBoth, 0, "Port of the other side."},
    Row{"ulp proto", &Pattern::protocol, kBoth, 0, "Protocol of the traffic."},
    Row{"dir", &Pattern::direction, kRule, kRule, "Which way the traffic goes."},
    Row{"passphrase", &Pattern::passphrase, kRule, 0, "What the other side must know."},
    Row{"log", &Pattern::log, kRule, 0, "Say what the rule did."},
};
using Index = table::Index<kRows>;
constexpr table::Table kTable = Index::table();

std::span<const std::string_view> known() {
  static const std::vector<std::string_view> kWords = [] {
    std::vector<std::string_view> words = names_used_by(kTable, kBoth);
    text::for_each_word(kDirections, [&](std::string_view w) { words.push_back(w); });
    return words;
  }();
  return kWords;
}

constexpr table::Language kLanguage = {
    .table = kTable,
    .noun = "word",
    .a_noun = "a word",
    .known = known,
    .is_head = [](std::string_view) { return false; },
    .why_never = "",
    .passes_over = kQuestion,
    .comments = "a comment needs a line of its own",
    .no_zone = "a pattern has no zone",
};

const table::Names& names() {
  static const table::Names kNames = {
      {},
      [](const std::string& name) { return name == "tcp" ? std::optional<std::uint8_t>(6) : std::nullopt; },
      [](const std::string& name) { return name == "https" ? std::optional<std::uint16_t>(443) : std::nullopt; },
  };
  return kNames;
}

struct Outcome {
  Pattern pattern;
  std::string report;
};

Outcome parse(std::string_view text, table::Uses entry = kRule, bool caret = false) {
  Outcome outcome;
  table::Pairs pairs(kLanguage, names());
  const table::Entry context{entry == kRule ? "a rule" : "a question", entry};
  if (pairs.begin(text)) {
    pairs.read(context, [&](const table::Row& row, table::Words words, table::ReadContext& read, bool keep) {
      return table::read_value<Syntax>(static_cast<const Row&>(row).slot, words, read, keep, outcome.pattern);
    });
    pairs.require(context, Index::required(entry));
  }
  for (const table::Fault& fault : pairs.faults()) render(kLanguage, fault, text, {"rules", 3}, caret, outcome.report);
  return outcome;
}

std::string report(std::string_view text, table::Uses entry = kRule) { return parse(text, entry).report; }

std::string written(const Pattern& pattern, bool paranoid = false, table::Layout layout = {SIZE_MAX, "\n"}) {
  SecretText out;
  table::write<Syntax>(kRows, pattern, paranoid, layout, out);
  return std::string(std::string_view(out));
}

// The words that can follow, separated by blanks, as a prompt would offer them for a rule.
std::string can_follow(std::string_view text) {
  const table::Unfinished unfinished = table::unfinished(text);
  if (unfinished.lost) return "lost";
  const table::PairsEnd end = end_of_pairs(kTable, unfinished.words);
  table::Offers offers{unfinished.typed, end.name.row != nullptr};
  if (end.name.row) {
    offer_value(*end.name.row, end.value_word, offers);
  } else {
    offer_names(kTable, kRule, end.given, offers);
  }
  std::string out;
  for (const std::string_view word : offers.words) out.append(out.empty() ? "" : " ").append(word);
  return out;
}

TEST(Pattern, IsRead) {
  const Outcome o =
      parse("laddr 10.0.0.0/24 raddr6 2001:db8::1 \\\n  rport https proto tcp dir OUT passphrase sesame log");
  EXPECT_EQ(o.report, "");
  EXPECT_EQ(o.pattern.local, (table::Network{{.literal = parse_address("10.0.0.0"), .name = {}}, 24}));
  EXPECT_EQ(o.pattern.remote,
            (table::Network{{.literal = parse_address("2001:db8::1"), .name = {}, .v6_only = true}, std::nullopt}));
  EXPECT_FALSE(o.pattern.local_port);
  EXPECT_EQ(o.pattern.remote_port, table::Port{443});
  EXPECT_EQ(o.pattern.protocol, table::Protocol{6});
  EXPECT_EQ(o.pattern.direction, Direction::out);
  EXPECT_EQ(chars_of(o.pattern.passphrase->text.bytes()), "sesame");
  EXPECT_TRUE(o.pattern.log);
}

TEST(Pattern, HasEveryFaultWithItsPlace) {
  EXPECT_EQ(parse("laddr 10.1 dir sideways \\\n  rport 99999 rport 1 log log", kRule, true).report,
            "rules:3:7: error: laddr: Unknown address \"10.1\": it is neither an IPv4 address nor a name\n"
            "     3 | laddr 10.1 dir sideways \\\n"
            "       |       ^~~~\n"
            "rules:3:16: error: dir: Unknown direction \"sideways\"; expected in, out or both\n"
            "     3 | laddr 10.1 dir sideways \\\n"
            "       |                ^~~~~~~~\n"
            "rules:4:9: error: rport: \"99999\" is too big; the largest is 65535\n"
            "     4 |   rport 99999 rport 1 log log\n"
            "       |         ^~~~~\n"
            "rules:4:27: error: Can only specify single log\n"
            "     4 |   rport 99999 rport 1 log log\n"
            "       |                           ^~~\n");
  EXPECT_EQ(report("dir in raddr fe80::1%eth0"),
            "rules:3:14: error: raddr: Unknown address \"fe80::1%eth0\": a pattern has no zone\n");
  EXPECT_EQ(report("dir in lport raddr"),
            "rules:3:8: error: a value is missing: lport needs PORT\n"
            "rules:3:14: error: Unexpected end of command line: raddr needs ADDRESS|NAME[/PREFIX]\n");
  EXPECT_EQ(report("dir in laddr \"10.0.0.1"), "rules:3:14: error: the quotation mark is not closed on its line\n");
  EXPECT_EQ(report("dir in # all of it"), "rules:3:8: error: a comment needs a line of its own\n");
}

TEST(Pattern, SaysWhatIsMissingAndWhatIsNotUsed) {
  EXPECT_EQ(report("laddr 10.0.0.1"), "rules:3:1: error: a rule needs dir\n");
  EXPECT_EQ(report("laddr 10.0.0.1 dir both out"), "rules:3:25: error: Unknown word \"out\"\n");
  EXPECT_EQ(report("raddr 10.0.0.1 dir in", kQuestion),
            "rules:3:16: warning: a question does not use dir; it is ignored\n");
  EXPECT_EQ(report("dir in", kQuestion),
            "rules:3:1: warning: a question does not use dir; it is ignored\n"
            "rules:3:1: error: a question needs raddr\n");
}

TEST(Pattern, KnowsWhatWasMeantAndContinues) {
  EXPECT_EQ(report("ladr 10.0.0.1 dir in lport x"),
            "rules:3:1: error: Unknown word \"ladr\"; did you mean laddr?\n"
            "rules:3:28: error: lport: \"x\" is not a port number or the name of a service\n");
  EXPECT_EQ(report("dri in"), "rules:3:1: error: Unknown word \"dri\"; did you mean dir?\n");  // Not missing, too.
  EXPECT_EQ(report("dir in rport=443"),
            "rules:3:8: error: Unknown word \"rport=...\"; separate a word and its value with a blank: rport PORT\n");
}

// Deciding what a fault may show takes the whole text, so a long text with many faults would take minutes.
TEST(Pattern, EndsAfterManyFaults) {
  std::string text, expected;
  for (std::size_t i = 0, faults = 0; i < 2000; ++i) {
    const auto expect = [&](std::size_t column, std::string_view fault) {
      if (faults++ < table::Pairs::kMostFaults) expected += fmt::format("rules:3:{}: error: {}\n", column, fault);
    };
    expect(text.size() + 1, "Unknown word \"log5\"; did you mean log?");
    if (i > 0) expect(text.size() + 6, "Can only specify single log");
    text += "log5 log ";
  }
  // 32 faults: of the first pair one, of the next 15 two, of the next one.
  const std::size_t behind = 16 * 9 + 6;
  expected += fmt::format("rules:3:{}: error: too many faults: the rest of it was not read\n", behind);
  EXPECT_EQ(report(text), expected);
}

TEST(Pattern, NeverShowsASecret) {
  constexpr std::string_view kSecret = "c0ffee15bad4c0de";
  for (const std::string_view text :
       {"dir in passphrase c0ffee15bad4c0de lport x", "dir in passphrase c0ffee15bad4c0de passphrase c0ffee15bad4c0de",
        "dir in pasphrase c0ffee15bad4c0de", "dir in PASSPHRASE c0ffee15bad4c0de", "dir in c0ffee15bad4c0de log log",
        "dir in passphrase=c0ffee15bad4c0de", "dir in passphrase \"c0ffee15bad4c0de"}) {
    const std::string shown = parse(text, kRule, true).report;
    EXPECT_NE(shown, "") << text;
    for (std::size_t i = 0; i + 4 <= kSecret.size(); ++i)
      EXPECT_EQ(shown.find(kSecret.substr(i, 4)), std::string::npos) << shown;
    EXPECT_TRUE(may_hold_key(kLanguage, text)) << text;
  }
  EXPECT_EQ(parse("dir in passphrase abc", kRule, true).report,
            "rules:3:19: error: passphrase: the value is too short: 4 characters are needed\n"
            "     3 | dir in passphrase ***\n"
            "       |                   ^~~\n");
  EXPECT_FALSE(may_hold_key(kLanguage, "dir in lport 22"));
}

TEST(Pattern, IsCompleted) {
  EXPECT_EQ(can_follow(""), "laddr raddr lport rport ulp dir passphrase log");
  EXPECT_EQ(can_follow("l"), "laddr lport log");
  EXPECT_EQ(can_follow("pr"), "proto");
  EXPECT_EQ(can_follow("raddr6 ::1 dir in "), "laddr lport rport ulp passphrase log");
  EXPECT_EQ(can_follow("dir "), "in out both");
  EXPECT_EQ(can_follow("dir O"), "out");
  EXPECT_EQ(can_follow("lport "), "");
  EXPECT_EQ(can_follow("dir in unknown 7 r"), "raddr rport");
  EXPECT_EQ(can_follow("laddr \"a\"b"), "lost");
}

TEST(Pattern, IsExplained) {
  std::string help;
  write_help(kTable, kRule, help);
  EXPECT_EQ(help,
            "  laddr, local  ADDRESS|NAME[/PREFIX]\n        Address of this side.\n"
            "  raddr, remote, raddr6  ADDRESS|NAME[/PREFIX]\n        Address of the other side.\n"
            "  lport  PORT\n        Port of this side.\n"
            "  rport  PORT\n        Port of the other side.\n"
            "  ulp, proto  PROTOCOL\n        Protocol of the traffic.\n"
            "  dir  in|out|both\n        Which way the traffic goes.\n"
            "  passphrase  TEXT\n        What the other side must know.\n"
            "  log\n        Say what the rule did.\n");
  EXPECT_EQ(table::with_value(kRows[5]), "dir in|out|both");
}

TEST(Pattern, IsWrittenAsItIsRead) {
  std::mt19937 random(16);
  const auto below = [&](std::uint32_t n) { return random() % n; };
  for (int i = 0; i < 200; ++i) {
    Pattern p;
    if (below(2)) p.local = table::Network{{.literal = parse_address("10.0.0.0"), .name = {}}, 8};
    if (below(2)) p.remote = table::Network{{.literal = std::nullopt, .name = "peer.example.com"}, std::nullopt};
    if (below(2)) p.local_port = table::Port{static_cast<std::uint16_t>(below(65536))};
    if (below(2)) p.remote_port = table::Port{static_cast<std::uint16_t>(below(65536))};
    if (below(2)) p.protocol = table::Protocol{static_cast<std::uint8_t>(below(256))};
    p.direction = static_cast<Direction>(below(3));
    if (below(2)) p.passphrase = Passphrase{Secret(std::as_bytes(std::span(std::string_view("open"))))};
    if (below(2)) p.log = table::Flag{};
    const std::string text = written(p, false, {20, " \\\n  "});
    const Outcome again = parse(text);
    EXPECT_EQ(again.report, "") << text;
    EXPECT_EQ(table::names_of(kTable, table::differences(kRows, p, again.pattern)), "") << text;
  }
}

TEST(Pattern, IsWrittenInTheOrderOfItsRowsAndWithoutItsSecretIfAsked) {
  const Pattern p = parse("dir both log passphrase sesame rport 443 local 10.0.0.0/8").pattern;
  EXPECT_EQ(written(p), " laddr 10.0.0.0/8 rport 443 dir both passphrase sesame log");
  EXPECT_EQ(written(p, true), " laddr 10.0.0.0/8 rport 443 dir both passphrase XXXXXX log");
  EXPECT_EQ(written(p, true, {30, " \\\n    "}),
            " laddr 10.0.0.0/8 rport 443 \\\n    dir both passphrase XXXXXX \\\n    log");
}

TEST(Pattern, IsCompared) {
  const auto differs = [](std::string_view a, std::string_view b) {
    return table::names_of(kTable, table::differences(kRows, parse(a).pattern, parse(b).pattern));
  };
  EXPECT_EQ(differs("dir in lport 1 passphrase sesame", "passphrase sesame dir in lport 1"), "");
  EXPECT_EQ(differs("dir in lport 1 passphrase sesame", "passphrase sesams dir out rport 1"),
            "lport, rport, dir, passphrase");
  EXPECT_EQ(differs("dir in", "dir in log"), "log");
}

}  // namespace ipseckey::pattern
