#pragma once
/// What each way of bench/ciphers works on: a suite, its keys, and packets of ESP.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>

#include "base/secret.h"
#include "pfkey/algorithms.h"

namespace ipseckey::bench {

using pfkey::Algorithm;
using pfkey::AlgorithmKind;
using pfkey::Mode;

inline constexpr std::size_t kMost = 32;  ///< Packets of a batch.

inline std::uint8_t* u8(std::byte* p) { return static_cast<std::uint8_t*>(static_cast<void*>(p)); }

/// A cipher and, unless it is a combined mode, a MAC.
struct SuiteRow {
  const Algorithm* cipher;
  const Algorithm* mac;
  std::size_t key_bits;
  std::string name() const {
    std::string n(cipher->name());
    if (key_bits) n += fmt::format("-{}", key_bits);
    return mac ? n + "+" + std::string(mac->name()) : n;
  }
};

/// The packets of one way.
class Packets {
 public:
  Packets(const SuiteRow& row, std::size_t text)
      : front_(8 + row.cipher->iv), icv_(row.mac ? row.mac->icv : row.cipher->icv) {
    const std::size_t block = std::max<std::size_t>(row.cipher->block, 4);
    text_ = text / block * block;
    for (std::size_t i = 0; i < kMost * kStride; ++i) (*packets_)[i] = static_cast<std::byte>(i % kStride * 7 + 3);
    *start_ = *packets_;
  }
  /// Every packet becomes what the first one is in `from`: the start of opening.
  void start_as(const Packets& from) { *start_ = *from.packets_; }
  void reset(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) std::memcpy(esp(i), start_->data() + i * kStride, front_ + text_ + icv_);
  }
  std::byte* esp(std::size_t i) { return packets_->data() + i * kStride; }
  std::byte* text(std::size_t i) { return esp(i) + front_; }
  std::byte* icv(std::size_t i) { return text(i) + text_; }
  std::size_t text_size() const { return text_; }
  std::size_t icv_size() const { return icv_; }
  std::size_t front() const { return front_; }
  bool same(const Packets& other, std::size_t n) const {
    return std::equal(packets_->begin(), packets_->begin() + static_cast<long>(n * kStride), other.packets_->begin());
  }

 private:
  std::size_t front_, icv_, text_ = 0;
  // The same place in pages and in cache lines, whichever way's packets these are.
  static constexpr std::size_t kStride = 35 * 64;
  struct alignas(4096) Memory : std::array<std::byte, kMost * kStride> {};
  std::unique_ptr<Memory> packets_ = std::make_unique<Memory>(), start_ = std::make_unique<Memory>();
};

/// The key material of all ways: salt behind the key, as in an SA.
struct Keys {
  Secret encrypt, auth;
  explicit Keys(const SuiteRow& row)
      : encrypt((row.key_bits + row.cipher->salt_bits) / 8), auth(row.mac ? row.mac->max_bits / 8u : 0) {
    for (Secret* const s : {&encrypt, &auth})
      for (std::size_t i = 0; i < s->size(); ++i) s->bytes()[i] = static_cast<std::byte>(i * 29 + 1);
  }
  std::size_t key(const SuiteRow& row) const { return row.key_bits / 8; }
  std::size_t nonce(const SuiteRow& row, const std::byte* esp, std::byte* out) const {
    const std::size_t salt = row.cipher->salt_bits / 8u;
    std::copy_n(encrypt.bytes().end() - static_cast<long>(salt), salt, out);
    std::copy_n(esp + 8, row.cipher->iv, out + salt);
    return salt + row.cipher->iv;
  }
};

}  // namespace ipseckey::bench
