#include "prove/own.h"

#include <gmock/gmock.h>

#include <array>

#include "prove/testing.h"

namespace ipseckey::prove {
namespace {

using namespace testing;

// IP packets of 178 octets, by the SAs of good(): 20 + 8 + 16 of IV, 158 + 2 in blocks of 16, 16 of ICV.
constexpr std::size_t kInner = 178, kSealed = 220;
constexpr Sizes kSizes{kInner, kInner};
constexpr std::array kAnswers{kSizes, Sizes{kInner + 28, kInner + 28}};

Sighting packet(bool out, std::uint32_t spi, std::uint32_t number, std::size_t size = kSealed) {
  Sighting s = sealed(out, spi, number);
  s.size = size, s.mine = false;
  return s;
}

Facts watched(std::vector<Sighting> wire) {
  Facts f = good();
  f.wire = std::move(wire);
  return f;
}

std::vector<std::uint32_t> mine(const Facts& f) {
  std::vector<std::uint32_t> numbers;
  for (const Sighting& s : f.wire)
    if (s.mine) numbers.push_back(s.esp->number);
  return numbers;
}

using ::testing::ElementsAre;

TEST(Own, ByTimeAndSize) {
  Facts f = watched({packet(true, kOut, 1), packet(true, kOut, 2), packet(true, kOut, 3, 1072),
                     packet(false, kIn, 4, 252), packet(false, kIn, 5, 236)});
  claim(f, {1, kSizes, kAnswers, 1, true, false});
  EXPECT_THAT(mine(f), ElementsAre(2, 4));  // 252: an ICMP error, which quotes the probe.
  EXPECT_FALSE(f.crowded);
}

TEST(Own, TheSamePacketOnTwoInterfacesIsOne) {
  Facts f = watched({packet(true, kOut, 1), packet(true, kOut, 1)});
  claim(f, {0, kSizes, kAnswers, 1, true, false});
  EXPECT_THAT(mine(f), ElementsAre(1, 1));
}

TEST(Own, NoneOfTwo) {
  Facts f = watched({packet(true, kOut, 1), packet(true, kOut, 2), packet(false, kIn, 3)});
  claim(f, {0, kSizes, kAnswers, 1, true, false});
  EXPECT_THAT(mine(f), ElementsAre(3));
  EXPECT_TRUE(f.crowded);
}

// The rule's own SA is meant, if a packet of it can be the probe.
TEST(Own, OtherSas) {
  Facts f = watched({packet(true, 0x2000, 1), packet(true, kOut, 2)});
  claim(f, {0, kSizes, kAnswers, 1, true, false});
  EXPECT_THAT(mine(f), ElementsAre(2));
  f = watched({packet(true, 0x2000, 1), packet(true, 0x2000, 2, 1100)});
  claim(f, {0, kSizes, kAnswers, 1, true, false});
  EXPECT_THAT(mine(f), ElementsAre(1));
}

// A connection has packets of usual sizes.
TEST(Own, NothingLikeItMayHaveBeenThere) {
  Facts f = watched({packet(true, kOut, 1), packet(true, kOut, 2)});
  claim(f, {1, kSizes, kAnswers, 3, true, true});
  EXPECT_THAT(mine(f), ElementsAre());
  EXPECT_TRUE(f.crowded);
}

// With another ICV, by which it was refused.
TEST(Own, AnAnswerThatWasRefused) {
  for (const bool answered : {true, false}) {
    Facts f = watched({packet(true, kOut, 1), packet(false, kIn, 2, kSealed - 4)});
    claim(f, {0, kSizes, kAnswers, 1, answered, false});
    EXPECT_EQ(mine(f).size(), answered ? 1u : 2u);
  }
}

TEST(Own, SizesOfKindsOfSas) {
  struct Kind {
    void (*change)(SaView& sa);
    bool udp;
    std::size_t size;
  };
  const std::array kinds{
      Kind{[](SaView&) {}, false, 220}, Kind{[](SaView& sa) { sa.held.facts.tunnel = true; }, false, 252},
      Kind{[](SaView& sa) { sa.udp = true; }, true, 228},
      Kind{[](SaView& sa) { sa.held.facts.encrypt = 20, sa.held.facts.auth = 0; }, false, 212},  // AES-GCM.
  };
  for (const Kind& kind : kinds) {
    Facts f = good();
    kind.change(f.sas[0]);
    for (std::size_t size = 100; size < 400; ++size) {
      Sighting s = packet(true, kOut, 1, size);
      s.udp = kind.udp;
      EXPECT_EQ(can_hold(f, s, kSizes), size == kind.size) << size;
    }
  }
}

TEST(Own, ARefusalIsCounted) {
  Facts f = good();
  confirm_refusals(f);
  EXPECT_FALSE(f.replay.tried);
  EXPECT_FALSE(f.flip.tried);
  EXPECT_FALSE(f.replay_in.tried);
  f = good();
  f.there->counters = {{"in.replayed", 3}, {"in.corrupt", 1}};
  f.after = {{"in.replayed", 1}};
  confirm_refusals(f);
  EXPECT_TRUE(f.replay.tried && !f.replay.accepted);
  EXPECT_TRUE(f.flip.tried && !f.flip.accepted);
  EXPECT_TRUE(f.replay_in.tried && !f.replay_in.accepted);
  f.there->counters.clear();
  f.replay.accepted = f.flip.accepted = true;
  confirm_refusals(f);
  EXPECT_TRUE(f.replay.accepted && f.flip.accepted);
  f = good();  // Nobody there who counts: three copies were sent, and the fence behind them arrived.
  f.there.reset();
  confirm_refusals(f);
  EXPECT_TRUE(f.replay.tried);
}

}  // namespace
}  // namespace ipseckey::prove
