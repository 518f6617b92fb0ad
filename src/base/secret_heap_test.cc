#include "base/secret_heap.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <set>
#include <span>
#include <thread>
#include <vector>

namespace ipseckey {

namespace {

using secret_heap::allocate;
using secret_heap::reallocate;
using secret_heap::release;

constexpr std::size_t kSizes[] = {0, 1, 63, 64, 65, 200, 500, 1000, 3000, 5000, 16384, 16385, 65472, 65473, 1 << 20};

std::span<unsigned char> octets(void* p, std::size_t size) { return {static_cast<unsigned char*>(p), size}; }

TEST(SecretHeap, BlocksAreAlignedDisjointAndIntactUntilReleased) {
  std::vector<std::pair<void*, std::size_t>> places;
  for (int round = 0; round < 50; ++round)
    for (const std::size_t size : kSizes) {
      void* const p = allocate(size);
      ASSERT_NE(p, nullptr);
      EXPECT_EQ(std::bit_cast<std::uintptr_t>(p) % 64, 0u);
      std::ranges::fill(octets(p, size), static_cast<unsigned char>(places.size()));
      places.emplace_back(p, size);
    }
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto held = octets(places[i].first, places[i].second);
    EXPECT_TRUE(std::ranges::all_of(held, [&](unsigned char c) { return c == static_cast<unsigned char>(i); })) << i;
  }
  for (const auto& [p, size] : places) release(p);
  release(nullptr);
}

TEST(SecretHeap, AReleasedBlockIsWiped) {
  void* const p = allocate(200);
  std::ranges::fill(octets(p, 200), 0x5a);
  release(p);
  void* const again = allocate(200);
  EXPECT_EQ(again, p);
  EXPECT_EQ(std::ranges::count(octets(again, 200), 0), 200);
  release(again);
}

TEST(SecretHeap, GrowingKeepsTheContentAndWipesTheOldBlock) {
  void* p = reallocate(nullptr, 50);
  std::ranges::fill(octets(p, 50), 0x5a);
  EXPECT_EQ(reallocate(p, 64), p);
  void* const grown = reallocate(p, 40'000);
  EXPECT_EQ(std::ranges::count(octets(grown, 50), 0x5a), 50);
  void* const before = allocate(50);
  EXPECT_EQ(before, p);
  EXPECT_EQ(std::ranges::count(octets(before, 50), 0), 50);
  release(before);
  release(grown);
  EXPECT_EQ(allocate(SIZE_MAX), nullptr);
}

// Memory that one thread allocates is released by another; no two threads ever have the same block.
TEST(SecretHeap, ThreadsShareIt) {
  constexpr int kRounds = 2000;
  std::vector<void*> handed(kRounds);
  std::thread taker([&] {
    for (void*& p : handed) std::ranges::fill(octets(p = allocate(300), 300), 0x11);
  });
  std::vector<void*> own;
  for (int i = 0; i < kRounds; ++i) std::ranges::fill(octets(own.emplace_back(allocate(300)), 300), 0x22);
  taker.join();
  std::set<void*> all(own.begin(), own.end());
  all.insert(handed.begin(), handed.end());
  EXPECT_EQ(all.size(), 2u * kRounds);
  for (void* const p : handed) EXPECT_EQ(std::ranges::count(octets(p, 300), 0x11), 300);
  std::thread giver([&] { std::ranges::for_each(handed, release); });
  std::ranges::for_each(own, release);
  giver.join();
}

}  // namespace

}  // namespace ipseckey
