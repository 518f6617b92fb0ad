// What the lanes leave behind.
#include "crypto/detail/lanes.h"

#include <gmock/gmock.h>

#include <cstring>
#include <random>
#include <unordered_set>

#include "crypto/detail/mac.h"
#include "crypto/testing.h"

namespace ipseckey::crypto {
namespace {

using testing::Octets;
using enum pfkey::AlgorithmKind;

// The lanes' memory may hold a key or a text word by word, one for each lane: so each word is searched for.
template <class Word>
class Left {
 public:
  explicit Left(Bytes memory) {
    for (std::size_t at = 0; at + sizeof(Word) <= memory.size(); at += sizeof(Word)) words_.insert(word(memory, at));
  }
  /// The words of `secret` that are there.
  std::size_t of(Bytes secret) const {
    std::size_t found = 0;
    for (std::size_t at = 0; at + sizeof(Word) <= secret.size(); at += sizeof(Word))
      found += words_.contains(word(secret, at));
    return found;
  }

 private:
  static Word word(Bytes b, std::size_t at) {
    Word w = 0;
    std::memcpy(&w, b.data() + at, sizeof w);
    return w;
  }
  std::unordered_set<Word> words_;
};

class LanesLeave : public ::testing::Test {
 protected:
  Octets random(std::size_t size) {
    Octets out(size);
    for (std::byte& b : out) b = static_cast<std::byte>(random_());
    return out;
  }
  // Texts of different lengths, so that some lanes finish early.
  std::vector<Octets> texts(std::size_t count) {
    std::vector<Octets> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(random(64 + 48 * (i % 7)));
    return all;
  }
  static constexpr std::array<std::size_t, 6> kCounts = {1, 3, 15, 16, 19, 32};

  std::unique_ptr<Lanes> lanes_ = Lanes::make();

 private:
  std::mt19937 random_{20};
};

TEST_F(LanesLeave, NothingOfCiphersKeysAndTexts) {
  for (const pfkey::Algorithm& row : pfkey::algorithms()) {
    if (!lanes_ || row.kind != encrypt || row.batch == 0) continue;
    const std::size_t size = row.mode == pfkey::Mode::cbc && row.des ? row.max_bits / 8u : row.min_bits / 8u;
    for (const bool sealing : {true, false})
      for (const std::size_t count : kCounts) {
        SCOPED_TRACE(std::string(row.name()) + (sealing ? " sealing " : " opening ") + std::to_string(count));
        std::vector<Octets> before = texts(count), after = before, keys, icvs(count, Octets(16));
        std::vector<std::unique_ptr<LaneCipher>> ciphers;
        std::vector<Lanes::Text> plain;
        std::vector<Lanes::Packet> combined;
        const Octets iv = random(16), aad = random(8);
        for (std::size_t i = 0; i < count; ++i) {
          keys.push_back(random(size));
          ciphers.push_back(LaneCipher::make(row, keys[i], sealing));
          if (!ciphers[i]) break;  // GCM and GMAC have no lanes.
          plain.push_back({ciphers[i].get(), after[i], iv.data(), i, 1});
          combined.push_back({ciphers[i].get(), Bytes(iv).first(row.mode == pfkey::Mode::ccm ? 11 : 12), aad, after[i],
                              MutableBytes(icvs[i]).first(std::max<std::size_t>(row.icv, 8)), i, 1});
        }
        if (!ciphers[0]) continue;
        ASSERT_TRUE(row.combined() ? lanes_->run(std::span<const Lanes::Packet>(combined))
                                   : lanes_->run(std::span<const Lanes::Text>(plain)));
        const Left<std::uint32_t> left(lanes_->memory());
        const Left<std::uint64_t> schedule(lanes_->memory());  // Half of a word of DES is the same in many keys.
        for (std::size_t i = 0; i < count; ++i) {
          EXPECT_EQ(left.of(keys[i]), 0u) << i;
          EXPECT_EQ(schedule.of({static_cast<const std::byte*>(ciphers[i]->first()), size}), 0u) << i;
          EXPECT_EQ(left.of(sealing ? before[i] : after[i]), 0u) << i;
        }
      }
  }
}

TEST_F(LanesLeave, NothingOfMacsKeysAndTexts) {
  for (const pfkey::Algorithm& row : pfkey::algorithms()) {
    if (!lanes_ || row.kind != auth) continue;
    for (const std::size_t count : kCounts) {
      SCOPED_TRACE(std::string(row.name()) + " " + std::to_string(count));
      std::vector<Octets> all = texts(count), icvs(count, Octets(Mac::kMost));
      std::vector<std::unique_ptr<Mac>> macs;
      std::vector<Lanes::Message> messages;
      for (std::size_t i = 0; i < count; ++i) {
        macs.push_back(Mac::make(row, random(row.max_bits / 8u)));
        messages.push_back({macs[i]->lane(), all[i], MutableBytes(icvs[i]).first(macs[i]->lane()->size), i, 1});
      }
      ASSERT_TRUE(lanes_->run(std::span<const Lanes::Message>(messages)));
      const Left<std::uint32_t> left(lanes_->memory());
      for (std::size_t i = 0; i < count; ++i) {
        for (const void* const part : macs[i]->lane()->parts) {
          if (!part) continue;
          EXPECT_EQ(left.of({static_cast<const std::byte*>(part), 16}), 0u) << i;
        }
        EXPECT_EQ(left.of(all[i]), 0u) << i;
      }
    }
  }
}

}  // namespace
}  // namespace ipseckey::crypto
