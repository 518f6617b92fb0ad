/// A peer in UDP whose NAT changes its address or port: who is notified, which SAs follow, and who cannot move it.
#include <gmock/gmock.h>

#include "traffic/detail/peer_place.h"
#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::SaType;

constexpr const char *kHere = "192.0.2.1", *kThere = "192.0.2.2", *kElsewhere = "198.51.100.9";
constexpr std::uint32_t kIn = 0x100, kOut = 0x200, kLater = 0x201;

// The same packet from another source.
Octets from(Octets packet, const char* address, std::uint16_t port) {
  const Address source = *parse_address(address);
  std::ranges::copy(source.bytes(), packet.begin() + 12);
  mend_checksum(packet);
  set(packet, 20, port);
  return packet;
}

std::vector<engine::testing::Sent> attend(Host& host) {
  std::vector<engine::testing::Sent> sent;
  host.engine.attend(at(0), [&](engine::Audience to, Message&& m) { sent.push_back({to, std::move(m)}); });
  return sent;
}

Place place(const char* address, std::uint16_t port) { return {*parse_address(address), port}; }

struct RoamingTest : ::testing::TestWithParam<bool> {
  bool tunnel = GetParam();
  Host here, there{PlaneOptions{.nat_follow = true}};

  Wish to_there(std::uint32_t window = 64) const { return {.tunnel = tunnel, .window = window, .udp = true}; }
  Wish to_here() const {
    return {
        .src = kThere, .dst = kHere, .tunnel = tunnel, .inner_src = "10.2.0.0", .inner_dst = "10.1.0.0", .udp = true};
  }
  void SetUp() override {
    load(here, kIn, to_there(), pfkey::kFlagOutbound);
    load(there, kIn, to_there(), pfkey::kFlagInbound);
    load(there, kOut, to_here(), pfkey::kFlagOutbound);
  }
  static void load(Host& host, std::uint32_t spi, const Wish& wish, std::uint32_t way) {
    Message m = add(spi, wish);
    m.sa->flags |= way;
    ASSERT_EQ(host.add(std::move(m)), kDone);
  }
  Octets sent() {
    const Shape inside{.src = "10.1.0.1", .dst = "10.2.0.1"};
    return protect(here, datagram(tunnel ? inside : Shape{})).packet;
  }
  static void remove(Host& host, std::uint32_t spi, const char* dst) {
    Message m = engine::testing::request(pfkey::Type::del, SaType::esp, spi);
    m.src.reset();
    m.dst = endpoint(dst);
    ASSERT_EQ(host.add(std::move(m)), kDone);
  }
  // Where `there` sends packets for the peer.
  Place goal() {
    const Shape inside{.src = "10.2.0.1", .dst = "10.1.0.1"}, plain{.src = kThere, .dst = kHere};
    const Result r = protect(there, datagram(tunnel ? inside : plain));
    EXPECT_EQ(r.cause, Cause::none);
    // The headers agree.
    Place written;
    std::ranges::copy(Bytes(r.packet).subspan(16, 4), written.address.octets.begin());
    written.port = get<std::uint16_t>(r.packet, 22);
    EXPECT_EQ(written, (Place{r.departure.dst, r.departure.dst_port}));
    EXPECT_TRUE(parse(r.packet));
    return written;
  }
  Cause arrives(const Octets& packet) { return unprotect(there, packet).cause; }
  void expect_told(const Place& where) {
    const auto told = attend(there);
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].to, engine::Audience::everyone);
    const Message& m = told[0].message;
    EXPECT_EQ(m.type, pfkey::Type::x_nat_t_new_mapping);
    EXPECT_EQ(m.satype, SaType::esp);
    EXPECT_EQ(m.seq, 0u);
    EXPECT_EQ(m.pid, 0u);
    ASSERT_TRUE(m.sa);
    EXPECT_EQ(m.sa->spi, kIn);
    EXPECT_EQ(m.src->address, *parse_address(kHere));
    EXPECT_EQ(m.dst->address, *parse_address(kThere));
    EXPECT_EQ(m.natt_remote, (pfkey::Endpoint{pfkey::kProtoUdp, 0, where.address, where.port}));
    EXPECT_FALSE(m.encrypt_key || m.auth_key);
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, RoamingTest, ::testing::Bool(),
                         [](const auto& mode) { return mode.param ? "Tunnel" : "Transport"; });

