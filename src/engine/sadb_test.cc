#include "engine/sadb.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/testing.h"

namespace ipseckey::engine {
namespace {

SaId id(std::uint32_t spi, std::string_view dst = "192.0.2.2", pfkey::SaType satype = pfkey::SaType::esp) {
  return {satype, spi, parse_address(dst).value()};
}

TEST(Sadb, IdentityIsTypeSpiAndDestination) {
  Sadb sadb;
  const std::vector<SaId> ids = {id(1),
                                 id(2),
                                 id(1, "192.0.2.3"),
                                 id(1, "2001:db8::1"),
                                 id(1, "c000:202::"),  // The octets of 192.0.2.2 as IPv6.
                                 id(1, "192.0.2.2", pfkey::SaType::ah)};
  for (const SaId& i : ids) EXPECT_NE(sadb.insert(i), nullptr);
  for (const SaId& i : ids) {
    EXPECT_EQ(sadb.insert(i), nullptr);
    ASSERT_NE(sadb.find(i), nullptr);
    EXPECT_EQ(sadb.find(i)->id(), i);
  }
  EXPECT_EQ(sadb.size(), ids.size());
  EXPECT_EQ(sadb.find(id(3)), nullptr);
}

TEST(Sadb, TheSourceMustMatch) {
  Sadb sadb;
  const Address here = *parse_address("192.0.2.1"), other = *parse_address("192.0.2.9"), any{};
  Sa* const sa = sadb.insert(id(1));
  sa->src = here;
  EXPECT_EQ(sadb.find(id(1), nullptr), sa);
  EXPECT_EQ(sadb.find(id(1), &here), sa);
  EXPECT_EQ(sadb.find(id(1), &any), sa);
  EXPECT_EQ(sadb.find(id(1), &other), nullptr);
  sa->src = any;
  EXPECT_EQ(sadb.find(id(1), &other), sa);
}

TEST(Sadb, SasDoNotMoveInMemoryAndFreedEntriesAreReused) {
  Sadb sadb;
  std::vector<Sa*> places;
  for (std::uint32_t spi = 1; spi <= 20000; ++spi) places.push_back(sadb.insert(id(spi)));
  for (std::uint32_t spi = 1; spi <= 20000; ++spi) EXPECT_EQ(sadb.find(id(spi)), places[spi - 1]);
  Sa* const freed = places[700];
  sadb.erase(*freed);
  EXPECT_EQ(sadb.find(id(701)), nullptr);
  EXPECT_EQ(sadb.insert(id(50000)), freed);
  EXPECT_EQ(freed->keys, nullptr);
}

std::vector<std::uint32_t> rest(Sadb& sadb, Sadb::Cursor& cursor) {
  std::vector<std::uint32_t> spis;
  while (const Sa* const sa = sadb.step(cursor)) spis.push_back(sa->spi);
  return spis;
}

TEST(Sadb, AWalkSurvivesEveryKindOfChange) {
  Sadb sadb;
  for (const std::uint32_t spi : {1u, 2u, 3u, 4u, 5u}) sadb.insert(id(spi));
  const auto untouched = sadb.walk(), walk = sadb.walk();
  EXPECT_EQ(sadb.step(*walk)->spi, 1u);
  sadb.erase(*sadb.find(id(1)));  // Behind it,
  sadb.erase(*sadb.find(id(2)));  // just ahead,
  sadb.erase(*sadb.find(id(5)));  // and the last.
  sadb.insert(id(6));
  sadb.insert(id(2));
  EXPECT_EQ(rest(sadb, *walk), (std::vector<std::uint32_t>{3, 4}));
  EXPECT_EQ(rest(sadb, *untouched), (std::vector<std::uint32_t>{3, 4}));
  EXPECT_EQ(rest(sadb, *sadb.walk()), (std::vector<std::uint32_t>{3, 4, 6, 2}));
}

TEST(Sadb, AWalkOfNothingEnds) {
  Sadb sadb;
  const auto walk = sadb.walk();
  sadb.insert(id(1));
  EXPECT_TRUE(rest(sadb, *walk).empty());
  const auto all = sadb.walk();
  sadb.erase(*sadb.find(id(1)));
  sadb.insert(id(2));
  EXPECT_TRUE(rest(sadb, *all).empty());
}

TEST(Sadb, PairsAreMutual) {
  Sadb sadb;
  Sa& a = *sadb.insert(id(1));
  Sa& b = *sadb.insert(id(2));
  Sadb::pair(a, b);
  EXPECT_EQ(sadb.partner(a), &b);
  EXPECT_EQ(sadb.partner(b), &a);
  EXPECT_EQ(a.flags, pfkey::kFlagPaired);
  sadb.unpair(b);
  EXPECT_EQ(sadb.partner(a), nullptr);
  EXPECT_EQ(sadb.partner(b), nullptr);
  EXPECT_EQ(a.flags, 0u);
}

}  // namespace
}  // namespace ipseckey::engine
