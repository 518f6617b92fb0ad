// Words of other programs, and ours for them:
// 1. kTable has a row for each: its kind, their words, ours, and a sentence if our words do not explain themselves.
// 2. find_row() finds a word; # in a row stands for a key size.
// 3. The kernel's names of algorithms are not repeated here: of_the_kernel() takes them from the table of algorithms.
// 4. suggestion() makes the end of a message: the row's sentence, our words, or else the nearest word of ours.
// 5. brings_a_key() says whether a value that follows must not be shown.
#include "lang/neighbours.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "lang/keywords.h"
#include "pfkey/algorithms.h"
#include "table/suggest.h"

namespace ipseckey::lang {
namespace {

using table::did_you_mean;
using table::listed;

using enum Foreign;

struct Row {
  Foreign kind;
  std::string_view theirs;    ///< Separated by blanks; # stands for the size of an AES or Camellia key.
  std::string_view ours;      ///< The same; empty: there is no equivalent.
  std::string_view say = {};  ///< How to write it here, where our words do not explain themselves.
};

constexpr std::string_view kNotHere = "there is no equivalent here";
constexpr std::string_view kPolicies = "policies are not part of this language";

constexpr std::array kTable = {
    // setkey, ip xfrm, VPP.
    Row{command, "spdadd spdupdate spddelete spdflush spddump", "", kPolicies},
    Row{command, "deleteall", "flush delete"},
    Row{command, "list show", "dump"},
    Row{command, "ip xfrm state sa setkey ipsec", "",
        "here a command begins with add, update, delete, get, dump or flush"},
    Row{command, "allocspi getspi", "", "only key managers reserve SPIs"},

    Row{satype, "esp-udp", "esp", "use esp and encap udp"},
    Row{satype, "esp-old", "esp"},
    Row{satype, "ah-old", "ah"},
    Row{satype, "tcp tcpmd5 comp ipcomp ipip route2 hao", ""},

    // ip xfrm.
    Row{keyword, "mode -m mod", "isrc idst", "tunnel mode is isrc and idst; without them the mode is transport"},
    Row{keyword, "dir", "inbound outbound", "use inbound or outbound"},
    Row{keyword, "sel", "isrc idst sport dport proto",
        "the traffic inside a tunnel is isrc and idst; its ports and protocol are sport, dport and proto"},
    Row{keyword, "enc aead -E ealg crypto-alg cipher_algo aead_algo", "encr_alg encrkey"},
    Row{keyword, "auth-trunc", "auth_alg authkey icv"},
    Row{keyword, "auth -A alg integ-alg auth_algo", "auth_alg authkey"},
    Row{keyword, "comp -C", "", kNotHere},
    Row{keyword, "replay-window -r", "replay"},
    Row{keyword, "replay-seq replay-oseq", "replay_value"},
    Row{keyword, "limit", "soft_bytes hard_bytes soft_addtime hard_addtime",
        "each limit is a keyword of its own: soft_bytes, hard_bytes, soft_addtime, hard_addtime and their like"},
    Row{keyword, "byte-soft -bs", "soft_bytes"},
    Row{keyword, "byte-hard -bh", "hard_bytes"},
    Row{keyword, "packet-soft", "soft_alloc"},
    Row{keyword, "packet-hard", "hard_alloc"},
    Row{keyword, "time-soft -ls", "soft_addtime"},
    Row{keyword, "time-hard -lh", "hard_addtime"},
    Row{keyword, "time-use-soft", "soft_usetime"},
    Row{keyword, "time-use-hard", "hard_usetime"},
    Row{keyword, "flag extra-flag", "esn align8 df dscp",
        "a flag is a keyword: esn; align8 for the absence of align4; df clear for nopmtudisc; dscp copy for "
        "decap-dscp; "
        "dscp 0 for dont-encap-dscp"},
    Row{keyword, "nopmtudisc", "df", "use df clear"},
    Row{keyword, "decap-dscp", "dscp", "use dscp copy"},
    Row{keyword, "dont-encap-dscp", "dscp", "use dscp 0"},
    Row{keyword, "mask", "mark", "the mask follows its value after a slash: mark VALUE/MASK"},
    Row{keyword, "coa ctx pcpu-num seq replay-seq-hi replay-oseq-hi", "", kNotHere},
    Row{keyword, "-hwif", "offload"},

    // setkey.
    Row{keyword, "-u", "reqid"},
    Row{keyword, "-esn use-esn", "esn"},
    Row{keyword, "-natt natt udpencap udp-encap", "encap"},
    Row{keyword, "-natt_mtu -f -ctx -n -4 -6", "", kNotHere},

    // OpenBSD, FreeS/WAN, IMS, VPP.
    Row{keyword, "from tunnel-src", "src"},
    Row{keyword, "to tunnel-dst", "dst"},
    Row{keyword, "enckey enc_key encr_key espenckey ck crypto-key cipher_key aead_key", "encrkey"},
    Row{keyword, "espauthkey ahkey ik integ-key auth_key hmac_key", "authkey"},
    Row{keyword, "spi-c spi-s", "spi"},
    Row{keyword, "port-c port-s", "sport dport", "use sport or dport"},
    Row{keyword, "prot", "", "the SA type, ah or esp, follows the command"},
    Row{keyword, "q", "", kNotHere},

    // Algorithms that the kernel's names do not cover.
    Row{auth, "hmac-md5-96 md5-96 md5_96 keyed-hmac-md5", "hmac-md5"},
    Row{auth, "hmac-sha-1-96 hmac-sha1-96 sha1-96 sha1_96 sha1-hmac", "hmac-sha1"},
    Row{auth,
        "hmac-sha2-256 hmac-sha2-256-128 hmac-sha-256-128 hmac-sha256-128 sha-256-128 sha256-hmac sha2-256 sha2_256 "
        "sha256_128",
        "hmac-sha256"},
    Row{auth,
        "hmac-sha2-384 hmac-sha2-384-192 hmac-sha-384-192 hmac-sha384-192 sha-384-192 sha384-hmac sha2-384 sha2_384 "
        "sha384_192",
        "hmac-sha384"},
    Row{auth,
        "hmac-sha2-512 hmac-sha2-512-256 hmac-sha-512-256 hmac-sha512-256 sha-512-256 sha512-hmac sha2-512 sha2_512 "
        "sha512_256",
        "hmac-sha512"},
    Row{auth, "aes-xcbc-mac-96 aes-xcbc-96 aesxcbc", "aes-xcbc"},
    Row{auth, "aes-cmac-96 aescmac", "aes-cmac"},
    Row{auth, "digest_null null", "none"},
    Row{auth, "hmac-sha256-96 sha256-96 sha256_96", "hmac-sha256", "use hmac-sha256 and icv 96"},
    Row{auth, "md5_128", "hmac-md5", "use hmac-md5 and icv 128"},
    Row{auth, "sha1_160", "hmac-sha1", "use hmac-sha1 and icv 160"},
    Row{auth, "hmac-ripemd160 hmac(rmd160) rmd160 keyed-md5 keyed-sha1", "", kNotHere},
    Row{auth, "aes-gmac gmac aes#gmac", "",
        "it is a cipher without encryption: use encr_alg null-aes-gmac and no auth_alg"},

    Row{encrypt, "des-iv64", "des-cbc"},
    Row{encrypt, "des3_ede des-ede3-cbc des-ede3 des3-cbc 3des-ede tripledes tripledes-cbc", "3des-cbc"},
    Row{encrypt, "rijndael rijndael-cbc aes# aes-# aes(#) aes-cbc-# aes-#-cbc aes#-cbc aes_cbc aes#cbc", "aes-cbc"},
    Row{encrypt, "ctr(aes) aes-ctr-# aes-#-ctr aes#ctr aesctr", "aes-ctr"},
    Row{encrypt, "ccm(aes) aes-ccm-# aes-#-ccm aes#ccm aes#ccm16 aes#ccm128 aes-ccm-16", "aes-ccm"},
    Row{encrypt, "aes#ccm12 aes#ccm96 aes-ccm-12", "aes-ccm12"},
    Row{encrypt, "aes#ccm8 aes#ccm64 aes-ccm-8", "aes-ccm8"},
    Row{encrypt, "gcm(aes) aes-gcm-# aes-#-gcm aes#gcm aes#gcm16 aes#gcm128 aes-gcm-16 aesgcm", "aes-gcm"},
    Row{encrypt, "aes#gcm12 aes#gcm96 aes-gcm-12", "aes-gcm12"},
    Row{encrypt, "aes#gcm8 aes#gcm64 aes-gcm-8", "aes-gcm8"},
    Row{encrypt, "aes-null-gmac-# aes-null-gmac aes#gmac", "null-aes-gmac"},
    Row{encrypt, "camellia#", "camellia-cbc"},
    Row{encrypt, "blf blowfish128", "blowfish-cbc"},
    Row{encrypt, "cipher_null none", "null"},
    Row{encrypt, "cast128-cbc cast5 cast128 twofish-cbc twofish serpent-cbc serpent des-32iv des-deriv 3des-deriv", "",
        kNotHere},

    Row{encapsulation, "espinudp udp-encap esp-in-udp", "udp"},
    Row{encapsulation, "espinudp-nonike espintcp tcp", ""},

    Row{identity, "keyid", "key_id"},
    Row{identity, "email rfc822 userfqdn", "user_fqdn"},
    Row{identity, "dn asn1dn", "der_dn"},
    Row{identity, "asn1gn", "der_gn"},
    Row{identity, "dns", "fqdn"},

    // The value of a keyword that does not exist here.
    Row{value, "transport tunnel beet trans in out fwd required use unique", ""},
};

std::string_view unquoted(std::string_view word) {
  const bool quoted = word.size() >= 2 && word.front() == '\'' && word.back() == '\'';
  return quoted ? word.substr(1, word.size() - 2) : word;
}

bool matches(std::string_view pattern, std::string_view word) {
  const auto size = pattern.find('#');
  if (size == std::string_view::npos) return text::same_word(pattern, word);
  const std::string_view before = pattern.substr(0, size), after = pattern.substr(size + 1);
  if (word.size() != before.size() + 3 + after.size()) return false;
  const std::string_view bits = word.substr(size, 3);
  return (bits == "128" || bits == "192" || bits == "256") && text::same_word(word.substr(0, size), before) &&
         text::same_word(word.substr(size + 3), after);
}

const Row* find_row(std::string_view word, const Foreign* kind) {
  word = unquoted(word);
  for (const Row& row : kTable) {
    if (kind && row.kind != *kind) continue;
    bool found = false;
    text::for_each_word(row.theirs, [&](std::string_view theirs) { found = found || matches(theirs, word); });
    if (found) return &row;
  }
  return nullptr;
}

// The algorithms with that name in the kernel: those of one cipher differ in their ICV.
std::vector<std::string_view> of_the_kernel(Foreign kind, std::string_view word) {
  std::vector<std::string_view> names;
  for (const pfkey::Algorithm& a : pfkey::algorithms())
    if (a.kernel == unquoted(word) && (a.kind == pfkey::AlgorithmKind::auth) == (kind == auth))
      names.push_back(a.name());
  return names;
}

}  // namespace

std::vector<std::string_view> our_words(Foreign kind, std::string_view theirs) {
  std::vector<std::string_view> ours;
  if (const Row* const row = find_row(theirs, &kind))
    text::for_each_word(row->ours, [&](std::string_view w) { ours.push_back(w); });
  if (ours.empty() && (kind == auth || kind == encrypt)) ours = of_the_kernel(kind, theirs);
  return ours;
}

std::string suggestion(Foreign kind, std::string_view word, std::span<const std::string_view> candidates) {
  if (const Row* const row = find_row(word, &kind); row && !row->say.empty()) return fmt::format("; {}", row->say);
  const auto ours = our_words(kind, word);
  if (ours.empty()) return did_you_mean(word, candidates);
  return fmt::format("; did you mean {}?", listed(ours, kind == keyword ? "and" : "or"));
}

void for_each_foreign_word(const std::function<void(Foreign kind, std::string_view theirs)>& f) {
  for (const Row& row : kTable)
    text::for_each_word(row.theirs, [&](std::string_view theirs) {
      std::string word(theirs);
      if (const auto size = word.find('#'); size != std::string::npos) word.replace(size, 1, "128");
      f(row.kind, word);
    });
}

bool is_foreign(std::string_view word) {
  return find_row(word, nullptr) || !of_the_kernel(auth, word).empty() || !of_the_kernel(encrypt, word).empty();
}

bool is_foreign_keyword(std::string_view word) {
  constexpr Foreign kKind = keyword;
  return find_row(word, &kKind) != nullptr;
}

}  // namespace ipseckey::lang
