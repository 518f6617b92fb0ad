#include "engine/traffic/connections.h"

#include <gmock/gmock.h>

#include <random>
#include <set>

#include "engine/traffic/keyed_hash.h"

namespace engine::traffic {
namespace {

TEST(Connections, AreKnownOneByOneUpToTheirNumber) {
  Connections c;
  std::mt19937_64 random(1);
  std::set<std::uint64_t> all = {0, 1, UINT64_MAX};  // 0 and 1 are taken for each other, which undercounts.
  while (all.size() < Connections::kExact + 1) all.insert(random());
  std::size_t fresh = 0;
  for (const std::uint64_t tag : all) {
    ASSERT_EQ(c.contains(tag), tag == 1);
    fresh += c.insert(tag);
    ASSERT_TRUE(c.contains(tag));
    ASSERT_FALSE(c.insert(tag));
    ASSERT_EQ(c.size(), fresh);
  }
  EXPECT_EQ(fresh, Connections::kExact);
  for (const std::uint64_t tag : all) ASSERT_FALSE(c.insert(tag));
}

// 1 - exp(-n / m) of the bits are taken by n tags: of 200,000 more, 181,900 are counted.
TEST(Connections, BeyondItNoneCountsTwiceAndFewAreMissed) {
  Connections c;
  std::mt19937_64 random(2);
  std::vector<std::uint64_t> tags(Connections::kExact + 200'000);
  for (std::uint64_t& tag : tags) tag = random();
  std::size_t fresh = 0;
  for (const std::uint64_t tag : tags) fresh += c.insert(tag);
  EXPECT_EQ(c.size(), fresh);
  EXPECT_GT(fresh, Connections::kExact + 180'000);
  EXPECT_LT(fresh, Connections::kExact + 184'000);
  for (const std::uint64_t tag : tags) ASSERT_FALSE(c.insert(tag));
  EXPECT_EQ(c.size(), fresh);
}

// The reference's vectors: the key is 00 01 .. 0f, the input 00 01 02 ...
TEST(KeyedHash, IsSipHash24) {
  const KeyedHash hash([](MutableBytes key) {
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(i);
  });
  EXPECT_EQ(hash({}), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(hash(std::array<std::uint64_t, 1>{0x0706050403020100}), 0x93f5f5799a932462u);
  EXPECT_EQ(hash(std::array<std::uint64_t, 2>{0x0706050403020100, 0x0f0e0d0c0b0a0908}), 0x3f2acc7f57c29bdbu);
}

TEST(KeyedHash, TellsAddressesOfTheFamiliesApart) {
  const KeyedHash hash([](MutableBytes key) { key[0] = std::byte{1}; });
  const Address four = *parse_address("1.2.3.4");
  Address six = four;
  six.family = Family::v6;
  const std::set<std::uint64_t> all = {hash(four, four, 0), hash(four, six, 0), hash(six, four, 0), hash(six, six, 0),
                                       hash(four, four, 1)};
  EXPECT_EQ(all.size(), 5u);
}

}  // namespace
}  // namespace engine::traffic