TEST_P(RoamingTest, AnotherPortIsReportedAndFollowed) {
  EXPECT_EQ(arrives(sent()), Cause::none);
  // Only its first use is due: the SA itself names that port.
  for (const auto& one : attend(there)) EXPECT_NE(one.message.type, pfkey::Type::x_nat_t_new_mapping);
  EXPECT_EQ(goal(), place(kHere, 4501));
  EXPECT_EQ(arrives(from(sent(), kHere, 31000)), Cause::none);
  EXPECT_EQ(goal(), place(kHere, 4501));  // Until the engine's thread has learnt it.
  expect_told(place(kHere, 31000));
  EXPECT_EQ(goal(), place(kHere, 31000));
  EXPECT_EQ(arrives(from(sent(), kHere, 31000)), Cause::none);
  EXPECT_TRUE(attend(there).empty());
  EXPECT_EQ(arrives(sent()), Cause::none);
  expect_told(place(kHere, 4500));
  EXPECT_EQ(goal(), place(kHere, 4500));
}

// In transport mode the address is the packet's own, and the SA covers no other.
TEST_P(RoamingTest, AnotherAddressIsOnlyForTunnels) {
  EXPECT_EQ(arrives(from(sent(), kElsewhere, 31000)), tunnel ? Cause::none : Cause::wrong_source);
  if (tunnel) expect_told(place(kElsewhere, 31000));  // From the first packet on.
  EXPECT_TRUE(attend(there).empty());
  EXPECT_EQ(goal(), tunnel ? place(kElsewhere, 31000) : place(kHere, 4501));
  const Wish transport{.src = kThere, .dst = kHere, .udp = true};
  load(there, kLater, transport, pfkey::kFlagOutbound);
  const Result r = protect(there, datagram({.src = kThere, .dst = kHere}));
  EXPECT_EQ(r.cause, Cause::none);
  EXPECT_EQ((Place{r.departure.dst, r.departure.dst_port}), place(kHere, 4501));
}

TEST_P(RoamingTest, ALaterSaFollowsToo) {
  EXPECT_EQ(arrives(from(sent(), kHere, 31000)), Cause::none);
  expect_told(place(kHere, 31000));
  load(there, kLater, to_here(), pfkey::kFlagOutbound);
  EXPECT_EQ(goal(), place(kHere, 31000));
}

// The inbound SA that reported it has no reason to report it again.
TEST_P(RoamingTest, ASuccessorFindsThePlaceWhileAnSaOfThePeerRemains) {
  EXPECT_EQ(arrives(from(sent(), kHere, 31000)), Cause::none);
  expect_told(place(kHere, 31000));
  remove(there, kOut, kHere);
  load(there, kLater, to_here(), pfkey::kFlagOutbound);
  EXPECT_EQ(goal(), place(kHere, 31000));
  remove(there, kIn, kThere);
  load(there, kOut, to_here(), pfkey::kFlagOutbound);
  EXPECT_EQ(goal(), place(kHere, 31000));
  for (const std::uint32_t spi : {kOut, kLater}) remove(there, spi, kHere);
  load(there, kOut, to_here(), pfkey::kFlagOutbound);
  EXPECT_EQ(goal(), place(kHere, 4501));  // With the last of them the peer was forgotten.
}

TEST_P(RoamingTest, AReportBeforeAnythingSendsIsKept) {
  remove(there, kOut, kHere);
  EXPECT_EQ(arrives(from(sent(), kHere, 31000)), Cause::none);
  expect_told(place(kHere, 31000));
  load(there, kOut, to_here(), pfkey::kFlagOutbound);
  EXPECT_EQ(goal(), place(kHere, 31000));
  for (const auto& [spi, dst] : {std::pair{kOut, kHere}, std::pair{kIn, kThere}}) remove(there, spi, dst);
  load(there, kOut, to_here(), pfkey::kFlagOutbound);
  EXPECT_EQ(goal(), place(kHere, 4501));
}

