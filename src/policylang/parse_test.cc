// What entries mean: each text with the rules that it stands for, as the writer prints them.
#include "policylang/rows.h"
#include "policylang/testing.h"
#include "table/completion.h"

namespace ipseckey::policylang {
namespace {

using testing::read;
using testing::report;
using testing::written;

// The examples of the sheet, which are those that people have.
TEST(PolicyLanguage, ReadsWhatPeopleWrite) {
  EXPECT_EQ(written("{ laddr 10.0.0.1 raddr 10.0.0.2 } ipsec { encr_algs aes encr_auth_algs sha256 sa shared }\n"),
            "{ laddr 10.0.0.1 raddr 10.0.0.2 } ipsec { encr_algs aes-cbc encr_auth_algs hmac-sha256 }\n");
  EXPECT_EQ(written("{ raddr 10.0.0.2 rport 23 } ipsec { encr_algs aes(192..256) encr_auth_algs sha1 }"),
            "{ raddr 10.0.0.2 rport 23 } ipsec { encr_algs aes-cbc(192..256) encr_auth_algs hmac-sha1 }\n");
  EXPECT_EQ(written("{ lport 80 ulp tcp dir both } bypass {}\n"
                    "{} ipsec { encr_algs aes encr_auth_algs sha256 }\n"),
            "{ ulp 6 lport 80 dir both } bypass {}\n"
            "{} ipsec { encr_algs aes-cbc encr_auth_algs hmac-sha256 }\n");
  EXPECT_EQ(written("{ rport 53 dir both } bypass {}"), "{ rport 53 dir both } bypass {}\n");
  EXPECT_EQ(written("{ ulp ipv6-icmp type 133-137 dir both } pass {}"), "{ ulp 58 type 133-137 dir both } bypass {}\n");
  EXPECT_EQ(written("{ lport 23 dir in } drop {}"), "{ lport 23 dir in } drop {}\n");
  EXPECT_EQ(written("{ raddr 10.5.5.0/24 } ipsec { auth_algs any }"),
            "{ raddr 10.5.5.0/24 } ipsec { auth_algs any }\n");
  EXPECT_EQ(written("{ tunnel ip.tun0 negotiate tunnel laddr 10.1.0.0/16 raddr 10.2.0.0/16 }\n"
                    "ipsec { encr_algs aes-gcm }"),
            "rules:1:71: error: an action is missing behind this, on the same line: "
            "ipsec, apply, permit, bypass, pass or drop\n");
  EXPECT_EQ(
      written("{ tunnel ip.tun0 negotiate tunnel laddr 10.1.0.0/16 raddr 10.2.0.0/16 } ipsec { encr_algs aes-gcm }"),
      "{ tunnel ip.tun0 negotiate tunnel laddr 10.1.0.0/16 raddr 10.2.0.0/16 } ipsec { encr_algs aes-gcm }\n");
  EXPECT_EQ(
      written(
          "{ raddr 10.0.0.2 } ipsec { encr_algs aes auth_algs md5 } or ipsec { encr_algs 3des encr_auth_algs sha1 }"),
      "{ raddr 10.0.0.2 } ipsec { auth_algs hmac-md5 encr_algs aes-cbc } or "
      "ipsec { encr_algs 3des-cbc encr_auth_algs hmac-sha1 }\n");
}

TEST(PolicyLanguage, ReadsNetworksInShort) {
  EXPECT_EQ(written("{ tunnel ip.tun0 negotiate tunnel laddr 10.1/16 raddr 10/8 } ipsec { encr_algs aes-gcm }"),
            "{ tunnel ip.tun0 negotiate tunnel laddr 10.1.0.0/16 raddr 10.0.0.0/8 } ipsec { encr_algs aes-gcm }\n");
  EXPECT_EQ(written("{ laddr 192.0.2/24 raddr 10.1/24 dir in } drop {}"),
            "{ laddr 192.0.2.0/24 raddr 10.1.0.0/24 dir in } drop {}\n");
  EXPECT_EQ(written("{ saddr 10.1.2/24 daddr 0/0 } apply { auth_algs sha1 }"),
            "{ laddr 10.1.2.0/24 raddr 0.0.0.0/0 dir out } ipsec { auth_algs hmac-sha1 }\n");
}

// RFC 4291 section 2.5.5.2: packets carry the IPv4 address.
TEST(PolicyLanguage, ReadsMappedAddressesAsIpv4) {
  EXPECT_EQ(written("{ laddr 10.1/16 raddr ::ffff:10.0.0.1 dir out } drop {}"),
            "{ laddr 10.1.0.0/16 raddr 10.0.0.1 dir out } drop {}\n");
  EXPECT_EQ(written("{ raddr ::ffff:10.0.0.0/8 dir out } drop {}"), "{ raddr 10.0.0.0/8 dir out } drop {}\n");
  EXPECT_EQ(written("{} ipsec { auth_algs sha1 tsrc ::ffff:10.0.0.1 tdst 10.0.0.2 }"),
            "{} ipsec { auth_algs hmac-sha1 tsrc 10.0.0.1 tdst 10.0.0.2 }\n");
}

// Of a name's addresses, those of ICMP's family.
TEST(PolicyLanguage, IcmpChoosesTheFamily) {
  EXPECT_EQ(written("{ ulp icmp raddr both dir out } drop {}"), "{ raddr 192.0.2.1 ulp 1 dir out } drop {}\n");
  EXPECT_EQ(written("{ ulp ipv6-icmp raddr both dir out } drop {}"), "{ raddr 2001:db8::6 ulp 58 dir out } drop {}\n");
}

// A name is that of a host if there is one.
TEST(PolicyLanguage, ReadsNamesOfNetworks) {
  EXPECT_EQ(written("{ laddr one raddr campus dir in } drop {}"),
            "{ laddr 192.0.2.1 raddr 10.1.0.0/16 dir in } drop {}\n");
  EXPECT_EQ(written("{ raddr campus/24 dir in } drop {}"), "{ raddr 10.1.0.0/24 dir in } drop {}\n");
  EXPECT_EQ(written("{ saddr campus smask 0xff000000 } permit { auth_algs sha1 }"),
            "{ raddr 10.0.0.0/8 dir in } ipsec { auth_algs hmac-sha1 }\n");
  EXPECT_EQ(report("{ raddr campus/33 dir in } drop {}"),
            "rules:1:3: error: the length /33 is too large for 10.1.0.0\n");
  EXPECT_EQ(report("{ raddr nowhere dir in } drop {}"), "rules:1:3: error: nowhere has no address: no such host\n");
}

TEST(PolicyLanguage, ReadsTheOrder) {
  const std::string entry = "{ dir in } drop {}\n";
  EXPECT_EQ(read(entry).order, policy::Order::classes);
  EXPECT_EQ(read("order classes\n" + entry).order, policy::Order::classes);
  for (const std::string head : {"order file\n", "# first\n\n\torder  file  # ours\r\n", "order file\r\n"}) {
    const PolicyFile file = read(head + entry);
    EXPECT_EQ(report(file), "") << head;
    EXPECT_EQ(file.order, policy::Order::file) << head;
    EXPECT_EQ(write_rules(file.rules), entry) << head;
  }
  EXPECT_EQ(read("order file").order, policy::Order::file);
  EXPECT_EQ(read(std::string(order_line(policy::Order::file)) + "\n").order, policy::Order::file);
  EXPECT_EQ(order_line(policy::Order::classes), "");
}

TEST(PolicyLanguage, ReadsTheOldPair) {
  EXPECT_EQ(written("{ saddr 10.0.0.1 daddr 10.0.0.2 dport telnet } apply { auth_algs sha256 sa unique }\n"
                    "{ saddr 10.0.0.2 daddr 10.0.0.1 sport telnet } permit { auth_algs sha256 }\n"),
            "{ laddr 10.0.0.1 raddr 10.0.0.2 rport 23 dir out } ipsec { auth_algs hmac-sha256 sa unique }\n"
            "{ laddr 10.0.0.1 raddr 10.0.0.2 rport 23 dir in } ipsec { auth_algs hmac-sha256 }\n");
  EXPECT_EQ(written("{ src 10.1.2.3 smask 0xffff0000 dst 10.9.9.9 dmask 255.255.255.0 } bypass { dir in }"),
            "{ laddr 10.9.9.0/24 raddr 10.1.0.0/16 dir in } bypass {}\n");
  EXPECT_EQ(written("{ srcaddr 10.1.2.3/8 dest ::1 } ipsec { auth_algs sha256 dir out }"),
            "rules:1:22: error: saddr and daddr are of different families: no address of one fits the other\n");
}

TEST(PolicyLanguage, BreaksLinesWithinBracesAndBeforeThem) {
  EXPECT_EQ(written("# the first\n\n  {\n  raddr 10.0.0.2 # the peer\n  }  ipsec\n\n{\nauth_algs\nsha256}or ipsec "
                    "{auth_algs sha1}\n"
                    "{dir out ulp udp}drop{}# the end"),
            "{ raddr 10.0.0.2 } ipsec { auth_algs hmac-sha256 } or ipsec { auth_algs hmac-sha1 }\n"
            "{ ulp 17 dir out } drop {}\n");
  const PolicyFile file = read("\n\n  {} ipsec { auth_algs sha1 }\n{\ndir in lport 1\n} drop {}\n");
  ASSERT_EQ(file.rules.size(), 2u);
  EXPECT_EQ(file.rules[0].line, 3u);
  EXPECT_EQ(file.rules[1].line, 4u);
  EXPECT_EQ(written(""), "");
  EXPECT_EQ(written("# nothing\n\n"), "");
}

TEST(PolicyLanguage, MakesARuleOfEachPairOfAddressesOfOneFamily) {
  EXPECT_EQ(written("{ laddr both raddr two dir out } drop {}"),
            "{ laddr 192.0.2.1 raddr 192.0.2.1 dir out } drop {}\n"
            "{ laddr 192.0.2.1 raddr 192.0.2.2 dir out } drop {}\n");
  EXPECT_EQ(written("{ raddr both dir out } drop {}"),
            "{ raddr 192.0.2.1 dir out } drop {}\n{ raddr 2001:db8::6 dir out } drop {}\n");
  EXPECT_EQ(written("{ raddr one/24 dir out } drop {}"), "{ raddr 192.0.2.0/24 dir out } drop {}\n");
  EXPECT_EQ(written("{ raddr any lport any rport 0 ulp 0 dir out } drop {}"), "{ dir out } drop {}\n");
  EXPECT_EQ(report("{ raddr one laddr six dir out } drop {}"),
            "rules:1:3: error: laddr and raddr are of different families: no address of one fits the other\n");
  EXPECT_EQ(report("{ raddr two/24 dir out } drop {}"),
            "rules:1:3: error: two has 2 addresses: only a name with one can have a length\n");
  EXPECT_EQ(report("{ raddr one/64 dir out } drop {}"),
            "rules:1:3: error: the length /64 is too large for 192.0.2.1\n");
  EXPECT_EQ(report("{ raddr nobody dir out } drop {}"), "rules:1:3: error: nobody has no address: no such host\n");
}

TEST(PolicyLanguage, ReadsIcmpNumbersAndNames) {
  EXPECT_EQ(written("{ ulp icmp type echo dir in } drop {}"), "{ ulp 1 type 8 dir in } drop {}\n");
  EXPECT_EQ(written("{ ulp icmp type unreach code needfrag dir in } pass {}"),
            "{ ulp 1 type 3 code 4 dir in } bypass {}\n");
  EXPECT_EQ(written("{ ulp ipv6-icmp type unreach6 code 1-3 dir in } pass {}"),
            "{ ulp 58 type 1 code 1-3 dir in } bypass {}\n");
  EXPECT_EQ(written("{ ulp icmp type 3 code 255 dir in } pass {}"), "{ ulp 1 type 3 dir in } bypass {}\n");
  EXPECT_EQ(written("{ ulp icmp type 3 code any dir in } pass {}"), "{ ulp 1 type 3 dir in } bypass {}\n");
}

TEST(PolicyLanguage, ReadsLengthsOfKeys) {
  const auto lengths = [](const std::string& algorithm) {
    const PolicyFile file = read("{} ipsec { encr_auth_algs sha1 encr_algs " + algorithm + " }");
    if (file.wrong > 0) return report(file);
    const policy::Choice& c = *file.rules[0].alternatives[0].protection.cipher;
    const auto text = [](const auto& n) { return n ? std::to_string(*n) : std::string("-"); };
    return text(c.number) + " " + text(c.min_bits) + " " + text(c.max_bits);
  };
  EXPECT_EQ(lengths("aes"), "12 - -");
  EXPECT_EQ(lengths("AES-CBC(192)"), "12 192 192");
  EXPECT_EQ(lengths("12(192..)"), "12 192 -");
  EXPECT_EQ(lengths("aes(..192)"), "12 - 192");
  EXPECT_EQ(lengths("aes(192..256)"), "12 192 256");
  EXPECT_EQ(lengths("aes(..)"), "12 - -");
  EXPECT_EQ(lengths("aes(100..130)"), "12 100 130");
  EXPECT_EQ(lengths("any(192..)"), "- 192 -");
  EXPECT_EQ(lengths("null"), "11 - -");
}

TEST(PolicyLanguage, LeavesOutNone) {
  EXPECT_EQ(written("{} ipsec { auth_algs none encr_algs aes encr_auth_algs sha1 }"),
            "{} ipsec { encr_algs aes-cbc encr_auth_algs hmac-sha1 }\n");
  EXPECT_EQ(written("{} ipsec { encr_auth_algs NONE encr_algs aes-gcm(256) }"),
            "{} ipsec { encr_algs aes-gcm(256) }\n");
}

TEST(PolicyLanguage, HasPropertiesOfItsOwn) {
  EXPECT_EQ(written("{ raddr 10.2.0.0/16 } ipsec { encr_algs aes-gcm reqid 7 tsrc one tdst 198.51.100.9 level use "
                    "mark 0x10/0xff if_id 3 }"),
            "{ raddr 10.2.0.0/16 } ipsec { encr_algs aes-gcm level use reqid 7 tsrc 192.0.2.1 tdst 198.51.100.9 "
            "mark 0x10/0xff if_id 3 }\n");
  EXPECT_EQ(written("{ dir out } ipsec { encr_algs aes-gcm spi 4097 }"),
            "{ dir out } ipsec { encr_algs aes-gcm spi 0x1001 }\n");
  EXPECT_EQ(written("{ saddr 10.0.0.1 } permit { auth_algs sha1 spi 0xffffffff }"),
            "{ raddr 10.0.0.1 dir in } ipsec { auth_algs hmac-sha1 spi 0xffffffff }\n");
  EXPECT_EQ(written("{ dir in } drop { mark 5 }"), "{ dir in } drop { mark 0x5 }\n");
  EXPECT_EQ(written("{} ipsec { auth_algs sha1 level require } or pass { if_id 4 }"),
            "{} ipsec { auth_algs hmac-sha1 if_id 4 } or bypass {}\n");
}

TEST(PolicyLanguage, GivesATunnelsOwnPacketsAnSaOfTheirOwn) {
  EXPECT_EQ(written("{ tunnel gre1 negotiate transport } ipsec { auth_algs sha1 }"),
            "{ tunnel gre1 negotiate transport } ipsec { auth_algs hmac-sha1 sa unique }\n");
}

TEST(PolicyLanguage, WarnsAndContinues) {
  EXPECT_EQ(written("{} ipsec { encr_algs aes }"),
            "rules:1:12: warning: encryption without authentication: packets can be changed on their way; add "
            "encr_auth_algs\n"
            "{} ipsec { encr_algs aes-cbc }\n");
  EXPECT_EQ(written("{} ipsec { auth_algs sha1 encr_algs any }"),
            "rules:1:27: warning: any takes every cipher, DES and the null cipher included; name the one you use\n"
            "{} ipsec { auth_algs hmac-sha1 encr_algs any }\n");
  EXPECT_EQ(written("{ dir in lport 1 } drop {}\n{ lport 1 dir in } drop {}\n"),
            "rules:2:1: warning: the same rule is in line 1; this one is ignored\n"
            "{ lport 1 dir in } drop {}\n");
}

// The words that can follow, as a prompt would offer them.
std::string can_follow(const table::Language& language, table::Uses entry, std::string_view text) {
  const table::Unfinished unfinished = table::unfinished(text);
  const table::PairsEnd end = end_of_pairs(language.table, unfinished.words);
  table::Offers offers{unfinished.typed, end.name.row != nullptr};
  if (end.name.row) {
    offer_value(*end.name.row, end.value_word, offers);
  } else {
    offer_names(language.table, entry, end.given, offers);
  }
  std::string out;
  for (const std::string_view word : offers.words) out.append(out.empty() ? "" : " ").append(word);
  return out;
}

TEST(PolicyLanguage, IsCompleted) {
  EXPECT_EQ(can_follow(kPatternLanguage, kPattern, "negotiate t"), "tunnel transport");
  EXPECT_EQ(can_follow(kPatternLanguage, kPattern, "negotiate tunnel t"), "tunnel type");
  EXPECT_EQ(can_follow(kPatternLanguage, kPattern, "tunnel ip.tun0 negotiate tunnel t"), "type");
  EXPECT_EQ(can_follow(kPatternLanguage, kPattern, "ulp icmp type timest"), "timest timestrep");
  EXPECT_EQ(can_follow(kPropertyLanguage, kIpsec, "encr_algs 3"), "3des-cbc");
  EXPECT_EQ(can_follow(kPropertyLanguage, kPass, ""), "dir mark if_id");
}

}  // namespace
}  // namespace ipseckey::policylang
