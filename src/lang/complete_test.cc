// Completion and help in the middle of a command: every kind of place, with everything that can follow there.
#include "lang/complete.h"

#include <gmock/gmock.h>

#include "lang/commands.h"
#include "lang/faults.h"
#include "lang/keywords.h"

namespace ipseckey::lang {
namespace {

using testing::AllOf, testing::HasSubstr, testing::Not;

// The possibilities, separated by blanks; "FILE" where a file's name can follow.
std::string can_follow(std::string_view text) {
  const Completion found = complete(text);
  std::string out = found.file ? "FILE" : "";
  for (const std::string_view word : found.words) out.append(out.empty() ? "" : " ").append(word);
  return out;
}

struct Case {
  std::string_view text, words;
};

void check(std::span<const Case> cases) {
  for (const auto& [text, words] : cases) EXPECT_EQ(can_follow(text), words) << "after: " << text;
}

TEST(Complete, Commands) {
  std::string all;  // By their first names.
  for (const CommandRow& row : commands()) all += (all.empty() ? "" : " ") + std::string(row.name());
  EXPECT_TRUE(all.starts_with("add update ") && all.ends_with(" help quit")) << all;
  const Case kCases[] = {
      {"", all},
      {"  ", all},
      {"d", "delete delete-pair dump doctor"},
      {"update", "update update-pair"},
      {"p", "passive_monitor"},
      {"pm", "pmonitor"},
      {"e", "exit"},
      {"A", ""},
      {"nonsense", ""},
  };
  check(kCases);
}

TEST(Complete, SaTypes) {
  constexpr Case kCases[] = {
      {"add ", "ah esp"},      {"get a", "ah"},  {"get E", "esp"}, {"flush ", "all ah esp"}, {"dump a", "all ah"},
      {"save ", "all ah esp"}, {"monitor ", ""}, {"add all ", ""}, {"add what ", ""},        {"nonsense ", ""},
  };
  check(kCases);
}

// The keywords that a command acts on, in the order of the table, but for some, each between blanks.
std::string keywords_of(Verb verb, pfkey::SaType satype, std::string_view but = "") {
  std::string out;
  for (const Keyword& row : keywords()) {
    const bool fits = row.only == pfkey::SaType::unspec || row.only == satype;
    if ((row.used & bit(verb)) == 0 || !fits || but.contains(' ' + std::string(row.name()) + ' ')) continue;
    out.append(out.empty() ? "" : " ").append(row.name());
  }
  return out;
}

TEST(Complete, ExtensionsThatTheCommandUses) {
  using pfkey::SaType;
  for (const CommandRow& row : commands()) {
    if (row.operands != Operands::extensions) continue;
    for (const auto& [satype, word] : {std::pair(SaType::esp, " esp "), std::pair(SaType::ah, " ah ")})
      EXPECT_EQ(can_follow(std::string(row.name()) + word), keywords_of(row.verb, satype)) << row.name() << word;
  }
  // What only one type of SA has.
  EXPECT_THAT(can_follow("add esp "), AllOf(HasSubstr(" encrkey "), Not(HasSubstr(" align8 "))));
  EXPECT_THAT(can_follow("add ah "), AllOf(HasSubstr(" align8 "), Not(HasSubstr(" encrkey "))));
  constexpr Case kCases[] = {
      {"update-pair esp pair", ""},
      {"update esp pair", "pair-spi"},
      {"get esp flags", ""},
  };
  check(kCases);
}

TEST(Complete, ExtensionsThatWereNotGiven) {
  const auto all_but = [](std::string_view given) { return keywords_of(Verb::get, pfkey::SaType::esp, given); };
  const std::string all = all_but(""), one = all_but(" spi "), three = all_but(" inbound spi dst ");
  EXPECT_THAT(all, testing::StartsWith("spi inbound outbound src dst sport dport proto"));
  const Case kCases[] = {
      {"get esp spi 1 ", one},
      {"get esp inbound spi 1 daddr 192.0.2.1 ", three},
      {"get esp spi 1 \\\n  dst6 2001:db8::1 \\\n  s", "src sport"},
      {"add esp encrkey 00112233 en", "encap encr_alg"},
      {"get esp unknown word ", all},
      {"get esp dst src ", ""},
  };
  check(kCases);
}

TEST(Complete, SynonymsWhenTheyAreBegun) {
  constexpr Case kCases[] = {
      {"get esp d", "dst dport"},
      {"get esp ds", "dst"},
      {"get esp dsta", "dstaddr dstaddr6"},
      {"get esp dst6", "dst6"},
      {"get esp sa", "saddr saddr6"},
      {"add esp proxy", "proxyaddr proxy proxyaddr6 proxy6"},
      {"add esp enc", "encap encr_alg encrkey"},
      {"add esp encral", "encralg"},
      {"get esp ul", "ulp"},
      {"get esp S", ""},
  };
  check(kCases);
}

TEST(Complete, Values) {
  constexpr Case kCases[] = {
      {"add esp auth_alg ", "hmac-md5 hmac-sha1 hmac-sha256 hmac-sha384 hmac-sha512 aes-xcbc aes-cmac none"},
      {"add ah auth_alg ", "hmac-md5 hmac-sha1 hmac-sha256 hmac-sha384 hmac-sha512 aes-xcbc aes-cmac"},
      {"add esp authalg sha", "sha sha1 sha-1 sha256 sha-256 sha384 sha-384 sha512 sha-512"},
      {"add esp authalg SHA-5", "sha-512"},
      {"add esp encr_alg aes", "aes-cbc aes-ctr aes-ccm8 aes-ccm12 aes-ccm aes-gcm8 aes-gcm12 aes-gcm aes-gmac"},
      {"add esp encr_alg 3", "3des-cbc"},
      {"add esp state ", "larval mature dying dead active-elsewhere idle active"},
      {"add esp state D", "dying dead"},
      {"add esp encap ", "udp"},
      {"add esp offload ", "crypto packet"},
      {"add esp offload p", "packet"},
      {"add esp offload packet ", ""},
      {"add esp srcidtype ", "prefix fqdn domain domainname user_fqdn mailbox der_dn der_gn key_id addr_range"},
      {"add esp dstidtype f", "fqdn"},
      {"add esp srcidtype fqdn ", ""},
      {"add esp spi ", ""},
      {"add esp dst ", ""},
      {"add esp authkey ", ""},
      {"add esp authkey 00a", ""},
      {"add esp label 1", ""},
  };
  check(kCases);
}

TEST(Complete, FilesAndTopics) {
  constexpr Case kCases[] = {
      {"load ", "FILE"},
      {"load /etc/ke", "FILE"},
      {"save all ", "FILE"},
      {"load \"a b", "FILE"},
      {"load file ", ""},
      {"load \"a b\" ", ""},
      {"save al", "all"},
      {"help at", "attr"},
      {"apply ", "FILE"},
      {"apply --", "--dry-run --all --flush-first --owner="},
      {"apply --dry-run --a", "--all"},
      {"apply --all ", "FILE"},
      {"unload --", "--dry-run --owner="},
      {"apply --owner=mine ", "FILE"},
      {"apply --owner ", ""},
      {"apply --owner mine ", "FILE"},
      {"load --", "FILE"},
      {"genkey SHA2", "sha256"},
      {"genkey nu", "null-aes-gmac"},
      {"genkey aes-g", "aes-gcm8 aes-gcm12 aes-gcm aes-gmac"},
      {"genkey aes ", ""},
      {"genkey null ", ""},
      {"help dum", "dump"},
      {"help auth", "auth_alg authkey"},
      {"? idle", "idle_addtime idle_usetime"},
      {"help flags", ""},
      {"help add ", ""},
      {"quit ", ""},
  };
  check(kCases);
}

TEST(Complete, WhereTheWordStarts) {
  EXPECT_EQ(complete("add es").at, 4u);
  EXPECT_EQ(complete("add ").at, 4u);
  EXPECT_EQ(complete("load \"a b").at, 5u);
  EXPECT_EQ(complete("load $\"a b").at, 5u);
}

TEST(HelpHere, SaTypesOfACommand) {
  EXPECT_EQ(help_here("add "),
            "  ah                        Authentication Header.\n"
            "  esp                       Encapsulating Security Payload.\n");
  EXPECT_EQ(help_here("flush "),
            "  all                       Both.\n"
            "  ah                        Authentication Header.\n"
            "  esp                       Encapsulating Security Payload.\n"
            "Or Enter, for all.\n");
}

TEST(HelpHere, WhatIsNeededComesFirst) {
  EXPECT_EQ(help_here("get esp outbound spi 1 sport 1 dport 2 "),
            "Still needed:\n"
            "  dst ADDRESS|NAME          Destination address of the SA.\n"
            "Can follow:\n"
            "  inbound                   The SA is for incoming packets.\n"
            "  src ADDRESS|NAME          Source address of the SA; any source if omitted.\n"
            "  proto PROTOCOL            IP protocol of the traffic that the SA protects; 4\n"
            "                            or 41 in tunnel mode.\n"
            "  mark VALUE[/MASK]         Mark of the packets that the SA protects; in the\n"
            "                            kernel it is part of the SA's identity.\n");
  EXPECT_EQ(help_here("get esp spi 1 dst 192.0.2.1 inbound outbound src 192.0.2.2 sport 1 dport 2 "),
            "Can follow:\n"
            "  proto PROTOCOL            IP protocol of the traffic that the SA protects; 4\n"
            "                            or 41 in tunnel mode.\n"
            "  mark VALUE[/MASK]         Mark of the packets that the SA protects; in the\n"
            "                            kernel it is part of the SA's identity.\n"
            "Or Enter, to run the command.\n");
}

TEST(HelpHere, Values) {
  EXPECT_EQ(help_here("get esp spi "), "spi NUMBER: Security parameters index of the SA.\n");
  EXPECT_EQ(help_here("add esp auth_alg aes"),
            "auth_alg ALGORITHM: Authentication algorithm.\n"
            "  aes-xcbc                  Key of 128 bits.\n"
            "  aes-cmac                  Key of 128 bits.\n");
  EXPECT_EQ(help_here("add esp encr_alg n"),
            "encr_alg ALGORITHM: Encryption algorithm.\n"
            "  null                      No key.\n"
            "  null-aes-gmac             Key of 128, 192 or 256 bits plus a 32-bit salt.\n");
  EXPECT_EQ(help_here("add esp state d"), "state STATE: State of the SA; mature if omitted.\n  dying\n  dead\n");
}

TEST(HelpHere, TheOtherPlaces) {
  EXPECT_EQ(help_here("q"), "  quit                      End the session; in a file, stop reading.\n");
  EXPECT_EQ(help_here("x"), "No word starts like that.\n");
  EXPECT_EQ(help_here("load "), "load FILE|-: Run the commands of a file.\n");
  EXPECT_EQ(help_here("monitor "), "Nothing more can follow; Enter runs the command.\n");
  EXPECT_EQ(help_here("nonsense "), "That is not a command; `help` lists the commands.\n");
}

TEST(AsksWhatFollows, ByTheLastWord) {
  EXPECT_EQ(asks_what_follows("add esp ?\n"), "add esp ");
  EXPECT_EQ(asks_what_follows("add esp help"), "add esp ");
  EXPECT_EQ(asks_what_follows("add esp state help"), "add esp state ");
  EXPECT_EQ(asks_what_follows("add esp dst ?"), "add esp dst ");
  EXPECT_EQ(asks_what_follows("add esp dst help"), std::nullopt);
  EXPECT_EQ(asks_what_follows("load help"), std::nullopt);
  EXPECT_EQ(asks_what_follows("load \"?\""), std::nullopt);
  EXPECT_EQ(asks_what_follows("?"), std::nullopt);
  EXPECT_EQ(asks_what_follows("help ?"), std::nullopt);
  EXPECT_EQ(asks_what_follows("add esp"), std::nullopt);
}

TEST(MayHoldKey, KeywordsSlipsAndStrayDigits) {
  for (const std::string_view text :
       {"add esp spi 1 authkey 00", "add esp encrkey", "add esp autkey 12", "add esp \\\n enckey 12",
        "0011223344556677", "add esp auth_key 1", "add esp spi 1 \"open", "adesp 00112233445566778899aabb/96"})
    EXPECT_TRUE(may_hold_key(text)) << text;
  for (const std::string_view text :
       {"add esp spi 0x12345678 dst 192.0.2.1 auth_alg hmac-sha256", "get esp spi 4294967295 dst 2001:db8::1234:abcd",
        "dump", "help attr", "typo esp"})
    EXPECT_FALSE(may_hold_key(text)) << text;
}

}  // namespace
}  // namespace ipseckey::lang