// For a new SA the place that it names is news, if its peer was known to be elsewhere.
TEST_P(RoamingTest, LaterSasFollowAPeerThatReturned) {
  EXPECT_EQ(arrives(from(sent(), kHere, 31000)), Cause::none);
  expect_told(place(kHere, 31000));
  for (Host* const host : {&here, &there}) remove(*host, kIn, kThere);
  load(here, kIn, to_there(), pfkey::kFlagOutbound);
  load(there, kIn, to_there(), pfkey::kFlagInbound);
  EXPECT_EQ(goal(), place(kHere, 31000));
  EXPECT_EQ(arrives(sent()), Cause::none);
  expect_told(place(kHere, 4500));
  EXPECT_EQ(goal(), place(kHere, 4500));
}

// An SA that first served both directions stores the peer's place under its new direction.
TEST_P(RoamingTest, AnSaThatGetsItsDirectionLaterIsFiledAgain) {
  for (const auto& [spi, dst] : {std::pair{kOut, kHere}, std::pair{kIn, kThere}}) remove(there, spi, dst);
  load(there, kIn, to_there(), 0);
  load(there, kOut, to_here(), pfkey::kFlagOutbound);
  Message m = engine::testing::request(pfkey::Type::update, SaType::esp, kOut);
  m.src = endpoint(kThere), m.dst = endpoint(kHere);
  m.pair = pfkey::Pair{kIn};
  ASSERT_EQ(there.add(std::move(m)), kDone);
  EXPECT_EQ(arrives(from(sent(), kHere, 31000)), Cause::none);
  attend(there);
  EXPECT_EQ(goal(), place(kHere, 31000));
  remove(there, kIn, kThere);
  remove(there, kOut, kHere);
  load(there, kOut, to_here(), pfkey::kFlagOutbound);
  EXPECT_EQ(goal(), place(kHere, 4501));
}

// The headers that a link refuses, or that a router quotes, have the new address, the SA the old one.
TEST(Roaming, ThePathOfAPeerThatMovedIsKnown) {
  const Wish in{.tunnel = true, .udp = true};
  const Wish out{
      .src = kThere, .dst = kHere, .tunnel = true, .inner_src = "10.2.0.0", .inner_dst = "10.1.0.0", .udp = true};
  const Octets longer = datagram({.src = "10.2.0.1", .dst = "10.1.0.1", .size = 1330, .dont_fragment = true});
  for (const bool link : {true, false}) {
    SCOPED_TRACE(link ? "a link" : "a router");
    Host here, there{PlaneOptions{.nat_follow = true}};
    RoamingTest::load(here, kIn, in, pfkey::kFlagOutbound);
    RoamingTest::load(there, kIn, in, pfkey::kFlagInbound);
    RoamingTest::load(there, kOut, out, pfkey::kFlagOutbound);
    const auto moves = [&](const char* address) {
      const Octets packet = protect(here, datagram({.src = "10.1.0.1", .dst = "10.2.0.1"})).packet;
      ASSERT_EQ(unprotect(there, from(packet, address, 31000)).cause, Cause::none);
      attend(there);
    };
    moves(kElsewhere);
    Held held(longer);
    there.worker.protect({&held.item, 1}, at(0));
    ASSERT_EQ(name(held.item.cause), "none");
    ASSERT_EQ(held.item.departure.dst, *parse_address(kElsewhere));
    const auto report = [&](const char* address, std::uint32_t mtu) {
      there.plane.path_mtu({SaType::esp, kOut, *parse_address(address)}, mtu, at(0));
    };
    report("203.0.113.7", 1000);  // No SA has that address.
    there.plane.path_mtu({SaType::esp, kIn, *parse_address(kElsewhere)}, 1000, at(0));
    there.plane.path_mtu({SaType::esp, 0x999, *parse_address(kElsewhere)}, 1000, at(0));
    EXPECT_EQ(name(protect(there, longer).cause), "none");
    if (link) {
      EXPECT_TRUE(there.worker.narrow(held.item, 1400, at(0)));
    } else {
      report(kElsewhere, 1400);
    }
    const Result told = protect(there, longer);
    EXPECT_EQ(name(told.cause), "too_big");
    EXPECT_EQ(told.mtu, 1338u);  // 1400 less 20 + 8 + 8 + 8 + 16, in fours, less 2.
    moves("203.0.113.7");
    report(kElsewhere, 1000);  // It is not there any more.
    EXPECT_EQ(protect(there, longer).mtu, 1338u);
    report("203.0.113.7", 1300);
    EXPECT_EQ(protect(there, longer).mtu, 1238u);
    RoamingTest::remove(there, kOut, kHere);
    report("203.0.113.7", 1000);  // A deleted SA has no path.
    EXPECT_EQ(name(protect(there, longer).cause), "no_sa");
  }
}

