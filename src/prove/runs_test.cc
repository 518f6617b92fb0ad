#include "prove/runs.h"

#include <gtest/gtest.h>

namespace ipseckey::prove {
namespace {

using namespace std::chrono_literals;

Marker marker(unsigned number) {
  Marker m{};
  for (std::size_t i = 0; i < 4; ++i) m[i] = static_cast<std::byte>(number >> (8 * i));
  return m;
}

Asker sealed(const char* address) { return {*parse_address(address), true}; }
Asker clear(const char* address) { return {*parse_address(address), false}; }
Asker clear(unsigned number) {
  return clear(("10.0." + std::to_string(number / 256) + "." + std::to_string(number % 256)).c_str());
}

constexpr const char *kA = "192.0.2.1", *kB = "192.0.2.2", *kC = "192.0.2.3";

TEST(Allowance, ClearQuestionsUseUpNothingOfProtectedOnes) {
  Allowance a;
  unsigned clear_ones = 0, sealed_ones = 0, others = 0;
  for (int i = 0; i < 7000; ++i) clear_ones += a.spend(clear(kA), 1s);
  for (int i = 0; i < 7000; ++i) sealed_ones += a.spend(sealed(kA), 1s);
  for (int i = 0; i < 7000; ++i) others += a.spend(clear(kC), 1s);
  EXPECT_EQ(clear_ones, Allowance::kClear);
  EXPECT_EQ(sealed_ones, Allowance::kSealed);
  EXPECT_EQ(others, Allowance::kClear);
  EXPECT_TRUE(a.spend(clear(kA), 2s));
}

TEST(Allowance, ManyClearAskersAreBoundedTogether) {
  Allowance a;
  unsigned answered = 0;
  for (unsigned i = 0; i < 5000; ++i) answered += a.spend(clear(i), 1s);
  EXPECT_EQ(answered, Allowance::kClearOfAll);
  EXPECT_TRUE(a.spend(sealed(kA), 1s));
}

TEST(Runs, AnAskerForgetsOnlyItsOwn) {
  Runs runs;
  ASSERT_TRUE(runs.take(marker(1), clear(kA), 1s));
  ASSERT_TRUE(runs.take(marker(2), sealed(kC), 1s));
  for (unsigned i = 100; i < 1100; ++i) ASSERT_TRUE(runs.take(marker(i), clear(kC), 1s));
  EXPECT_TRUE(runs.find(marker(1)));
  EXPECT_TRUE(runs.find(marker(2)));  // What comes in clear has a share of its own.
  EXPECT_FALSE(runs.find(marker(100)));
  EXPECT_EQ(runs.all().size(), 2 + Runs::kMostOfOne);
}

TEST(Runs, AreBoundedAndNoStrangerDisplacesProtectedOnes) {
  Runs runs;
  for (unsigned i = 0; i < 10; ++i) ASSERT_TRUE(runs.take(marker(i), sealed(kA), 1s));
  for (unsigned i = 0; i < 2000; ++i) runs.take(marker(1000 + i), clear(i), 1s);
  EXPECT_EQ(runs.all().size(), Runs::kMost);
  for (unsigned i = 0; i < 10; ++i) EXPECT_TRUE(runs.find(marker(i))) << i;
  EXPECT_FALSE(runs.take(marker(9000), clear(kC), 1s));  // Nobody has more than one.
  EXPECT_TRUE(runs.take(marker(9001), sealed(kC), 1s));
  EXPECT_EQ(runs.all().size(), Runs::kMost);
  ASSERT_TRUE(runs.take(marker(9000), clear(kC), 1s + Runs::kKept + 1s));
  EXPECT_EQ(runs.all().size(), 1u);  // The others are forgotten.
}

TEST(Runs, MarkersOfARunAreBounded) {
  RunSeen run;
  for (unsigned i = 0; i < 5000; ++i) run.count(marker(i));
  run.count(marker(4999));
  EXPECT_EQ(run.received, 5001u);
  EXPECT_EQ(run.of_marker.size(), RunSeen::kMostMarkers);
  EXPECT_EQ(run.times(marker(4999)), 2u);
  EXPECT_EQ(run.times(marker(0)), 0u);
}

constexpr std::uint32_t kSpi = 0x1001;

Echo echo(unsigned number) {
  Echo e;
  e.marker = marker(number), e.to = e.outer = *parse_address(kA), e.from = *parse_address(kB);
  e.size = 150, e.spi = kSpi;
  return e;
}

Sighting packet(std::uint32_t number, std::size_t size = 220) {
  Sighting s;
  s.out = true, s.from = *parse_address(kB), s.to = *parse_address(kA), s.size = size, s.esp = Seal{kSpi, number};
  return s;
}

TEST(Runs, AnEchoIsTheOnlyPacketThatCanBeIt) {
  RunSeen run;
  run.add(echo(1), 1s);
  EXPECT_FALSE(run.certain(marker(1)));
  Sighting other = packet(4);
  other.to = *parse_address(kC);
  EXPECT_FALSE(run.left(other, 1s));  // To somebody else.
  other = packet(4), other.esp->spi = 7;
  EXPECT_FALSE(run.left(other, 1s));  // Under another SA.
  EXPECT_FALSE(run.left(packet(4, 1444), 1s));
  EXPECT_FALSE(run.left(packet(4, 180), 1s));
  EXPECT_TRUE(run.left(packet(5), 1s));
  EXPECT_FALSE(run.left(packet(5), 1s));  // The same once more.
  ASSERT_TRUE(run.certain(marker(1)));
  EXPECT_EQ(run.certain(marker(1))->seal->number, 5u);
  EXPECT_FALSE(run.certain(marker(2)));
}

TEST(Runs, AnEchoThatMayBeAnotherProgramsPacketIsNotCertain) {
  RunSeen run;
  run.add(echo(1), 1s);
  EXPECT_TRUE(run.left(packet(5), 1s));
  EXPECT_FALSE(run.left(packet(6), 1s));
  EXPECT_FALSE(run.certain(marker(1)));
  run.add(echo(2), 2s);
  EXPECT_FALSE(run.left(packet(7), 2s + RunSeen::kPatience + 1ms));  // Too late.
  EXPECT_FALSE(run.certain(marker(2)));
}

// Probes that come before the echoes of others have left, and a packet of another program before all of them.
TEST(Runs, EchoesThatMayHaveChangedPlacesAreNotCertain) {
  RunSeen run;
  run.add(echo(1), 1s);
  EXPECT_TRUE(run.left(packet(1), 1s));  // The other program's.
  run.add(echo(2), 1s + 1ms);
  EXPECT_TRUE(run.left(packet(2), 1s + 2ms));
  EXPECT_FALSE(run.left(packet(3), 1s + 3ms));
  EXPECT_FALSE(run.certain(marker(1)));
  EXPECT_FALSE(run.certain(marker(2)));
}

// Each probe has its own echo: `again` is about the one that it names, not about the last.
TEST(Runs, EachProbeHasItsOwnEcho) {
  RunSeen run;
  for (unsigned i = 1; i < 100; ++i) {
    run.add(echo(i), 1s * i);
    ASSERT_TRUE(run.left(packet(i), 1s * i));
  }
  EXPECT_EQ(run.echoes.size(), RunSeen::kMostEchoes);
  ASSERT_TRUE(run.certain(marker(95)));
  EXPECT_EQ(run.certain(marker(95))->seal->number, 95u);
  run.certain(marker(95))->repeated = 2;
  run.add(echo(95), 200s);
  EXPECT_FALSE(run.certain(marker(95)));
  EXPECT_EQ(run.echoes.back().repeated, 2u);  // A probe that is sent again does not give more.
}

TEST(Runs, WhatIsSentAgainFitsInTheQuestion) {
  Echo e = echo(1);
  e.size = 462, e.packet_at = 14;
  e.octets.resize(14 + 528);
  EXPECT_TRUE(fits_question(e, 180));   // 528, 180 + 66 and 16, 70: less than 1028.
  EXPECT_FALSE(fits_question(e, 800));  // With all counters.
  e.octets.resize(14 + 700);
  EXPECT_FALSE(fits_question(e, 180));
}

TEST(Runs, OnlyTheAskersPacketsCount) {
  RunSeen run;
  run.known = true, run.asker = *parse_address(kA), run.asked.out_spi = 0x1000;
  Sighting s;
  s.from = *parse_address(kC), s.esp = Seal{0x1000, 1};
  run.came(s);
  EXPECT_EQ(run.protected_seen, 0u);
  EXPECT_EQ(run.other_spi, 0u);
  s.from = run.asker;
  run.came(s);
  EXPECT_EQ(run.protected_seen, 1u);
  s.from = *parse_address(kC);
  run.owns = true;  // An SA with the asker: by way of a NAT or a tunnel.
  run.came(s);
  EXPECT_EQ(run.protected_seen, 2u);
}

}  // namespace
}  // namespace ipseckey::prove
