#include "base/slots.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace ipseckey {
namespace {

TEST(Slots, AreDistinctAlignedAndUsedAgain) {
  for (const std::size_t size : {16u, 48u, 64u, 256u, 1000u}) {
    LastingSlots lasting(size, plain_pages);
    Slots& slots = lasting.slots;
    std::set<std::byte*> all;
    for (int i = 0; i < 10'000; ++i) {
      std::byte* const slot = slots.get();
      EXPECT_TRUE(all.insert(slot).second);
      EXPECT_EQ(std::bit_cast<std::uintptr_t>(slot) % 8, 0u);
      std::memset(slot, 0x5a, size);
    }
    // They do not overlap: what is in one stays while its neighbours come and go.
    std::vector<std::byte*> some(all.begin(), all.end());
    for (std::size_t i = 0; i < some.size(); i += 2) slots.put(some[i]);
    for (std::size_t i = 0; i < some.size(); i += 2) std::memset(some[i] = slots.get(), 0, size);
    for (std::size_t i = 1; i < some.size(); i += 2)
      for (std::size_t at = 0; at < size; ++at) ASSERT_EQ(some[i][at], std::byte{0x5a}) << size;
    const std::set<std::byte*> again(some.begin(), some.end());
    EXPECT_EQ(again.size(), all.size());
    for (std::byte* const slot : some) slots.put(slot);
  }
}

std::size_t mapped_bytes() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * 4096;
}

TEST(Slots, ChunksWithoutAUsedSlotAreReleasedExceptTheLast) {
  LastingSlots lasting(64, plain_pages);
  std::vector<std::byte*> some;
  some.reserve(50'000);
  const std::size_t before = mapped_bytes();
  for (int i = 0; i < 50'000; ++i) some.push_back(lasting.slots.get());
  EXPECT_GE(mapped_bytes(), before + 50'000 * 64);
  for (std::byte* const slot : some) lasting.slots.put(slot);
  EXPECT_LE(mapped_bytes(), before + 1'000'000);
}

struct Small : Pooled<Small> {
  std::uint64_t numbers[5] = {1, 2, 3, 4, 5};
};

TEST(Slots, ObjectsOfAPooledClassAreInThem) {
  std::vector<std::unique_ptr<Small>> many;
  many.reserve(30'000);
  const std::size_t before = mapped_bytes();
  for (int i = 0; i < 30'000; ++i) many.push_back(std::make_unique<Small>());
  EXPECT_EQ(many[29'999]->numbers[4], 5u);
  many.clear();
  EXPECT_LE(mapped_bytes(), before + 1'000'000);
}

}  // namespace
}  // namespace ipseckey