// Two hosts behind one NAT may have the same address and port in the files; the key of one cannot move the other.
TEST(Roaming, AHostBehindTheSameNatMovesOnlyItsOwnTunnels) {
  struct Row {
    const char* inner;
    std::uint8_t prefix;
    std::uint16_t port;
  };
  for (const Row& row :
       {Row{"10.3.0.0", 16, 4501}, Row{"10.1.0.0", 24, 4501}, Row{"10.1.0.0", 16, 31000}, Row{"10.1.7.7", 16, 31000}}) {
    SCOPED_TRACE(fmt::format("{}/{}", row.inner, row.prefix));
    Host here, there{PlaneOptions{.nat_follow = true}};
    const Wish in{.tunnel = true, .udp = true};
    RoamingTest::load(here, kIn, in, pfkey::kFlagOutbound);
    RoamingTest::load(there, kIn, in, pfkey::kFlagInbound);
    const Wish out{.src = kThere,
                   .dst = kHere,
                   .tunnel = true,
                   .inner_src = "10.2.0.0",
                   .inner_dst = row.inner,
                   .prefix = row.prefix,
                   .udp = true};
    Message m = add(kOut, out);
    m.inner_src->prefix = 16;
    m.sa->flags |= pfkey::kFlagOutbound;
    ASSERT_EQ(there.add(std::move(m)), kDone);
    const Octets packet = protect(here, datagram({.src = "10.1.0.1", .dst = "10.2.0.1"})).packet;
    ASSERT_EQ(unprotect(there, from(packet, kHere, 31000)).cause, Cause::none);
    attend(there);
    const std::string inside = std::string(row.inner, 5) + "0.1";
    const Result r = protect(there, datagram({.src = "10.2.0.1", .dst = inside.c_str()}));
    ASSERT_EQ(name(r.cause), "none");
    EXPECT_EQ(r.departure.dst_port, row.port);
  }
}

TEST_P(RoamingTest, TheSourceMayStillMatter) {
  Host strict{PlaneOptions{.same_source = true, .nat_follow = true}};
  load(strict, kIn, to_there(), pfkey::kFlagInbound);
  EXPECT_EQ(unprotect(strict, from(sent(), kElsewhere, 31000)).cause, Cause::wrong_source);
  EXPECT_TRUE(attend(strict).empty());
  EXPECT_EQ(unprotect(strict, from(sent(), kHere, 31000)).cause, Cause::none);
}

TEST_P(RoamingTest, OnlyTheNewestAuthenticPacketMovesIt) {
  EXPECT_EQ(arrives(sent()), Cause::none);
  const Octets held = sent(), newer = sent();
  EXPECT_EQ(arrives(newer), Cause::none);
  attend(there);
  EXPECT_EQ(arrives(from(newer, kHere, 31000)), Cause::replayed);
  EXPECT_EQ(arrives(from(held, kHere, 31000)), Cause::none);  // It was never accepted before.
  Octets forged = sent();
  forged.back() ^= std::byte{1};
  EXPECT_EQ(arrives(from(forged, kHere, 31000)), Cause::corrupt);
  EXPECT_TRUE(attend(there).empty());
  EXPECT_EQ(goal(), place(kHere, 4501));
}

