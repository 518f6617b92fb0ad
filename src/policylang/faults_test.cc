// Every way in which an entry can be wrong, with its whole message.
#include "policylang/testing.h"

namespace ipseckey::policylang {
namespace {

using testing::read;
using testing::report;

struct Fault {
  std::string_view text, report;
};

void expect(std::initializer_list<Fault> faults) {
  for (const auto& [text, expected] : faults) {
    const PolicyFile file = read(text);
    EXPECT_EQ(report(file), expected) << text;
    EXPECT_EQ(file.wrong, 1u) << text;
    EXPECT_TRUE(file.rules.empty()) << text;
  }
}

TEST(PolicyFaults, OfAnEntrysShape) {
  expect({
      {"ipsec { auth_algs sha1 }",
       "rules:1:1: error: an entry begins with a pattern in braces: { ... } ACTION { ... }\n"},
      {"{ raddr 10.0.0.1 ", "rules:1:1: error: this { is not closed: a } is missing\n"},
      {"{ raddr 10.0.0.1 ipsec { auth_algs sha1 }",
       "rules:1:1: error: this { is not closed: another one comes before a }\n"},
      {"{} { auth_algs sha1 }",
       "rules:1:2: error: an action is missing behind this, on the same line: ipsec, apply, permit, bypass, pass or "
       "drop\n"},
      {"{}",
       "rules:1:2: error: an action is missing behind this, on the same line: ipsec, apply, permit, bypass, pass or "
       "drop\n"},
      {"{ dir in } drop",
       "rules:1:12: error: the braces with the properties are missing behind this; without properties, write {}\n"},
      {"{ dir in } drop {", "rules:1:17: error: this { is not closed: a } is missing\n"},
      {"{ dir in } drop {} pass {}",
       "rules:1:20: error: an entry ends with its last }: only or and another action can follow it\n"},
      {"{} ipsec { auth_algs sha1 } or",
       "rules:1:30: error: an action is missing behind this, on the same line: ipsec, apply, permit, bypass, pass or "
       "drop\n"},
      {"{ dir in \\\n} drop {}",
       "rules:1:10: error: a backslash does not continue a line: break it within braces or before a {\n"},
      {"{ laddr \"one\" dir in } drop {}", "rules:1:9: error: a quotation mark has no meaning in a rule\n"},
      {"{ dir in } dorp {}",
       "rules:1:12: error: Unknown action; expected ipsec, apply, permit, bypass, pass or drop; did you mean drop?\n"},
      {"{ dir in } DROP {}",
       "rules:1:12: error: Unknown action; expected ipsec, apply, permit, bypass, pass or drop; did you mean drop?\n"},
  });
  EXPECT_EQ(report("{} ipsec { auth_algs sha1 }\n  or ipsec { auth_algs md5 }"),
            "rules:2:3: error: a line cannot begin with or: put it on the line of the } before it\n");
}

// After each fault the next entry is read, and the rules of the good ones are there.
TEST(PolicyFaults, DoNotHideOthers) {
  const PolicyFile file = read(
      "{ laddr 10.0.0.1\n"
      "{ dir in lport 1 } drop {}\n"
      "stray\n"
      "  { dir in lport nosuch } drop\n"
      "{}\n"
      "\t{ rport 7 dir sideways lprt 3 }\n"
      "\n"
      "{ dir out } pass {}\n");
  EXPECT_EQ(report(file),
            "rules:1:1: error: this { is not closed: another one comes before a }\n"
            "rules:3:1: error: an entry begins with a pattern in braces: { ... } ACTION { ... }\n"
            "rules:4:18: error: lport: \"nosuch\" is not a port number or the name of a service\n"
            "rules:6:32: error: an action is missing behind this, on the same line: ipsec, apply, permit, bypass, pass "
            "or drop\n");
  EXPECT_EQ(write_rules(file.rules), "{ lport 1 dir in } drop {}\n{ dir out } bypass {}\n");
  EXPECT_EQ(file.entries, 6u);
  EXPECT_EQ(file.wrong, 4u);
}

TEST(PolicyFaults, AreShownInTheirLine) {
  const PolicyFile file = read("# rules\n  { raddr 10.0.0.1\n    rport 99999 } drop {}\n");
  ASSERT_EQ(file.faults.size(), 1u);
  EXPECT_EQ(file.faults[0].shown,
            "rules:3:11: error: rport: \"99999\" is too big; the largest is 65535\n"
            "     3 |     rport 99999 } drop {}\n"
            "       |           ^~~~~\n");
  EXPECT_EQ(file.faults[0].line, 3u);
  EXPECT_EQ(file.faults[0].column, 11u);
  EXPECT_EQ(file.faults[0].message, "rport: \"99999\" is too big; the largest is 65535");
}

TEST(PolicyFaults, OfValues) {
  expect({
      {"{ laddr 10.1 dir in } drop {}",
       "rules:1:9: error: laddr: \"10.1\" is not a whole address: a host has four numbers, and a network its length, "
       "as "
       "in 10.1/16\n"},
      {"{ laddr 10.1. dir in } drop {}",
       "rules:1:9: error: laddr: Unknown address \"10.1.\": it is neither an IPv4 address nor a name\n"},
      {"{ laddr 10.1./16 dir in } drop {}",
       "rules:1:9: error: laddr: Unknown address \"10.1./16\": it is neither an IPv4 address nor a name\n"},
      {"{ laddr 10..1/16 dir in } drop {}",
       "rules:1:9: error: laddr: Unknown address \"10..1/16\": it is neither an IPv4 address nor a name\n"},
      {"{ laddr 10.256/16 dir in } drop {}",
       "rules:1:9: error: laddr: Unknown address \"10.256/16\": it is neither an IPv4 address nor a name\n"},
      {"{ laddr 10.1/33 dir in } drop {}",
       "rules:1:9: error: laddr: \"10.1/33\" has a prefix that is too long; the longest is 32\n"},
      {"{ laddr 10.1/ dir in } drop {}",
       "rules:1:9: error: laddr: \"10.1/\" has no number after its / for the prefix length\n"},
      {"{ laddr 10.0.0.0/33 dir in } drop {}",
       "rules:1:9: error: laddr: \"10.0.0.0/33\" has a prefix that is too long; the longest is 32\n"},
      {"{ laddr 192.0.2.1deadbeef dir in } drop {}", "rules:1:3: error: the name has no address: no such host\n"},
      {"{ ulp nonsense dir in } drop {}",
       "rules:1:7: error: ulp: \"nonsense\" is not the number or the name of an IP protocol\n"},
      {"{ ulp 256 dir in } drop {}", "rules:1:7: error: ulp: \"256\" is too big; the largest is 255\n"},
      {"{ dir inside } drop {}", "rules:1:7: error: dir: Unknown direction \"inside\"; expected in, out or both\n"},
      {"{ dir in dir out } drop {}", "rules:1:10: error: Can only specify single dir\n"},
      {"{ dir in lport } drop {}", "rules:1:10: error: a value is missing before the }: lport needs PORT\n"},
      {"{ dir in loport 5 } drop {}", "rules:1:10: error: Unknown keyword \"loport\"; did you mean lport?\n"},
      {"{ dir in ulp icmp type 8-3 } drop {}", "rules:1:24: error: type: \"8-3\" ends before it begins; write 3-8\n"},
      {"{ dir in ulp icmp type 256 } drop {}",
       "rules:1:24: error: type: \"256\" is not a number or a range of numbers from 0 to 255\n"},
      {"{ dir in ulp icmp type ehco } drop {}",
       "rules:1:24: error: type: \"ehco\" is not an ICMP type: a number, a range N-M or a name is needed; did you mean "
       "echo?\n"},
      {"{ dir in ulp icmp type echo-timest } drop {}",
       "rules:1:24: error: type: \"echo-timest\" is a range of names; ranges are of numbers only\n"},
      {"{ saddr 10.0.0.1 smask 0 } apply { auth_algs sha1 }",
       "rules:1:24: error: smask: \"0\" is not a mask: 0xHEX or four numbers with dots are needed\n"},
      {"{ saddr 10.0.0.1 smask 0x0 } apply { auth_algs sha1 }",
       "rules:1:24: error: smask: \"0x0\" is a mask without a bit; leave out the address instead\n"},
      {"{ saddr 10.0.0.1 smask 255.0.255.0 } apply { auth_algs sha1 }",
       "rules:1:24: error: smask: \"255.0.255.0\" is a mask with gaps: its ones must come first\n"},
      {"{ tunnel a-tunnel-whose-name-is-very-long negotiate tunnel } ipsec { auth_algs sha1 }",
       "rules:1:10: error: tunnel: \"a-tunnel-whose-name-is-very-long\" is too long for an interface; at most 31 "
       "characters are allowed\n"},
      {"{ tunnel t0 negotiate both } ipsec { auth_algs sha1 }",
       "rules:1:23: error: negotiate: Unknown mode \"both\"; expected tunnel or transport\n"},
      {"{} ipsec { auth_algs sha1 sa own }",
       "rules:1:30: error: sa: Unknown use of SAs \"own\"; expected shared or unique\n"},
      {"{} ipsec { auth_algs sha1 reqid 0 }", "rules:1:33: error: reqid: \"0\" means none; leave it out\n"},
      {"{ dir in } ipsec { auth_algs sha1 spi 0 }", "rules:1:39: error: spi: \"0\" is not the SPI of an SA\n"},
      {"{} ipsec { auth_algs sha1 spi 5 }",
       "rules:1:27: error: an SA is for one direction: spi needs dir out or dir in, and another rule the other way\n"},
      {"{ dir out } ipsec { auth_algs sha1 encr_algs aes spi 5 }",
       "rules:1:50: error: an SPI names one SA, and AH with ESP needs two: leave out spi, AH or ESP\n"},
      {"{ dir out } ipsec { auth_algs sha1 sa unique spi 5 }",
       "rules:1:46: error: an SPI names one SA, and sa unique wants one for each connection: leave out one\n"},
      {"{} ipsec { auth_algs sha1 mark 0x1ff/0xff }",
       "rules:1:32: error: mark: \"0x1ff/0xff\" has bits that its mask leaves out\n"},
      {"{} ipsec { auth_algs sha1 mark 1/2/3 }",
       "rules:1:32: error: mark: \"1/2/3\" is not a mark: VALUE or VALUE/MASK is needed, of 32 bits each\n"},
      {"{} ipsec { auth_algs sha1 level sometimes }",
       "rules:1:33: error: level: Unknown level \"sometimes\"; expected require or use\n"},
  });
}

TEST(PolicyFaults, OfAlgorithms) {
  expect({
      {"{} ipsec { auth_algs sha266 }",
       "rules:1:22: error: auth_algs: Unknown authentication algorithm \"sha266\"; did you mean sha256?\n"},
      {"{} ipsec { auth_algs aes }", "rules:1:22: error: auth_algs: \"aes\" is not an authentication algorithm\n"},
      {"{} ipsec { encr_auth_algs sha1 encr_algs sha1 }", "rules:1:42: error: encr_algs: \"sha1\" is not a cipher\n"},
      {"{} ipsec { auth_algs 0 }",
       "rules:1:22: error: auth_algs: \"0\" is not the number of an authentication algorithm here\n"},
      {"{} ipsec { encr_auth_algs sha1 encr_algs 300 }",
       "rules:1:42: error: encr_algs: \"300\" is not the number of a cipher here\n"},
      {"{} ipsec { encr_auth_algs sha1 encr_algs aes(200) }",
       "rules:1:42: error: encr_algs: \"aes(200)\": aes-cbc has no key of such a length; it takes 128, 192 or 256 "
       "bits\n"},
      {"{} ipsec { encr_auth_algs sha1 encr_algs aes(257..) }",
       "rules:1:42: error: encr_algs: \"aes(257..)\": aes-cbc has no key of such a length; it takes 128, 192 or 256 "
       "bits\n"},
      {"{} ipsec { encr_auth_algs sha1 encr_algs null(128) }",
       "rules:1:42: error: encr_algs: \"null(128)\": null has no key of such a length; it has no key at all\n"},
      {"{} ipsec { encr_auth_algs sha1 encr_algs aes(256..128) }",
       "rules:1:42: error: encr_algs: \"aes(256..128)\" has a range of lengths that ends before it begins\n"},
      {"{} ipsec { encr_auth_algs sha1 encr_algs aes(128 }",
       "rules:1:42: error: encr_algs: \"aes(128\" needs lengths in bits as (N), (N..), (..M) or (N..M), without "
       "blanks\n"},
      {"{} ipsec { encr_auth_algs sha1 encr_algs aes() }",
       "rules:1:42: error: encr_algs: \"aes()\" needs lengths in bits as (N), (N..), (..M) or (N..M), without "
       "blanks\n"},
      {"{} ipsec { auth_algs none(5) }", "rules:1:22: error: auth_algs: \"none(5)\": none has no lengths\n"},
      {"{} ipsec { sa shared }",
       "rules:1:4: error: ipsec needs an algorithm: auth_algs, encr_algs or encr_auth_algs\n"},
      {"{} ipsec { auth_algs none }",
       "rules:1:4: error: ipsec needs an algorithm: auth_algs, encr_algs or encr_auth_algs\n"},
      {"{} ipsec { encr_algs aes-gcm encr_auth_algs sha1 }",
       "rules:1:30: error: the cipher authenticates by itself: leave out encr_auth_algs\n"},
      {"{ dir in } bypass { encr_algs aes }", "rules:1:21: error: Don't use property encr_algs for bypass\n"},
      {"{ dir in } drop { sa shared }", "rules:1:19: error: Don't use property sa for drop\n"},
  });
}

// On Solaris such an entry installs nothing, with exit status 0.
TEST(PolicyFaults, OfDirections) {
  expect({
      {"{ lport 80 } bypass {}",
       "rules:1:14: error: bypass needs a direction: write dir in, dir out or dir both in the pattern\n"},
      {"{} pass {}", "rules:1:4: error: pass needs a direction: write dir in, dir out or dir both in the pattern\n"},
      {"{} drop {}", "rules:1:4: error: drop needs a direction: write dir in, dir out or dir both in the pattern\n"},
      {"{ saddr 10.0.0.1 } bypass {}",
       "rules:1:20: error: in the old style bypass needs a direction: dir in or dir out among its properties\n"},
      {"{ saddr 10.0.0.1 } ipsec { auth_algs sha1 }",
       "rules:1:20: error: in the old style ipsec needs a direction: dir in or dir out among its properties\n"},
      {"{ saddr 10.0.0.1 } apply { auth_algs sha1 dir in }", "rules:1:43: error: apply means dir out\n"},
      {"{} permit { auth_algs sha1 dir out }", "rules:1:28: error: permit means dir in\n"},
      {"{ saddr 10.0.0.1 } bypass { dir both }",
       "rules:1:33: error: dir: Unknown direction \"both\"; expected in or out\n"},
  });
}

TEST(PolicyFaults, OfStyles) {
  expect({
      {"{ saddr 10.0.0.1 raddr 10.0.0.2 } ipsec { auth_algs sha1 }",
       "rules:1:3: error: saddr is of the old style and raddr of the new one: an entry has one style\n"},
      {"{ laddr 10.0.0.1 } apply { auth_algs sha1 }",
       "rules:1:20: error: apply is of the old style and laddr of the new one: an entry has one style\n"},
      {"{ laddr 10.0.0.1 } ipsec { auth_algs sha1 dir in }",
       "rules:1:43: error: dir is of the old style and laddr of the new one: an entry has one style\n"},
      {"{ saddr 10.0.0.1 } drop { dir in }",
       "rules:1:3: error: saddr is of the old style and drop of the new one: an entry has one style\n"},
      {"{ saddr 10.0.0.1 } apply { auth_algs sha1 } or apply { auth_algs md5 }",
       "rules:1:3: error: saddr is of the old style and or of the new one: an entry has one style\n"},
  });
}

TEST(PolicyFaults, OfWordsThatContradict) {
  expect({
      {"{ smask 0xff000000 } apply { auth_algs sha1 }", "rules:1:3: error: a mask needs the address that it is for\n"},
      {"{ daddr 10.0.0.0/8 dmask 0xff000000 } apply { auth_algs sha1 }",
       "rules:1:20: error: a mask and a /N are two lengths of one network: leave out one of them\n"},
      {"{ daddr ::1 dmask 0xff000000 } apply { auth_algs sha1 }",
       "rules:1:13: error: a mask is for an IPv4 address; write the length as ADDRESS/N\n"},
      {"{ lport 5 ulp icmp } ipsec { auth_algs sha1 }",
       "rules:1:3: error: only TCP, UDP and SCTP have ports: ulp must be one of them, or be left out\n"},
      {"{ type 8 dir in } drop {}", "rules:1:3: error: ICMP numbers need ulp icmp or ulp ipv6-icmp\n"},
      {"{ ulp tcp type 8 dir in } drop {}", "rules:1:11: error: ICMP numbers need ulp icmp or ulp ipv6-icmp\n"},
      {"{ ulp icmp type echo6 dir in } drop {}",
       "rules:1:12: error: this name and ulp are of different protocols: names of ICMPv6 end in 6\n"},
      {"{ ulp ipv6-icmp type 1 code net-unr dir in } drop {}",
       "rules:1:24: error: this name and ulp are of different protocols: names of ICMPv6 end in 6\n"},
      {"{ ulp ipv6-icmp laddr 10.0.0.1 dir in } drop {}",
       "rules:1:3: error: no address of the pattern is of this protocol's family: icmp is of IPv4, ipv6-icmp of "
       "IPv6\n"},
      {"{ raddr six ulp icmp dir in } drop {}",
       "rules:1:13: error: no address of the pattern is of this protocol's family: icmp is of IPv4, ipv6-icmp of "
       "IPv6\n"},
      {"{ ulp icmp code 3 dir in } drop {}",
       "rules:1:12: error: code needs a type: a code means something else with each\n"},
      {"{ tunnel t0 } ipsec { auth_algs sha1 }",
       "rules:1:3: error: tunnel needs negotiate tunnel or negotiate transport\n"},
      {"{ negotiate tunnel } ipsec { auth_algs sha1 }",
       "rules:1:3: error: negotiate needs the tunnel that it is for\n"},
      {"{ tunnel t0 negotiate transport raddr 10.0.0.1 } ipsec { auth_algs sha1 }",
       "rules:1:13: error: with negotiate transport a rule is about all packets of the tunnel: leave out addresses, "
       "protocol, ports and ICMP numbers\n"},
      {"{ tunnel t0 negotiate tunnel } ipsec { auth_algs sha1 sa unique }",
       "rules:1:55: error: an SA in tunnel mode serves all connections: leave out sa unique\n"},
      {"{} ipsec { auth_algs sha1 tsrc 10.0.0.1 }", "rules:1:27: error: a tunnel has two ends: tsrc needs tdst\n"},
      {"{} ipsec { auth_algs sha1 tdst 10.0.0.1 }", "rules:1:27: error: a tunnel has two ends: tdst needs tsrc\n"},
      {"{} ipsec { auth_algs sha1 tsrc 10.0.0.1 tdst ::1 }",
       "rules:1:41: error: tsrc and tdst are of different families\n"},
      {"{} ipsec { auth_algs sha1 tsrc any tdst ::1 }", "rules:1:27: error: the end of a tunnel is one address\n"},
      {"{} ipsec { auth_algs sha1 tsrc two tdst one }",
       "rules:1:27: error: two has 2 addresses: the end of a tunnel is one of them\n"},
      {"{ tunnel t0 negotiate transport } ipsec { auth_algs sha1 tsrc one tdst one }",
       "rules:1:58: error: tsrc and tdst are for tunnel mode, not for negotiate transport\n"},
      {"{} ipsec { auth_algs sha1 mark 1 } or ipsec { auth_algs md5 mark 2 }",
       "rules:1:61: error: it is about the packets, so it must be the same in each alternative\n"},
      {"{ dir in } pass {} or ipsec { auth_algs sha1 }",
       "rules:1:12: error: what follows pass would never be used: put it last\n"},
      {"{ dir in } ipsec { auth_algs sha1 } or drop {}",
       "rules:1:40: error: drop cannot be one of several alternatives: write it as an entry of its own\n"},
  });
}

// Each fault is shown with the whole entry, so an entry with thousands took minutes.
TEST(PolicyFaults, EndAfterMany) {
  std::string text = "{} ipsec { reqid 0 }", expected;
  for (int i = 1; i < 5000; ++i) text += " or ipsec { reqid 0 }";
  for (int i = 0; i < 33; ++i)
    expected += "rules:1:" + std::to_string(18 + 21 * i) + ": error: reqid: \"0\" means none; leave it out\n";
  expected += "rules:1:" + std::to_string(18 + 21 * 33) + ": error: this entry has more faults, which are not shown\n";
  EXPECT_EQ(report(text), expected);
}

TEST(PolicyFaults, OfTheOrder) {
  for (const auto& [text, fault] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"order\n{ dir in } drop {}\n", "rules:1:1: error: order needs one word on its line: classes or file\n"},
           {"# rules\n  order file first\n", "rules:2:3: error: order needs one word on its line: classes or file\n"},
           {"order sideways\n", "rules:1:7: error: Unknown order; expected classes or file\n"},
           {"order file\norder file\n{ dir in } drop {}\n",
            "rules:2:1: error: order is about the whole file: it can be there once, before the first entry\n"},
           {"{ dir in } drop {}\norder file\n",
            "rules:2:1: error: order is about the whole file: it can be there once, before the first entry\n"},
           {"order { dir in } drop {}\n", "rules:1:1: error: order needs one word on its line: classes or file\n"},
       })
    EXPECT_EQ(report(text), fault) << text;
  const PolicyFile file = read("order sideways\n{ dir in } drop {}\n");
  EXPECT_EQ(file.wrong, 1u);
  EXPECT_EQ(file.entries, 1u);
}

