#include "lang/neighbours.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "lang/keywords.h"
#include "lang/syntax.h"
#include "lang/testing.h"
#include "pfkey/algorithms.h"
#include "pfkey/names.h"

namespace ipseckey::lang {
namespace {

constexpr std::string_view kHead = "add esp spi 1000 src 192.0.2.1 dst 192.0.2.2 ";
constexpr std::string_view kKey = "000102030405060708090a0b0c0d0e0f";

struct Row {
  std::string_view theirs, said;
};

// The message about the first fault of a command with a key in it.
std::string first_fault(const std::string& text) {
  const std::string report = lang::testing::report(text);
  return report.substr(0, report.find('\n'));
}

TEST(Neighbours, KeywordsAreShownAndAnsweredInALineWithAKey) {
  constexpr Row kRows[] = {
      {"mode tunnel", "\"mode\"; tunnel mode is isrc and idst; without them the mode is transport"},
      {"dir in", "\"dir\"; use inbound or outbound"},
      {"sel src 10.1.0.0/16",
       "\"sel\"; the traffic inside a tunnel is isrc and idst; its ports and protocol are sport, dport and proto"},
      {"replay-window 32", "\"replay-window\"; did you mean replay?"},
      {"coa 192.0.2.9", "\"coa\"; there is no equivalent here"},
      {"nopmtudisc", "\"nopmtudisc\"; use df clear"},
      {"decap-dscp", "\"decap-dscp\"; use dscp copy"},
      {"dont-encap-dscp", "\"dont-encap-dscp\"; use dscp 0"},
      {"limit byte-hard 5",
       "\"limit\"; each limit is a keyword of its own: soft_bytes, hard_bytes, soft_addtime, "
       "hard_addtime and their like"},
      {"time-hard 5", "\"time-hard\"; did you mean hard_addtime?"},
      {"flag esn",
       "\"flag\"; a flag is a keyword: esn; align8 for the absence of align4; df clear for nopmtudisc; dscp copy for "
       "decap-dscp; dscp 0 for dont-encap-dscp"},
      {"mask 0xff", "\"mask\"; the mask follows its value after a slash: mark VALUE/MASK"},
      {"enc cbc(aes)", "\"enc\"; did you mean encr_alg and encrkey?"},
      {"auth hmac(sha1)", "\"auth\"; did you mean auth_alg and authkey?"},
      {"aead rfc4106(gcm(aes))", "\"aead\"; did you mean encr_alg and encrkey?"},
      {"-E aes-cbc", "\"-E\"; did you mean encr_alg and encrkey?"},
      {"-u 5", "\"-u\"; did you mean reqid?"},
      {"from 192.0.2.1", "\"from\"; did you mean src?"},
      {"espenckey 0x01", "\"espenckey\"; did you mean encrkey?"},
      {"ealg aes-cbc", "\"ealg\"; did you mean encr_alg and encrkey?"},
      {"spi-c 5", "\"spi-c\"; did you mean spi?"},
      {"reqid=5", "\"reqid=...\"; separate an extension and its value with a blank: reqid NUMBER"},
      {"authkey=00112233",
       "\"authkey=...\"; separate an extension and its value with a blank: authkey HEX[/BITS]|@FILE"},
      {"espenckey=0x00112233", "\"espenckey=...\"; did you mean encrkey?"},
  };
  for (const Row& row : kRows) {
    const std::string text = fmt::format("{}{} encralg aes encrkey {}", kHead, row.theirs, kKey);
    EXPECT_EQ(first_fault(text), fmt::format("keys:1:{}: error: Unknown extension {}", kHead.size() + 1, row.said));
  }
}

TEST(Neighbours, EachKeywordOfALineIsAnswered) {
  EXPECT_EQ(
      lang::testing::report(
          fmt::format("{}mode tunnel reqid=5 enc 'cbc(aes)' 0x{} auth hmac(sha1) 0x{}", kHead, kKey, kKey)),
      "keys:1:46: error: Unknown extension \"mode\"; tunnel mode is isrc and idst; without them the mode is "
      "transport\n"
      "keys:1:58: error: Unknown extension \"reqid=...\"; separate an extension and its value with a blank: reqid "
      "NUMBER\n"
      "keys:1:66: error: Unknown extension \"enc\"; did you mean encr_alg and encrkey?\n"
      "keys:1:116: error: Unknown extension \"auth\"; did you mean auth_alg and authkey?\n");
}

TEST(Neighbours, Algorithms) {
  struct Names {
    std::string_view theirs, ours;
  };
  constexpr Names kCiphers[] = {
      {"rfc4106(gcm(aes))", "aes-gcm8, aes-gcm12 or aes-gcm"},
      {"rfc4309(ccm(aes))", "aes-ccm8, aes-ccm12 or aes-ccm"},
      {"cbc(aes)", "aes-cbc"},
      {"'cbc(aes)'", "aes-cbc"},
      {"aes256", "aes-cbc"},
      {"aes(256)", "aes-cbc"},
      {"aes-cbc-256", "aes-cbc"},
      {"AES-128", "aes-cbc"},
      {"rijndael-cbc", "aes-cbc"},
      {"des-ede3-cbc", "3des-cbc"},
      {"cbc(des3_ede)", "3des-cbc"},
      {"aes256gcm16", "aes-gcm"},
      {"aes128gcm96", "aes-gcm12"},
      {"aes192ccm64", "aes-ccm8"},
      {"aes-gcm-16", "aes-gcm"},
      {"aes-ctr-192", "aes-ctr"},
      {"rfc3686(ctr(aes))", "aes-ctr"},
      {"camellia256", "camellia-cbc"},
      {"rfc7539esp(chacha20,poly1305)", "chacha20-poly1305"},
      {"ecb(cipher_null)", "null"},
  };
  constexpr Names kMacs[] = {
      {"hmac-md5-96", "hmac-md5"},    {"hmac-sha-1-96", "hmac-sha1"},   {"hmac(sha256)", "hmac-sha256"},
      {"'hmac(sha1)'", "hmac-sha1"},  {"hmac-sha2-256", "hmac-sha256"}, {"sha2_512", "hmac-sha512"},
      {"sha-384-192", "hmac-sha384"}, {"aesxcbc", "aes-xcbc"},          {"xcbc(aes)", "aes-xcbc"},
      {"cmac(aes)", "aes-cmac"},      {"digest_null", "none"},
  };
  for (const Names& n : kCiphers)
    EXPECT_EQ(suggestion(Foreign::encrypt, n.theirs, {}), fmt::format("; did you mean {}?", n.ours)) << n.theirs;
  for (const Names& n : kMacs)
    EXPECT_EQ(suggestion(Foreign::auth, n.theirs, {}), fmt::format("; did you mean {}?", n.ours)) << n.theirs;
  EXPECT_EQ(suggestion(Foreign::auth, "sha256_96", {}), "; use hmac-sha256 and icv 96");
  EXPECT_EQ(suggestion(Foreign::auth, "md5_128", {}), "; use hmac-md5 and icv 128");
  EXPECT_EQ(suggestion(Foreign::encrypt, "cast128-cbc", {}), "; there is no equivalent here");
  EXPECT_EQ(suggestion(Foreign::encrypt, "aes-cbc-100", {}), "");
  EXPECT_EQ(first_fault(fmt::format("{}encralg \"rfc4106(gcm(aes))\" encrkey {}", kHead, kKey)),
            fmt::format("keys:1:{}: error: encralg: Unknown encryption algorithm \"rfc4106(gcm(aes))\"; did you mean "
                        "aes-gcm8, aes-gcm12 or aes-gcm?",
                        kHead.size() + 9));
  EXPECT_EQ(first_fault(fmt::format("{}encralg null authalg hmac-md5-96 authkey {}", kHead, kKey)),
            fmt::format("keys:1:{}: error: authalg: Unknown authentication algorithm \"hmac-md5-96\"; did you mean "
                        "hmac-md5?",
                        kHead.size() + 22));
  EXPECT_EQ(lang::testing::report("genkey aes256", Where::prompt),
            "keys:1:8: error: Unknown algorithm \"aes256\"; did you mean aes-cbc?\n");
  EXPECT_EQ(lang::testing::report("genkey hmac(sha1)", Where::prompt),
            "keys:1:8: error: Unknown algorithm \"hmac(sha1)\"; did you mean hmac-sha1?\n");
}

TEST(Neighbours, TheOtherPlaces) {
  const std::string key = fmt::format(" spi 1000 dst 192.0.2.2 authalg md5 authkey {}", kKey);
  EXPECT_EQ(first_fault("add tcp" + key), "keys:1:5: error: Unknown SA type \"tcp\"; expected all, ah or esp");
  EXPECT_EQ(first_fault("add esp-udp" + key),
            "keys:1:5: error: Unknown SA type \"esp-udp\"; expected all, ah or esp; use esp and encap udp");
  EXPECT_EQ(first_fault("spdadd 10.0.0.0/8 10.1.0.0/16 any -P out ipsec"),
            "keys:1:1: error: Unknown command \"spdadd\"; policies are not part of this language");
  EXPECT_EQ(first_fault("deleteall 192.0.2.1 192.0.2.2 esp"),
            "keys:1:1: error: Unknown command \"deleteall\"; did you mean flush or delete?");
  EXPECT_EQ(first_fault(fmt::format("{}encap espinudp nat_lport 4500 authalg md5 authkey {}", kHead, kKey)),
            fmt::format("keys:1:{}: error: encap: Unknown encapsulation \"espinudp\"; expected udp", kHead.size() + 7));
  EXPECT_EQ(
      first_fault(fmt::format("{}srcidtype asn1dn x authalg md5 authkey {}", kHead, kKey)),
      fmt::format("keys:1:{}: error: srcidtype: Unknown identity type \"asn1dn\"; expected {}; did you mean der_dn?",
                  kHead.size() + 11,
                  "prefix, fqdn, domain, domainname, user_fqdn, mailbox, der_dn, der_gn, key_id or addr_range"));
}

// A row that names a word that the language has not, or one that it has, would mislead.
TEST(Neighbours, TheTableNamesOurWordsAndNoneOfThemAsTheirs) {
  const auto is_ours = [](Foreign kind, std::string_view word) {
    using pfkey::AlgorithmKind;
    switch (kind) {
      case Foreign::command:
        return find_command(word) != nullptr;
      case Foreign::satype:
        return find_satype(word).has_value();
      case Foreign::keyword:
        return find_keyword(word).row != nullptr;
      case Foreign::auth:
        return pfkey::find_algorithm(AlgorithmKind::auth, word) || word == "none";
      case Foreign::encrypt:
        return pfkey::find_algorithm(AlgorithmKind::encrypt, word) != nullptr;
      case Foreign::encapsulation:
        return pfkey::find_number(pfkey::encapsulation_words(), word).has_value();
      case Foreign::identity:
        return pfkey::find_number(pfkey::identity_words(), word).has_value();
      case Foreign::value:
        break;
    }
    return false;
  };
  std::size_t seen = 0;
  for_each_foreign_word([&](Foreign kind, std::string_view theirs) {
    ++seen;
    EXPECT_TRUE(is_foreign(theirs)) << theirs;
    EXPECT_FALSE(is_ours(kind, theirs)) << theirs << " is ours";
    for (const std::string_view ours : our_words(kind, theirs)) EXPECT_TRUE(is_ours(kind, ours)) << ours;
  });
  EXPECT_GT(seen, 150u);
}

TEST(Neighbours, WhatFollowsTheirKeywordForAKeyIsHidden) {
  for (const std::string_view keyword : {"enc", "aead", "-E", "auth-trunc", "ck", "espauthkey"}) {
    const std::string report = lang::testing::run(fmt::format("{}{} 'cbc(aes)' secretwords 0x{}", kHead, keyword, kKey),
                                                  Where::file, {"keys", 1}, true)
                                   .report;
    EXPECT_EQ(report.find("secretwords"), std::string::npos) << report;
    EXPECT_EQ(report.find("00010203"), std::string::npos) << report;
  }
  const std::string report =
      lang::testing::run(fmt::format("{}mode plainwords", kHead), Where::file, {"keys", 1}, true).report;
  EXPECT_NE(report.find("plainwords"), std::string::npos) << report;
}

}  // namespace
}  // namespace ipseckey::lang
