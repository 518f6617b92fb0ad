// THE table of algorithms:
// 1. kTable has a row for each: number, names, mode, key sizes, IV, ICV, padding, standing, and its names elsewhere.
// 2. well_formed() is checked at compile time: no row contradicts itself, no two share a number, and one of each kind
//    is the best for manual keys.
// 3. kNames finds a row by any of its names, kRows by its number.
// 4. icv_sizes() and key_sizes() are the words that messages and documents have for a row's numbers.
#include "pfkey/algorithms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/name_index.h"
#include "base/text.h"
#include "pfkey/message.h"

namespace ipseckey::pfkey {
namespace {

constexpr auto kAuth = AlgorithmKind::auth;
constexpr auto kEncrypt = AlgorithmKind::encrypt;

// Numbers 2-7 and 2-20 are Solaris'; 9, 13, 22 and 23 those of Linux and FreeBSD; 31 FreeBSD's; 248 is ours, because
// nobody gave AES-CMAC one. One DES is three with one key for OpenSSL, so that it needs no legacy provider. RFC 8221
// gives AES-CBC and GCM their standing with keys of 128 and 256 bits (192: MAY) and CCM-8 and XCBC theirs for small
// devices.
constexpr std::array kTable = {
    Algorithm{kAuth, 2, "hmac-md5 md5", Mode::hmac, 128, 128, 8, 0, 0, 12, 64, Standing::must_not, "hmac(md5)", "MD5",
              "RFC 2403", 3},
    Algorithm{kAuth, 3, "hmac-sha1 sha sha1 sha-1 hmac-sha hmac-sha-1", Mode::hmac, 160, 160, 8, 0, 0, 12, 64,
              Standing::must_minus, "hmac(sha1)", "SHA1", "RFC 2404", 6},
    Algorithm{kAuth, 5, "hmac-sha256 sha256 sha-256 hmac-sha-256", Mode::hmac, 256, 256, 8, 0, 0, 16, 64,
              Standing::must, "hmac(sha256)", "SHA2-256", "RFC 4868", 10},
    Algorithm{kAuth, 6, "hmac-sha384 sha384 sha-384 hmac-sha-384", Mode::hmac, 384, 384, 8, 0, 0, 24, 128,
              Standing::may, "hmac(sha384)", "SHA2-384", "RFC 4868", 3},
    Algorithm{kAuth, 7, "hmac-sha512 sha512 sha-512 hmac-sha-512", Mode::hmac, 512, 512, 8, 0, 0, 32, 128,
              Standing::should, "hmac(sha512)", "SHA2-512", "RFC 4868", 3},
    Algorithm{kAuth, 9, "aes-xcbc aes-xcbc-mac xcbc", Mode::xcbc, 128, 128, 8, 0, 0, 12, 16, Standing::should,
              "xcbc(aes)", "AES-128-CBC", "RFC 3566", 2},
    Algorithm{kAuth, 248, "aes-cmac cmac", Mode::cmac, 128, 128, 8, 0, 0, 12, 16, Standing::may, "cmac(aes)",
              "AES-128-CBC", "RFC 4494", 1},

    Algorithm{kEncrypt, 2, "des-cbc des", Mode::cbc, 64, 64, 8, 0, 8, 0, 8, Standing::must_not, "cbc(des)",
              "DES-EDE3-CBC", "RFC 2405", 2, true},
    Algorithm{kEncrypt, 3, "3des-cbc 3des", Mode::cbc, 192, 192, 8, 0, 8, 0, 8, Standing::should_not, "cbc(des3_ede)",
              "DES-EDE3-CBC", "RFC 2451", 6, true},
    Algorithm{kEncrypt, 7, "blowfish-cbc blowfish", Mode::cbc, 40, 448, 8, 0, 8, 0, 8, Standing::must_not,
              "cbc(blowfish)", "BF-CBC", "RFC 2451", 0},
    Algorithm{kEncrypt, kEalgNull, "null", Mode::null, 0, 0, 8, 0, 0, 0, 4, Standing::must, "ecb(cipher_null)", "",
              "RFC 2410", 0},
    Algorithm{kEncrypt, 12, "aes-cbc aes", Mode::cbc, 128, 256, 64, 0, 16, 0, 16, Standing::must, "cbc(aes)",
              "AES-{}-CBC", "RFC 3602", 2},
    Algorithm{kEncrypt, 13, "aes-ctr", Mode::ctr, 128, 256, 64, 32, 8, 0, 4, Standing::may, "rfc3686(ctr(aes))",
              "AES-{}-CTR", "RFC 3686", 1},
    Algorithm{kEncrypt, 14, "aes-ccm8", Mode::ccm, 128, 256, 64, 24, 8, 8, 4, Standing::should, "rfc4309(ccm(aes))",
              "AES-{}-CCM", "RFC 4309", 2},
    Algorithm{kEncrypt, 15, "aes-ccm12", Mode::ccm, 128, 256, 64, 24, 8, 12, 4, Standing::may, "rfc4309(ccm(aes))",
              "AES-{}-CCM", "RFC 4309", 2},
    Algorithm{kEncrypt, 16, "aes-ccm aes-ccm16", Mode::ccm, 128, 256, 64, 24, 8, 16, 4, Standing::may,
              "rfc4309(ccm(aes))", "AES-{}-CCM", "RFC 4309", 2},
    Algorithm{kEncrypt, 18, "aes-gcm8", Mode::gcm, 128, 256, 64, 32, 8, 8, 4, Standing::may, "rfc4106(gcm(aes))",
              "AES-{}-GCM", "RFC 4106", 1},
    Algorithm{kEncrypt, 19, "aes-gcm12", Mode::gcm, 128, 256, 64, 32, 8, 12, 4, Standing::may, "rfc4106(gcm(aes))",
              "AES-{}-GCM", "RFC 4106", 1},
    Algorithm{kEncrypt, 20, "aes-gcm aes-gcm16", Mode::gcm, 128, 256, 64, 32, 8, 16, 4, Standing::must,
              "rfc4106(gcm(aes))", "AES-{}-GCM", "RFC 4106", 1},
    Algorithm{kEncrypt, 22, "camellia-cbc camellia", Mode::cbc, 128, 256, 64, 0, 16, 0, 16, Standing::may,
              "cbc(camellia)", "CAMELLIA-{}-CBC", "RFC 4312", 0},
    Algorithm{kEncrypt, 23, "null-aes-gmac aes-gmac gmac", Mode::gmac, 128, 256, 64, 32, 8, 16, 4, Standing::may,
              "rfc4543(gcm(aes))", "AES-{}-GCM", "RFC 4543", 1},
    Algorithm{kEncrypt, 31, "chacha20-poly1305 chacha20poly1305 chacha20", Mode::chacha, 256, 256, 8, 32, 8, 16, 4,
              Standing::should, "rfc7539esp(chacha20,poly1305)", "ChaCha20-Poly1305", "RFC 7634", 1},
};

constexpr bool best(const Algorithm& a) { return a.takes_key() && a.manual() == Standing::must; }

consteval bool well_formed() {
  int macs = 0, ciphers = 0;  // That are recommended.
  for (const Algorithm& a : kTable) {
    if (a.step_bits == 0 || a.min_bits > a.max_bits || a.number == 0 || a.names.empty()) return false;
    if (a.kind == kAuth && (a.icv == 0 || a.iv != 0 || a.salt_bits != 0)) return false;
    // The whole result of a MAC has as many bits as its longest key.
    if (a.kind == kAuth && (a.max_bits < kShortIcv || a.max_bits > 512 || a.icv * 8u > a.max_bits)) return false;
    if (a.combined() != (a.kind == kEncrypt && a.icv > 0)) return false;
    if (best(a)) ++(a.kind == kAuth ? macs : ciphers);
    for (const Algorithm& b : kTable)
      if (&a != &b && a.kind == b.kind && a.number == b.number) return false;
  }
  return macs == 1 && ciphers == 1;
}
static_assert(well_formed(),
              "a row contradicts itself or takes another one's number, or not one of a kind is the best");

// Every name of the algorithms of one kind, and their rows.
template <AlgorithmKind kind>
constexpr auto kNames = [] {
  NameIndex<std::uint8_t, 128, Case::ignored> names;
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (kTable[i].kind == kind)
      text::for_each_word(kTable[i].names, [&](std::string_view n) { names.put(n, static_cast<std::uint8_t>(i)); });
  return names;
}();
static_assert(kNames<kAuth>.well_spread() && kNames<kEncrypt>.well_spread(), "a name stands for two algorithms");

// From a number to its row, for each kind; past the end: no such algorithm.
constexpr auto kRows = [] {
  std::array<std::array<std::uint8_t, 256>, 2> rows{};
  for (auto& of_kind : rows) of_kind.fill(kTable.size());
  for (std::size_t i = 0; i < kTable.size(); ++i)
    rows[kTable[i].kind == kEncrypt][kTable[i].number] = static_cast<std::uint8_t>(i);
  return rows;
}();

}  // namespace

std::string_view words(Standing standing) {
  constexpr std::array<std::string_view, 6> kWords = {"MUST NOT", "SHOULD NOT", "MAY", "SHOULD", "MUST-", "MUST"};
  return kWords[static_cast<std::size_t>(standing)];
}

std::span<const Algorithm> algorithms() { return kTable; }

const Algorithm* find_algorithm(AlgorithmKind kind, std::uint8_t number) {
  const std::uint8_t row = kRows[kind == kEncrypt][number];
  return row < kTable.size() ? &kTable[row] : nullptr;
}

const Algorithm* find_algorithm(AlgorithmKind kind, std::string_view name) {
  const std::uint8_t* const row = kind == kAuth ? kNames<kAuth>.find(name) : kNames<kEncrypt>.find(name);
  return row ? &kTable[*row] : nullptr;
}

const Algorithm* find_algorithm(std::string_view name) {
  const Algorithm* const cipher = find_algorithm(kEncrypt, name);
  return cipher ? cipher : find_algorithm(kAuth, name);
}

const Algorithm& recommended(AlgorithmKind kind) {
  return *std::ranges::find_if(kTable, [kind](const Algorithm& a) { return a.kind == kind && best(a); });
}

std::string_view none_names(AlgorithmKind kind) { return kind == kAuth ? "none any" : "any"; }

std::string algorithm_name(AlgorithmKind kind, std::uint8_t number) {
  if (number == 0) return "none";
  const Algorithm* a = find_algorithm(kind, number);
  return a ? std::string(a->name()) : fmt::to_string(number);
}

std::string icv_sizes(const Algorithm& a) {
  std::string sizes;
  for (unsigned bits = 8; bits <= a.max_bits; bits += 8)
    if (a.icv_fits(bits)) sizes += fmt::format("{}{}", sizes.empty() ? "" : bits == a.max_bits ? " or " : ", ", bits);
  return sizes + " bits";
}

std::string key_sizes(const Algorithm& a) {
  std::string sizes;
  if (!a.takes_key()) return "no key";
  const unsigned steps = static_cast<unsigned>(a.max_bits - a.min_bits) / a.step_bits;
  if (steps > 3) {
    sizes = fmt::format("{} to {} bits in steps of {}", a.min_bits, a.max_bits, a.step_bits);
  } else {
    for (unsigned i = 0; i <= steps; ++i)
      sizes += fmt::format("{}{}", i == 0 ? "" : i == steps ? " or " : ", ", a.min_bits + i * a.step_bits);
    sizes += " bits";
  }
  return a.salt_bits ? fmt::format("{} plus a {}-bit salt", sizes, a.salt_bits) : sizes;
}

}  // namespace ipseckey::pfkey
