// Each rule between keywords: a command that breaks it and nothing else, and the whole report.
#include "lang/rules.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "lang/testing.h"

namespace ipseckey::lang {
namespace {

using lang::testing::report;

struct RuleRow {
  std::string_view text;
  std::string_view about;  // Where the mark is: this word of the text.
  std::string_view expected;
};

#define ESP "add esp spi 1000 dst 192.0.2.2 "
#define AH "add ah spi 1000 dst 192.0.2.2 "
#define KEY16 "00112233445566778899aabbccddeeff"
#define MAC "authalg aes-xcbc authkey " KEY16 " "
#define AES "encralg aes encrkey " KEY16 " " MAC
#define TUNNEL "isrc 10.0.0.1 idst 10.0.0.2 "
#define UPDATE "update esp spi 1000 dst 192.0.2.2 "

constexpr std::string_view kReplay =
    "warning: a replay window with manual keys is considered harmful: after the peer restarts, its packets are dropped "
    "as replays";
constexpr std::string_view kDying =
    "error: the dying and dead states cannot be set: they follow from lifetime limits and delete";
constexpr std::string_view kTunnelProto =
    "error: in tunnel mode proto is 4 (IPv4 inside) or 41 (IPv6 inside); iproto names the protocol inside";
constexpr std::string_view kPorts =
    "error: an SA has inner ports (tunnel mode) or outer ports (transport mode), not both";
constexpr std::string_view kNeedsIcmp =
    "error: icmp-type and icmp-code need proto icmp or ipv6-icmp (1 or 58); in a tunnel, iproto";
constexpr std::string_view kNoPorts = "error: ICMP has no ports: give icmp-type and icmp-code (0 to 255) instead";
constexpr std::string_view kForged =
    "warning: aes-cbc without auth_alg: packets can be changed in transit and forged; RFC 8221 section 4 forbids it: "
    "add auth_alg hmac-sha256";
constexpr std::string_view kEncap = "error: encap udp needs at least one of nat_loc, nat_rem, nat_lport and nat_rport";

constexpr RuleRow kBroken[] = {
    {ESP, "add", "error: add esp needs encr_alg, auth_alg or both"},
    {AH, "add", "error: add ah needs auth_alg"},
    {AH "authalg none", "authalg", "error: add ah needs auth_alg"},
    {ESP "encralg null", "encralg", "error: an SA with neither encryption nor authentication protects nothing"},
    {ESP "encralg any", "encralg", "error: an SA with neither encryption nor authentication protects nothing"},
    {ESP "authalg none", "add", "error: an SA with neither encryption nor authentication protects nothing"},
    {AH MAC "encralg null", "encralg", "error: AH does not encrypt: encr_alg is for esp"},
    {AH MAC "encrkey ab", "encrkey", "error: AH does not encrypt: encrkey is for esp"},
    {AH MAC "encap udp nat_lport 4500", "encap", "error: AH does not pass a NAT: encap is for esp"},

    {ESP "authalg cmac", "add", "error: aes-cmac needs authkey"},
    {UPDATE "authkey " KEY16, "authkey", "error: authkey needs auth_alg"},
    {ESP MAC "encralg aes", "add", "error: aes-cbc needs encrkey"},
    {ESP MAC "encrkey " KEY16, "encrkey", "error: encrkey needs encr_alg"},
    {ESP MAC "encralg null encrkey " KEY16, "encrkey", "error: encr_alg null takes no encrkey"},
    {ESP "authalg sha1 authkey " KEY16, "authkey",
     "warning: hmac-sha1 takes keys of 160 bits (RFC 2404); 128 bits were given, and not every peer accepts that"},
    {ESP "authalg sha512 authkey 00112233445566778899", "authkey",
     "warning: hmac-sha512 takes keys of 512 bits (RFC 4868); 80 bits were given, and not every peer accepts that"},
    {ESP "authalg sha256 authkey " KEY16 KEY16 KEY16 KEY16 KEY16, "authkey",
     "warning: hmac-sha256 takes keys of 256 bits (RFC 4868); 640 bits were given, and not every peer accepts that"},
    {ESP "authalg sha1 authkey 001122334455667788", "authkey",
     "error: hmac-sha1 needs a key of 160 bits, or at least 80 in whole octets; 72 bits were given"},
    {ESP "authalg sha1 authkey " KEY16 "0011220/156", "authkey",
     "error: hmac-sha1 needs a key of 160 bits, or at least 80 in whole octets; 156 bits were given"},
    {AH "authalg aes-xcbc authkey " KEY16 "00", "authkey",
     "error: aes-xcbc needs a key of 128 bits; 136 bits were given"},
    {ESP MAC "encralg aes encrkey 0011", "encrkey",
     "error: aes-cbc needs a key of 128, 192 or 256 bits; 16 bits were given"},
    {ESP MAC "encralg aes encrkey " KEY16 KEY16 "00", "encrkey",
     "error: aes-cbc needs a key of 128, 192 or 256 bits; 264 bits were given"},
    {ESP AES "reserved_bits 96", "encrkey",
     "error: aes-cbc needs a key of 128, 192 or 256 bits and the 96 reserved bits; 128 bits were given"},
    {UPDATE "reserved_bits 128", "reserved_bits", "error: reserved_bits needs encrkey"},
    {UPDATE MAC "encralg aes encrkey " KEY16 "0/132 reserved_bits 4", "reserved_bits",
     "error: reserved_bits must be a multiple of 8"},

    {AH MAC "isrc 10.0.0.1 idst 10.0.0.2 tfcpad 9", "tfcpad",
     "error: AH does not encrypt and does not pass a NAT: tfcpad is for esp"},
    {ESP MAC "tfcpad 9", "tfcpad", "error: tfcpad needs a tunnel: give isrc and idst"},
    {ESP MAC "df set", "df", "error: df needs a tunnel: give isrc and idst"},
    {ESP MAC "dscp 0", "dscp", "error: dscp needs a tunnel: give isrc and idst"},
    {ESP MAC "keepalive 20", "keepalive", "error: keepalive needs encap udp"},
    {"add esp spi 1000 dst 2001:db8::2 isrc 10.0.0.1 idst 10.0.0.2 " MAC "df clear", "df",
     "error: df is for tunnels with IPv4 outside: IPv6 headers have no such bit"},
    {ESP TUNNEL MAC "inbound df set", "df", "warning: df is for outgoing packets, and an inbound SA sends none"},
    {ESP TUNNEL MAC "inbound tfcpad 9", "tfcpad",
     "warning: tfcpad is for outgoing packets, and an inbound SA sends none"},
    {ESP MAC "inbound encap udp nat_lport 4500 keepalive 20", "keepalive",
     "warning: keepalive is for outgoing packets, and an inbound SA sends none"},
    {ESP MAC "inbound bundle 2", "bundle", "warning: bundle is for outgoing packets, and an inbound SA sends none"},
    {ESP TUNNEL MAC "inbound dscp 46", "dscp",
     "warning: a DSCP is for outgoing packets, and an inbound SA sends none; use copy or keep"},
    {ESP TUNNEL MAC "outbound dscp copy", "dscp",
     "warning: dscp copy is for incoming packets; outbound, the outer header has the inner DSCP by default"},

    {ESP MAC "icv 64", "icv", "error: aes-xcbc has an ICV of 96 or 128 bits, not of 64 bits"},
    {ESP "authalg sha256 authkey " KEY16 KEY16 " icv 160", "icv",
     "error: hmac-sha256 has an ICV of 96, 128 or 256 bits, not of 160 bits"},
    {UPDATE MAC "icv 0", "icv", "error: aes-xcbc has an ICV of 96 or 128 bits, not of 0 bits"},
    {AH "authalg md5 authkey " KEY16, "authalg", "warning: hmac-md5 MUST NOT be used (RFC 8221): use hmac-sha256"},
    {ESP "authalg 2 authkey " KEY16, "authalg", "warning: hmac-md5 MUST NOT be used (RFC 8221): use hmac-sha256"},
    {UPDATE "authalg md5 authkey " KEY16, "authalg", "warning: hmac-md5 MUST NOT be used (RFC 8221): use hmac-sha256"},
    {ESP MAC "encralg des encrkey 0123456789abcdef", "encralg",
     "warning: des-cbc MUST NOT be used (RFC 8221): use aes-cbc"},
    {ESP MAC "encralg blowfish encrkey " KEY16, "encralg",
     "warning: blowfish-cbc MUST NOT be used (RFC 8221): use aes-cbc"},
    {ESP MAC "encralg 3des encrkey " KEY16 "0123456789abcdef", "encralg",
     "warning: 3des-cbc SHOULD NOT be used (RFC 8221): use aes-cbc"},
    {ESP "encralg aes encrkey " KEY16, "encralg", kForged},
    {ESP "encralg aes encrkey " KEY16 " authalg none", "encralg", kForged},
    {UPDATE "encralg aes encrkey " KEY16, "encralg", kForged},

    {"add esp spi 255 dst 192.0.2.2 " AES, "spi",
     "warning: SPIs from 1 to 255 are reserved by IANA (RFC 4303 section 2.1)"},
    {ESP AES "pair-spi 0x3e8", "pair-spi", "error: an SA cannot be its own pair"},
    {ESP AES "replay 64", "replay", kReplay},
    {ESP "encralg aes-gcm encrkey " KEY16 "00112233", "encralg",
     "warning: aes-gcm with a manual key may be insecure: a key must never see the same IV twice"},
    {ESP MAC "encralg aes-ctr encrkey " KEY16 "00112233", "encralg",
     "warning: aes-ctr with a manual key may be insecure: a key must never see the same IV twice"},
    {ESP "encr_alg 20 encrkey " KEY16 "00112233", "encr_alg",
     "warning: aes-gcm with a manual key may be insecure: a key must never see the same IV twice"},
    {UPDATE "encralg aes-gcm encrkey " KEY16 "00112233", "encralg",
     "warning: aes-gcm with a manual key may be insecure: a key must never see the same IV twice"},
    {UPDATE "sport 1", "sport", "warning: sport is ignored: an update cannot change it"},
    {UPDATE "dport 1", "dport", "warning: dport is ignored: an update cannot change it"},
    {UPDATE "ulp 6", "ulp", "warning: proto is ignored: an update cannot change it"},
    {UPDATE "encap udp nat_rport 1", "encap", "warning: encap is ignored: an update cannot change it"},
    {UPDATE "encralg aes-gcm", "encralg", "warning: encr_alg is ignored: an update cannot change it"},
    {"update-pair ah spi 1000 dst 192.0.2.2 authalg md5", "authalg",
     "warning: auth_alg is ignored: an update cannot change it"},
    {ESP AES "state larval", "state", "error: the larval state cannot be set: only GETSPI creates larval SAs"},
    {ESP AES "state 0", "state", "error: the larval state cannot be set: only GETSPI creates larval SAs"},
    {ESP AES "state dying", "state", kDying},
    {UPDATE "state dead", "state", kDying},

    {ESP AES "isrc 10.0.0.0/8 idst 10.0.0.0/8 proto tcp", "proto", kTunnelProto},
    {ESP AES "isport 1 proto 17", "proto", kTunnelProto},
    {ESP AES "iproto tcp ulp 50", "ulp", kTunnelProto},
    {ESP AES "isport 1 dport 1", "isport", kPorts},
    {ESP AES "icmp-type 8", "icmp-type", kNeedsIcmp},
    {ESP AES "icmp-type 8 proto 6", "icmp-type", kNeedsIcmp},
    {ESP AES "isrc 10.0.0.0/8 icmp-type 8", "icmp-type", kNeedsIcmp},
    {ESP AES "proto 1 icmp-code 0", "icmp-code", "error: icmp-code needs icmp-type"},
    {ESP AES "proto 1 icmp-type 8 sport 8", "icmp-type", kNoPorts},
    {ESP AES "iproto 58 icmp-type 1 icmp-code 4 idport 4", "icmp-type", kNoPorts},
    {ESP AES "proto 1 sport 257", "sport", kNoPorts},
    {ESP AES "ulp 58 sport 1 dport 1000", "dport", kNoPorts},
    {ESP AES "iproto 58 isport 300", "isport", kNoPorts},
    {ESP AES "iproto 1 isport 3 idport 65535", "idport", kNoPorts},
    {UPDATE "nat_loc 192.0.2.1", "nat_loc", "error: nat_loc needs encap udp"},
    {UPDATE "nat_rem 192.0.2.1", "nat_rem", "error: nat_rem needs encap udp"},
    {UPDATE "nat_lport 1", "nat_lport", "error: nat_lport needs encap udp"},
    {UPDATE "nat_rport 1", "nat_rport", "error: nat_rport needs encap udp"},
    {ESP AES "encap udp", "encap", kEncap},

    {UPDATE "soft_bytes 2 hard_bytes 1", "soft_bytes", "error: soft_bytes 2 is above hard_bytes 1"},
    {UPDATE "hard_addtime 1 soft_addtime 2", "soft_addtime", "error: soft_addtime 2 is above hard_addtime 1"},
    {UPDATE "soft_usetime 2 hard_usetime 1", "soft_usetime", "error: soft_usetime 2 is above hard_usetime 1"},
    {UPDATE "soft_alloc 2 hard_alloc 1", "soft_alloc", "error: soft_alloc 2 is above hard_alloc 1"},
    {UPDATE "idle_addtime 2 hard_addtime 1", "idle_addtime", "error: idle_addtime 2 is above hard_addtime 1"},
    {UPDATE "idle_usetime 2 hard_usetime 1", "idle_usetime", "error: idle_usetime 2 is above hard_usetime 1"},

    {UPDATE "label 1 outer-label 1 implicit-label 1", "implicit-label",
     "error: an SA has an outer-label or an implicit-label, not both"},
};

// covers RFC8221-5-1 RFC8221-5-2 RFC8221-6-3 RFC8221-4-1 RFC4303-2.1-2 RFC4303-3.3.3-3
TEST(Rules, AreBrokenOneByOne) {
  for (const RuleRow& row : kBroken) {
    const std::size_t column = row.about == "add" ? 0 : row.text.find(fmt::format(" {} ", row.about)) + 1;
    EXPECT_EQ(report(row.text), fmt::format("keys:1:{}: {}\n", column + 1, row.expected)) << row.text;
  }
}

// A counter mode draws its warning beside.
// covers RFC8221-3-2
TEST(Rules, OfCounterModes) {
  const auto warned = [](std::string_view name) {
    return fmt::format(
        "keys:1:35: warning: {} with a manual key may be insecure: a key must never see the same IV twice\n", name);
  };
  EXPECT_EQ(
      report(UPDATE "encralg aes-gcm encrkey " KEY16),
      warned("aes-gcm") +
          "keys:1:51: error: aes-gcm needs a key of 128, 192 or 256 bits plus a 32-bit salt; 128 bits were given\n");
  EXPECT_EQ(
      report(UPDATE "encralg aes-ccm encrkey " KEY16 "00112233"),
      warned("aes-ccm") +
          "keys:1:51: error: aes-ccm needs a key of 128, 192 or 256 bits plus a 24-bit salt; 160 bits were given\n");
  EXPECT_EQ(report(UPDATE "encralg aes-gcm encrkey " KEY16 "00112233 " MAC),
            warned("aes-gcm") + "keys:1:100: error: aes-gcm authenticates by itself and takes no auth_alg\n");
  EXPECT_EQ(report(UPDATE "encralg aes-gcm encrkey " KEY16 "00112233 icv 96"),
            warned("aes-gcm") +
                "keys:1:100: error: icv needs auth_alg; the name of a combined cipher includes its ICV length, as in "
                "aes-gcm8\n");
}

// RFC 4303 section 1, RFC 3686 section 7, RFC 8221 section 4.
// covers RFC8221-4-1
TEST(Rules, OfEspWithoutIntegrity) {
  EXPECT_EQ(report(ESP "encralg aes-ctr encrkey " KEY16 "00112233"),
            "keys:1:32: error: aes-ctr needs auth_alg: without it any bit of a packet can be flipped in transit (RFC "
            "3686 section 7)\n"
            "keys:1:32: warning: aes-ctr with a manual key may be insecure: a key must never see the same IV twice\n");
  EXPECT_EQ(report(ESP "encralg aes encrkey " KEY16 " replay 64"),
            fmt::format("keys:1:32: {}\n"
                        "keys:1:85: error: a replay window needs auth_alg: without it one forged sequence number "
                        "disables the SA (RFC 4303 section 1)\n"
                        "keys:1:85: {}\n",
                        kForged, kReplay));
  EXPECT_EQ(report(ESP "encralg blowfish encrkey " KEY16),
            "keys:1:32: warning: blowfish-cbc MUST NOT be used (RFC 8221): use aes-cbc\n"
            "keys:1:32: warning: blowfish-cbc without auth_alg: packets can be changed in transit and forged; RFC 8221 "
            "section 4 forbids it: add auth_alg hmac-sha256\n");
  EXPECT_EQ(report(ESP "encralg aes encrkey " KEY16 " authalg shaa authkey " KEY16),
            "keys:1:93: error: authalg: Unknown authentication algorithm \"shaa\"; did you mean sha or sha1?\n")
      << "what was meant is not known";
}

// What an update ignores breaks no other rule, unless a key completes a larval SA, which uses all of it.
TEST(Rules, OfIcmpAreForWhatIsUsed) {
  const auto all = [](std::string_view text, std::initializer_list<std::string_view> words) {
    std::string lines;
    for (const std::string_view word : words)
      lines += fmt::format("keys:1:{}: warning: {} is ignored: an update cannot change it\n",
                           text.find(fmt::format(" {} ", word)) + 2, word);
    return lines;
  };
  constexpr std::string_view kType = UPDATE "icmp-type 8 hard_bytes 10000", kCode = UPDATE "icmp-code 0",
                             kPair = "update-pair esp spi 1000 dst 192.0.2.2 icmp-type 8 hard_bytes 10000",
                             kLarge = UPDATE "proto 1 sport 257 dport 443 hard_bytes 10000",
                             kBoth = UPDATE "sport 1 proto 58 icmp-type 8 icmp-code 0";
  EXPECT_EQ(report(kType), all(kType, {"icmp-type"}));
  EXPECT_EQ(report(kCode), all(kCode, {"icmp-code"}));
  EXPECT_EQ(report(kPair), all(kPair, {"icmp-type"}));
  EXPECT_EQ(report(kLarge), all(kLarge, {"proto", "sport", "dport"}));
  EXPECT_EQ(report(kBoth), all(kBoth, {"sport", "proto", "icmp-type", "icmp-code"}));
  EXPECT_EQ(report(UPDATE MAC "icmp-type 8"),
            fmt::format("keys:1:{}: {}\n", std::string_view(UPDATE MAC).size() + 1, kNeedsIcmp));
}

TEST(Rules, AreKept) {
  for (const std::string_view text : {
           ESP MAC,
           ESP AES,
           ESP MAC "encralg null",
           ESP MAC "encralg aes encrkey " KEY16 KEY16 " reserved_bits 128",
           ESP AES "state 1",
           ESP AES "state 4",
           ESP AES "isrc 10.0.0.0/8 idst 10.0.0.0/8",
           ESP AES "isrc 10.0.0.0/8 idst 10.0.0.0/8 proto 4",
           ESP AES "isport 1 dport 0",
           ESP AES "proto 4",
           ESP AES "encap udp nat_rport 0",
           UPDATE "soft_bytes 2 hard_bytes 2",
           UPDATE "soft_bytes 2 hard_bytes 0",
           UPDATE "idle_addtime 1 hard_addtime 1",
           UPDATE "replay 0",
           UPDATE MAC "encralg aes encrkey " KEY16 " dport 1 proto 6",
           UPDATE "srcidtype fqdn a.example inbound replay_value 1",
           UPDATE "label 1 outer-label 1",
       })
    EXPECT_EQ(report(text), "") << text;
}

// As many characters as the key has octets: 16 of them are digits by chance, or mean to be.
TEST(Rules, AKeyThatMayBeTextGetsAdviceHowToConvertIt) {
  const std::string cure =
      ": keys are written in hexadecimal digits; to convert one that is text: printf %s TEXT | xxd -p -c 256\n";
  EXPECT_EQ(report(ESP "authalg cmac encralg null authkey \"1234567890123456\""),
            "keys:1:58: error: aes-cmac needs a key of 128 bits; 64 bits were given" + cure);
  EXPECT_EQ(
      report(ESP "encralg null authalg sha256 authkey " KEY16),
      "keys:1:60: warning: hmac-sha256 takes keys of 256 bits (RFC 4868); 128 bits were given, and not every peer "
      "accepts that" +
          cure);
  EXPECT_EQ(report(ESP "encralg aes encrkey 1234567890123456 " MAC),
            "keys:1:44: error: aes-cbc needs a key of 128, 192 or 256 bits; 64 bits were given" + cure);
  EXPECT_EQ(report(ESP "encralg aes encrkey 12345678901234567 " MAC),
            "keys:1:44: warning: encrkey: the key has 17 digits, an odd number: a 0 is added at its end. If a digit is "
            "missing, add it; if not, put /72 after the key\n"
            "keys:1:44: error: aes-cbc needs a key of 128, 192 or 256 bits; 72 bits were given\n");
}

// A rule about a keyword whose value cannot be read would only repeat the fault.
TEST(Rules, RestOnWhatCouldBeRead) {
  EXPECT_EQ(report(ESP "encralg aes encrkey xyz " MAC),
            "keys:1:52: error: encrkey: the value is not a hex string: keys are written in hexadecimal digits; to "
            "convert one that is text: printf %s TEXT | xxd -p -c 256\n");
  EXPECT_EQ(report(ESP "encralg aess encrkey " KEY16),
            "keys:1:40: error: encralg: Unknown encryption algorithm \"aess\"; did you mean aes?\n");
  EXPECT_EQ(report(UPDATE "dport 1 authkey xyz"),
            "keys:1:51: error: authkey: the value is not a hex string: keys are written in hexadecimal digits; to "
            "convert one that is text: printf %s TEXT | xxd -p -c 256\n");
  EXPECT_EQ(report(UPDATE "nat_lport 1 encap ud"),
            "keys:1:53: error: encap: Unknown encapsulation \"ud\"; expected udp\n");
}

}  // namespace
}  // namespace ipseckey::lang