TEST(PolicyFaults, OfAnEntryFoundOutLater) {
  const FileFault first = fault_of_entry("  { dir in } drop {} # two", "rules", 2, table::Severity::warning, "no");
  EXPECT_EQ(first.shown, "rules:2:3: warning: no\n     2 |   { dir in } drop {} # two\n       |   ^\n");
  EXPECT_EQ(as_error(first).shown, "rules:2:3: error: no\n     2 |   { dir in } drop {} # two\n       |   ^\n");
  EXPECT_EQ(as_error(first).severity, table::Severity::error);
  const FileFault last = fault_of_entry("{", "rules", 3, table::Severity::error, "why");
  EXPECT_EQ(as_error(last).shown, last.shown);
  EXPECT_EQ(last.shown, "rules:3:1: error: why\n     3 | {\n       | ^\n");
  EXPECT_EQ(last.line, 3u);
  EXPECT_EQ(last.column, 1u);
  EXPECT_EQ(last.message, "why");
}

TEST(PolicyFaults, BetweenEntries) {
  const PolicyFile file = read(
      "{ tunnel t0 negotiate tunnel } ipsec { auth_algs sha1 }\n"
      "{ lport 1 dir in } drop {}\n"
      "  { lport 1 dir both } pass {}\n"
      "{ tunnel t0 negotiate transport } ipsec { auth_algs sha1 }\n");
  EXPECT_EQ(report(file),
            "rules:3:3: error: the rule in line 2 is about the same packets, with another action\n"
            "rules:4:1: error: the rule in line 1 negotiates the other mode for this tunnel\n");
  EXPECT_EQ(file.wrong, 2u);
  EXPECT_EQ(write_rules(file.rules),
            "{ tunnel t0 negotiate tunnel } ipsec { auth_algs hmac-sha1 }\n{ lport 1 dir in } drop {}\n");
}

}  // namespace
}  // namespace ipseckey::policylang
