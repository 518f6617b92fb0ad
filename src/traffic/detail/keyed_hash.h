#pragma once
/// SipHash-2-4 (Aumasson, Bernstein, 2012) of whole words: without the key, nobody can construct collisions. For values
/// that strangers choose.
#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/net.h"

namespace ipseckey::traffic {

class KeyedHash {
 public:
  /// `random` fills a span with unpredictable octets.
  explicit KeyedHash(void (*random)(MutableBytes)) {
    std::array<std::byte, 16> octets{};
    random(octets);
    key_ = std::bit_cast<std::array<std::uint64_t, 2>>(octets);
  }

  std::uint64_t operator()(std::span<const std::uint64_t> words) const {
    State v{key_[0] ^ 0x736f6d6570736575, key_[1] ^ 0x646f72616e646f6d, key_[0] ^ 0x6c7967656e657261,
            key_[1] ^ 0x7465646279746573};
    for (const std::uint64_t word : words) stir(v, word);
    stir(v, std::uint64_t{words.size() * sizeof(std::uint64_t)} << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; ++i) round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
  }
  /// The hash of two addresses and of whatever else distinguishes things between them.
  std::uint64_t operator()(const Address& a, const Address& b, std::uint64_t rest) const {
    const auto x = std::bit_cast<std::array<std::uint64_t, 2>>(a.octets);
    const auto y = std::bit_cast<std::array<std::uint64_t, 2>>(b.octets);
    const std::uint64_t families = std::uint64_t{a.family == Family::v6} << 1 | std::uint64_t{b.family == Family::v6};
    return (*this)(std::array{x[0], x[1], y[0], y[1], rest << 2 | families});
  }

 private:
  using State = std::array<std::uint64_t, 4>;

  static void round(State& v) {
    v[0] += v[1], v[2] += v[3];
    v[1] = std::rotl(v[1], 13) ^ v[0], v[3] = std::rotl(v[3], 16) ^ v[2];
    v[0] = std::rotl(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = std::rotl(v[1], 17) ^ v[2], v[3] = std::rotl(v[3], 21) ^ v[0];
    v[2] = std::rotl(v[2], 32);
  }
  static void stir(State& v, std::uint64_t word) {
    v[3] ^= word;
    round(v), round(v);
    v[0] ^= word;
  }

  std::array<std::uint64_t, 2> key_;
};

}  // namespace ipseckey::traffic
