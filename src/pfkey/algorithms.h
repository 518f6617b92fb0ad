#pragma once
/// THE table of algorithms: every fact that any part of the project needs about one, in one row.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ipseckey::pfkey {

enum class AlgorithmKind : std::uint8_t { auth = 1, encrypt = 2 };

/// How an algorithm works, for what may be asked of its keys and for the engine that runs it.
enum class Mode : std::uint8_t { none, hmac, xcbc, cmac, null, cbc, ctr, ccm, gcm, chacha, gmac };

/// What the standards ask of an algorithm of ESP and AH, worst first: RFC 8221 sections 5 and 6, the registries (RFC
/// 9395), and MAY for what none of them names. MUST-: a MUST that is expected to become less.
enum class Standing : std::uint8_t { must_not, should_not, may, should, must_minus, must };

/// "MUST NOT", as RFC 2119 and RFC 8221 write it.
std::string_view words(Standing standing);

/// Bits of the ICVs of RFC 2403 and 2404.
inline constexpr unsigned kShortIcv = 96;

/// Below it a key can be found by trying them all.
inline constexpr unsigned kLeastHmacBits = 80;

/// One algorithm. Sizes of keys and salt are in bits, of IV, ICV and block in bytes.
struct Algorithm {
  AlgorithmKind kind;
  std::uint8_t number;     ///< sadb_sa_auth or sadb_sa_encrypt.
  std::string_view names;  ///< Synonyms, separated by spaces, any case; output uses the first.
  Mode mode;
  std::uint16_t min_bits, max_bits, step_bits;  ///< Key sizes of its RFC, without salt.
  std::uint8_t salt_bits;                       ///< The tail of the key string.
  std::uint8_t iv, icv, block;
  Standing standing;
  std::string_view kernel;   ///< The Linux crypto API's name; empty: not there.
  std::string_view library;  ///< What it is made of, as OpenSSL calls it; {}: the bits of the key. Empty: of nothing.
  std::string_view source;   ///< RFC.
  /// From this number of packets on, as long as the longest, Intel's multi-buffer library takes less time for all of
  /// them together than OpenSSL for one after the other (bench/ciphers); 0: that library lacks the algorithm.
  std::uint8_t batch;
  bool des = false;  ///< DES, once or thrice: octets of its keys have odd parity, and some keys are weak.

  constexpr std::string_view name() const { return names.substr(0, names.find(' ')); }
  constexpr bool takes_key() const { return max_bits > 0; }
  /// One cipher for confidentiality and integrity: needs no authentication algorithm beside it.
  constexpr bool combined() const {
    return mode == Mode::ccm || mode == Mode::gcm || mode == Mode::chacha || mode == Mode::gmac;
  }
  /// A repeated key and IV is a disaster for it, so fixed keys are a risk.
  constexpr bool counter() const { return combined() || mode == Mode::ctr; }
  /// Its standing where keys are manual: counter modes are ruled out there (RFC 8221 section 3, RFC 3686 section 2.1).
  constexpr Standing manual() const { return counter() ? Standing::must_not : standing; }
  constexpr bool discouraged() const { return standing <= Standing::should_not; }
  constexpr bool single_des() const { return des && max_bits == 64; }
  /// The key has a length that the algorithm's RFC gives it.
  constexpr bool key_fits(unsigned bits) const {
    return bits >= min_bits && bits <= max_bits && (bits - min_bits) % step_bits == 0;
  }
  /// So do the key material of an ADD, in bits, of which `reserved` at most are an explicit IV: a key and the salt.
  constexpr bool material_fits(unsigned bits, unsigned reserved) const {
    return bits > reserved + salt_bits && key_fits(bits - reserved - salt_bits);
  }
  /// It may be cut to an ICV of that many bits: those of its RFC, the 96 of all before RFC 4868, or the full length.
  constexpr bool icv_fits(unsigned bits) const {
    return kind == AlgorithmKind::auth && (bits == icv * 8u || bits == kShortIcv || bits == max_bits);
  }
  /// The algorithm works with such a key: HMAC does with any (RFC 2104 section 3), of which whole octets and
  /// kLeastHmacBits are required.
  constexpr bool key_works(unsigned bits) const {
    return key_fits(bits) || (mode == Mode::hmac && bits >= kLeastHmacBits && bits % 8 == 0);
  }
};

/// Without integrity an SA with these accepts forged packets; nullptr: it has no such algorithm.
constexpr bool without_integrity(const Algorithm* cipher, const Algorithm* mac) {
  return !mac && !(cipher && cipher->combined());
}

/// A counter mode without integrity: any bit of a packet can be flipped in transit (RFC 3686 section 7).
constexpr bool counter_alone(const Algorithm* cipher, const Algorithm* mac) {
  return cipher && cipher->counter() && without_integrity(cipher, mac);
}

std::span<const Algorithm> algorithms();

/// The row with that number; nullptr: no such algorithm. Number 0 (none) has no row.
const Algorithm* find_algorithm(AlgorithmKind kind, std::uint8_t number);
/// The row with that name or synonym, in any case; nullptr: no such name.
const Algorithm* find_algorithm(AlgorithmKind kind, std::string_view name);

/// The same among the algorithms of both kinds, none of whose names is the other's.
const Algorithm* find_algorithm(std::string_view name);

/// The one to take with manual keys: aes-cbc, hmac-sha256.
const Algorithm& recommended(AlgorithmKind kind);

/// The words that stand for number 0 (no algorithm): "none any" for authentication, "any" for encryption.
std::string_view none_names(AlgorithmKind kind);

/// First name; "none" for 0; the number itself for an unknown one.
std::string algorithm_name(AlgorithmKind kind, std::uint8_t number);

/// "96, 128 or 256 bits": the lengths that its ICV can have.
std::string icv_sizes(const Algorithm& algorithm);

/// "128, 192 or 256 bits plus a 32-bit salt": the key sizes in words.
std::string key_sizes(const Algorithm& algorithm);

}  // namespace ipseckey::pfkey