TEST_P(RoamingTest, ACopyWithoutAReplayWindowDoesNotMoveIt) {
  Host open{PlaneOptions{.nat_follow = true}};
  load(open, kIn, to_there(0), pfkey::kFlagInbound);
  const Octets packet = sent();
  EXPECT_EQ(unprotect(open, packet).cause, Cause::none);
  attend(open);
  EXPECT_EQ(unprotect(open, from(packet, kHere, 31000)).cause, Cause::none);
  EXPECT_TRUE(attend(open).empty());
}

// Anybody can put a higher number and another port on a packet without an ICV.
TEST_P(RoamingTest, NothingWithoutIntegrityMovesIt) {
  const auto bare = [](Wish wish) {
    wish.encrypt = 12, wish.auth = 0, wish.window = 0;
    return wish;
  };
  Host sender, open{PlaneOptions{.nat_follow = true}};
  load(sender, kIn, bare(to_there()), pfkey::kFlagOutbound);
  load(open, kIn, bare(to_there()), pfkey::kFlagInbound);
  const Shape inside{.src = "10.1.0.1", .dst = "10.2.0.1"};
  for (const std::uint16_t port : {std::uint16_t{4500}, std::uint16_t{31000}}) {
    const Octets packet = protect(sender, datagram(tunnel ? inside : Shape{})).packet;
    EXPECT_EQ(unprotect(open, from(packet, kHere, port)).cause, Cause::none);
  }
  for (const auto& one : attend(open)) EXPECT_NE(one.message.type, pfkey::Type::x_nat_t_new_mapping);
}

TEST_P(RoamingTest, WithoutFollowingItIsOnlyReported) {
  Host still;
  load(still, kIn, to_there(), pfkey::kFlagInbound);
  load(still, kOut, to_here(), pfkey::kFlagOutbound);
  EXPECT_EQ(unprotect(still, from(sent(), kHere, 31000)).cause, Cause::none);
  EXPECT_EQ(attend(still).size(), 1u);
  const Shape inside{.src = "10.2.0.1", .dst = "10.1.0.1"}, plain{.src = kThere, .dst = kHere};
  EXPECT_EQ(protect(still, datagram(tunnel ? inside : plain)).departure.dst_port, 4501);
}

TEST(PeerPlace, DistinguishesPlaces) {
  PeerPlace peer;
  EXPECT_FALSE(peer.is(*parse_address("0.0.0.0"), 0));
  for (const char* const address : {"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:0:1::1", "::"})
    for (const std::uint16_t port : std::initializer_list<std::uint16_t>{1, 4500, 65535}) {
      const Place where = place(address, port);
      EXPECT_FALSE(peer.is(where.address, where.port)) << address << " " << port;
      EXPECT_TRUE(peer.see(where, 1, false)) << address << " " << port;
      EXPECT_TRUE(peer.is(where.address, where.port));
      EXPECT_FALSE(peer.see(where, 1, false));
      EXPECT_EQ(peer.take(), where);
      EXPECT_EQ(peer.take(), std::nullopt);
    }
  PeerPlace expected;
  EXPECT_FALSE(expected.see(place("192.0.2.1", 4500), 1, true));
  EXPECT_TRUE(expected.see(place("192.0.2.1", 4501), 2, true));
}

// Two threads may record one packet each and report them in reverse order.
TEST(PeerPlace, ALaterPacketCountsEvenIfItWasReportedFirst) {
  const Place old = place(kHere, 4500), now = place(kElsewhere, 31000);
  PeerPlace peer;
  EXPECT_TRUE(peer.see(old, 4, false));
  EXPECT_TRUE(peer.see(now, 6, false));
  EXPECT_FALSE(peer.see(old, 5, false));
  EXPECT_TRUE(peer.is(now.address, now.port));
  EXPECT_EQ(peer.take(), now);
  EXPECT_TRUE(peer.see(old, 7, false));
  EXPECT_EQ(peer.take(), old);
}

}  // namespace
}  // namespace ipseckey::traffic
