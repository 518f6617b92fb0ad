#include "base/boxed.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <string>

#include "base/large_pages.h"

namespace ipseckey {

namespace {

TEST(Boxed, IsAsLargeAsAPointerAndUsedLikeAnOptional) {
  static_assert(sizeof(Boxed<std::string>) == sizeof(void*));
  Boxed<std::string> b;
  EXPECT_FALSE(b);
  EXPECT_TRUE(b == std::nullopt);
  b = std::string("x");
  ASSERT_TRUE(b.has_value());
  EXPECT_EQ(*b, "x");
  b.emplace(3u, 'y');
  EXPECT_EQ(b->size(), 3u);
  b = std::nullopt;
  EXPECT_FALSE(b);
}

TEST(Boxed, ACopyIsDeepAndAMoveLeavesNothing) {
  Boxed<std::string> a = std::string("a");
  Boxed<std::string> copy = a;
  EXPECT_TRUE(copy == a);
  *copy += "b";
  EXPECT_EQ(*a, "a");
  EXPECT_FALSE(copy == a);
  const Boxed<std::string> moved = std::move(copy);
  EXPECT_EQ(*moved, "ab");
  EXPECT_FALSE(copy.has_value());
  EXPECT_FALSE(moved == copy);
}

TEST(LargePages, ALargeBlockIsAlignedToOne) {
  LargePages<int> pages;
  constexpr std::size_t kMany = LargePages<int>::kPage / sizeof(int);
  int* const small = pages.allocate(1);
  int* const large = pages.allocate(kMany + 1);
  *small = large[0] = large[kMany] = 7;
  EXPECT_EQ(std::bit_cast<std::uintptr_t>(large) % LargePages<int>::kPage, 0u);
  EXPECT_EQ(*small + large[0] + large[kMany], 21);
  pages.deallocate(small, 1);
  pages.deallocate(large, kMany + 1);
}

}  // namespace

}  // namespace ipseckey
