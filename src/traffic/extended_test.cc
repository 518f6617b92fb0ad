/// Extended sequence numbers when the two ends disagree about the half that is not sent (RFC 4303 appendix A).
#include <gmock/gmock.h>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::SaType;

const std::array kWays = {Wish{.esn = true}, Wish{.encrypt = 12, .auth = 5, .esn = true},
                          Wish{.encrypt = 0, .auth = 5, .esn = true}};

engine::SaId id_of(const Wish& wish) {
  return {wish.encrypt ? SaType::esp : SaType::ah, 0x100, *parse_address(wish.dst)};
}

Message from(std::uint64_t number, const Wish& wish) {
  Message m = add(0x100, wish);
  m.replay_value = pfkey::ReplayValue{.low = 0, .wide = number};
  return m;
}

// Without a window it is unknown which numbers are old, and so which high half is meant (RFC 4303 section 3.4.3).
TEST(Extended, NumbersNeedAWindow) {
  Host host;
  engine::testing::Outcome refused{EINVAL, pfkey::Diagnostic::invalid_replay};
  EXPECT_EQ(host.add(add(0x100, {.window = 0, .esn = true})), refused);
  EXPECT_EQ(host.engine.size(), 0u);
  Message both = add(0x100, {.window = 0, .esn = true});
  both.sa->replay = 64;  // The wide window takes precedence.
  EXPECT_EQ(host.add(std::move(both)), refused);
  EXPECT_EQ(host.add(add(0x100, {.window = 1, .esn = true})), kDone);
}

// covers RFC4303-A2-1
TEST(Extended, ASenderThatStartsJustBelowTheWrapIsFollowedAcrossIt) {
  for (const Wish& wish : kWays) {
    Host here, there;
    ASSERT_EQ(here.add(from(UINT32_MAX - 3, wish)), kDone);
    ASSERT_EQ(there.add(add(0x100, wish)), kDone);
    for (int i = 0; i < 20; ++i) {
      const Octets packet = protect(here, datagram()).packet;
      EXPECT_EQ(name(unprotect(there, packet).cause), "none") << i;
      EXPECT_EQ(name(unprotect(there, packet).cause), "replayed") << i;
    }
    EXPECT_EQ(there.plane.carried(id_of(wish))->sequence, UINT32_MAX + 17ull);
  }
}

// RFC 4303 appendix A3: after 64 packets in a row that fail, one is tried with higher halves, at most 16.
TEST(Extended, AReceiverThatLostCountRecovers) {
  for (const Wish& wish : kWays)
    for (const std::uint64_t rounds : {1ull, 2ull, 16ull}) {
      Host here, there;
      ASSERT_EQ(here.add(from((rounds << 32) + 4, wish)), kDone);
      ASSERT_EQ(there.add(add(0x100, wish)), kDone);
      for (int i = 0; i < 64; ++i) EXPECT_EQ(name(unprotect(there, protect(here, datagram()).packet).cause), "corrupt");
      const Octets plain = datagram();
      for (int i = 0; i < 5; ++i) {
        const Octets packet = protect(here, plain).packet;
        const Result in = unprotect(there, packet);
        EXPECT_EQ(name(in.cause), "none") << rounds << " " << i;
        EXPECT_EQ(hex(in.packet), hex(plain));
        EXPECT_EQ(name(unprotect(there, packet).cause), "replayed");
      }
      EXPECT_EQ(there.plane.carried(id_of(wish))->sequence, (rounds << 32) + 4 + 69);
      EXPECT_EQ(there.plane.carried(id_of(wish))->corrupt, 64u);
    }
}

