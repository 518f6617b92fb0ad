#include "traffic/detail/connections.h"

#include <gmock/gmock.h>

#include <new>
#include <random>
#include <set>

#include "traffic/detail/keyed_hash.h"

namespace ipseckey {

namespace {
thread_local bool out_of_memory = false;
}  // namespace

// The linker redirects operator new[](std::size_t, const std::nothrow_t&) to this: allocations that may fail.
void* new_or_nothing(std::size_t size, const std::nothrow_t& tag) noexcept asm("__wrap__ZnamRKSt9nothrow_t");
void* new_or_nothing(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  if (out_of_memory) return nullptr;
  try {
    return ::operator new[](size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

namespace traffic {
namespace {

TEST(Connections, AreKnownOneByOneUpToTheLimit) {
  Connections c;
  std::mt19937_64 random(1);
  std::set<std::uint64_t> all = {0, 1, UINT64_MAX};  // 0 and 1 are not distinguished, which undercounts.
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

// n tags set the share 1 - exp(-n / m) of the bits: of 200,000 more, 181,900 are counted.
TEST(Connections, BeyondTheLimitNoneCountsTwiceAndFewAreMissed) {
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

// What cannot be stored counts as known; stored tags remain, and the next one is stored when there is memory.
TEST(Connections, WithoutMemoryAreNotCounted) {
  for (const std::size_t exact : {std::size_t{0}, Connections::kExact}) {
    Connections c;
    out_of_memory = true;
    EXPECT_FALSE(c.insert(5, exact));
    EXPECT_FALSE(c.contains(5));
    EXPECT_EQ(c.size(), 0u);
    out_of_memory = false;
    std::uint64_t tag = 0;
    for (; tag < 8; ++tag) EXPECT_TRUE(c.insert(100 + tag, exact));
    out_of_memory = true;
    EXPECT_EQ(c.insert(100 + tag, exact), exact == 0);  // The table is full; the bits never are.
    for (std::uint64_t known = 0; known < 8; ++known) EXPECT_FALSE(c.insert(100 + known, exact));
    out_of_memory = false;
    EXPECT_EQ(c.insert(100 + tag, exact), exact != 0);
    EXPECT_EQ(c.size(), 9u);
  }
}

// Connections in the bits stay counted when a limit requires tags again.
TEST(Connections, AreStoredAsTagsOrBitsOnInsertion) {
  Connections c;
  for (std::uint64_t tag = 100; tag < 110; ++tag) EXPECT_TRUE(c.insert(tag, 5));
  EXPECT_TRUE(c.insert(Connections::kBits + 104, 5));   // Known by its tag: it has no bit.
  EXPECT_FALSE(c.insert(Connections::kBits + 106, 5));  // Has the bit of 106.
  EXPECT_TRUE(c.insert(200));
  EXPECT_TRUE(c.insert(Connections::kBits + 200));
  EXPECT_EQ(c.size(), 13u);
  for (std::uint64_t tag = 100; tag < 110; ++tag) EXPECT_FALSE(c.insert(tag));
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

TEST(KeyedHash, DistinguishesAddressesOfTheTwoFamilies) {
  const KeyedHash hash([](MutableBytes key) { key[0] = std::byte{1}; });
  const Address four = *parse_address("1.2.3.4");
  Address six = four;
  six.family = Family::v6;
  const std::set<std::uint64_t> all = {hash(four, four, 0), hash(four, six, 0), hash(six, four, 0), hash(six, six, 0),
                                       hash(four, four, 1)};
  EXPECT_EQ(all.size(), 5u);
}

}  // namespace
}  // namespace traffic

}  // namespace ipseckey
