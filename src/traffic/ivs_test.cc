/// Initialisation vectors of CBC: no two alike, and none predictable (RFC 3602 section 3).
#include <gmock/gmock.h>

#include <set>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;

constexpr std::size_t kIvAt = 20 + 8;

std::vector<const pfkey::Algorithm*> ciphers_with_random_ivs() {
  std::vector<const pfkey::Algorithm*> all;
  for (const pfkey::Algorithm& a : pfkey::algorithms())
    if (a.kind == pfkey::AlgorithmKind::encrypt && a.iv != 0 && !a.counter()) all.push_back(&a);
  return all;
}

Octets iv_of(const Octets& packet, std::size_t size) {
  return {packet.begin() + kIvAt, packet.begin() + static_cast<std::ptrdiff_t>(kIvAt + size)};
}

// A source with known octets: whatever is written is a section of it, and no section is written twice.
std::uint64_t drawn = 0;
void numbered(MutableBytes out) {
  for (std::size_t i = 0; i < out.size(); i += 8, ++drawn)
    for (std::size_t k = 0; k < 8; ++k) out[i + k] = static_cast<std::byte>(drawn >> (8 * k));
}

TEST(Ivs, OfCbcNeverRepeatAcrossSasThreadsAndRestarts) {
  ASSERT_FALSE(ciphers_with_random_ivs().empty());
  for (const pfkey::Algorithm* const a : ciphers_with_random_ivs()) {
    SCOPED_TRACE(a->name());
    const Wish wish{.encrypt = a->number, .auth = 5};
    std::set<Octets> seen;
    for (int life = 0; life < 3; ++life) {
      Plane plane{{.workers = 2, .mtu = 1500, .random = nullptr}};
      engine::Engine engine(engine::Options{.is_local = {}, .random = {}, .usable = {}, .carrier = &plane});
      ASSERT_EQ(engine::testing::outcome(engine, add(0x100, wish)), kDone);
      std::array workers = {plane.worker(0), plane.worker(1)};
      for (std::size_t i = 0; i < 300; ++i) {
        Held held(datagram());
        workers[i % 2].protect({&held.item, 1}, at(0));
        ASSERT_EQ(name(held.item.cause), "none");
        ASSERT_TRUE(seen.insert(iv_of(held.bytes(), a->iv)).second) << life << " " << i;
      }
    }
    EXPECT_EQ(seen.size(), 900u);
  }
}

// Each consists of octets of the source, each octet used once, and of nothing from this packet or the previous one.
TEST(Ivs, OfCbcAreTheSourcesOctetsAndNothingElse) {
  for (const pfkey::Algorithm* const a : ciphers_with_random_ivs()) {
    SCOPED_TRACE(a->name());
    drawn = 1;
    Host host({.workers = 1, .mtu = 1500, .random = numbered});
    ASSERT_EQ(host.add(add(0x100, {.encrypt = a->number, .auth = 5})), kDone);
    std::set<std::uint64_t> words;
    for (int i = 0; i < 600; ++i) {
      const Octets iv = iv_of(protect(host, datagram()).packet, a->iv);
      for (std::size_t k = 0; k + 8 <= iv.size(); k += 8) {
        std::uint64_t word = 0;
        for (std::size_t b = 0; b < 8; ++b) word |= std::to_integer<std::uint64_t>(iv[k + b]) << (8 * b);
        EXPECT_GE(word, 1u);
        EXPECT_LT(word, drawn) << "the source has not given it";
        EXPECT_TRUE(words.insert(word).second) << "twice";
      }
    }
  }
}

// Two consecutive IVs differ in half of their bits: they are not a counter and not a copy. 600 pairs of 64 bits have
// 19,200 differences on average, with a standard deviation of 98.
TEST(Ivs, OfCbcDoNotDependOnThePreviousOne) {
  Host host({.workers = 1, .mtu = 1500, .random = nullptr});
  ASSERT_EQ(host.add(add(0x100, {.encrypt = 12, .auth = 5})), kDone);
  Octets before = protect(host, datagram()).packet;
  int to_last_iv = 0, to_last_block = 0;
  for (int i = 0; i < 600; ++i) {
    const Octets packet = protect(host, datagram()).packet;
    const std::uint64_t iv = get<std::uint64_t>(packet, kIvAt);
    to_last_iv += std::popcount(iv ^ get<std::uint64_t>(before, kIvAt));
    to_last_block += std::popcount(iv ^ get<std::uint64_t>(before, before.size() - 16 - 16));
    before = packet;
  }
  EXPECT_NEAR(to_last_iv, 19200, 1000);
  EXPECT_NEAR(to_last_block, 19200, 1000);
}

}  // namespace
}  // namespace ipseckey::traffic