TEST(Extended, TheSearchEndsAndStartsAgainAfterTheSameNumberOfFailures) {
  for (const Wish& wish : kWays) {
    Host far, near, there;
    ASSERT_EQ(far.add(from(17ull << 32, wish)), kDone);
    ASSERT_EQ(near.add(from(1ull << 32, wish)), kDone);
    ASSERT_EQ(there.add(add(0x100, wish)), kDone);
    for (int i = 0; i < 65; ++i) EXPECT_EQ(name(unprotect(there, protect(far, datagram()).packet).cause), "corrupt");
    for (int i = 0; i < 63; ++i) EXPECT_EQ(name(unprotect(there, protect(near, datagram()).packet).cause), "corrupt");
    EXPECT_EQ(name(unprotect(there, protect(near, datagram()).packet).cause), "none");
  }
}

// Neither forged packets nor old ones move a receiver that is right.
TEST(Extended, ForgedPacketsHaveNoEffectAndAValidOneRestartsTheCount) {
  for (const Wish& wish : kWays) {
    Host here, there;
    ASSERT_EQ(here.add(add(0x100, wish)), kDone);
    ASSERT_EQ(there.add(add(0x100, wish)), kDone);
    const Octets old = protect(here, datagram()).packet;
    for (int round = 0; round < 4; ++round) {
      Octets forged = protect(here, datagram()).packet;
      forged.back() ^= std::byte{1};
      for (int i = 0; i < 63; ++i) EXPECT_EQ(name(unprotect(there, forged).cause), "corrupt");
      EXPECT_EQ(name(unprotect(there, protect(here, datagram()).packet).cause), "none");
    }
    Octets forged = protect(here, datagram()).packet;
    forged.back() ^= std::byte{1};
    for (int i = 0; i < 300; ++i) EXPECT_EQ(name(unprotect(there, forged).cause), "corrupt");
    EXPECT_EQ(there.plane.carried(id_of(wish))->sequence, 9u);
    EXPECT_EQ(name(unprotect(there, old).cause), "none");  // 1: still in the window.
    EXPECT_EQ(name(unprotect(there, protect(here, datagram()).packet).cause), "none");
    EXPECT_EQ(there.plane.carried(id_of(wish))->sequence, 11u);
  }
}

// Packets of a sender far ahead are tried after 64 failures in a row, not after 64 failures between valid packets.
TEST(Extended, AValidPacketBetweenFailuresRestartsTheCount) {
  for (const Wish& wish : kWays) {
    Host here, far, there;
    ASSERT_EQ(here.add(add(0x100, wish)), kDone);
    ASSERT_EQ(far.add(from((1ull << 32) + 1000, wish)), kDone);
    ASSERT_EQ(there.add(add(0x100, wish)), kDone);
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 40; ++i) EXPECT_EQ(name(unprotect(there, protect(far, datagram()).packet).cause), "corrupt");
      EXPECT_EQ(name(unprotect(there, protect(here, datagram()).packet).cause), "none");
    }
    EXPECT_EQ(there.plane.carried(id_of(wish))->corrupt, 120u);
  }
}

// The packet that is tried arrives in a batch with others.
TEST(Extended, TheSearchTriesOnePacketOfABatch) {
  for (const Wish& wish : kWays) {
    Host here, there;
    ASSERT_EQ(here.add(from(1ull << 32, wish)), kDone);
    ASSERT_EQ(there.add(add(0x100, wish)), kDone);
    for (int i = 0; i < 64; ++i) EXPECT_EQ(name(unprotect(there, protect(here, datagram()).packet).cause), "corrupt");
    std::vector<Held> held;
    std::vector<Item> items;
    for (int i = 0; i < 4; ++i) held.emplace_back(protect(here, datagram()).packet);
    for (const Held& h : held) items.push_back(h.item);
    there.worker.unprotect(items, at(0));
    std::vector<std::string> causes;
    for (const Item& item : items) causes.emplace_back(name(item.cause));
    EXPECT_THAT(causes, ::testing::Contains("none"));
    EXPECT_EQ(name(unprotect(there, protect(here, datagram()).packet).cause), "none");
  }
}

}  // namespace
}  // namespace ipseckey::traffic
