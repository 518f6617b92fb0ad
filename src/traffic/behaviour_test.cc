/// The choice of the SA, limits while packets flow, numbers and IVs, tunnel headers, path MTU.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <set>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::SaType;
using pfkey::State;

std::uint32_t spi_of(const Octets& packet) { return get<std::uint32_t>(packet, 20); }
std::uint32_t number_of(const Octets& packet) { return get<std::uint32_t>(packet, 24); }

std::vector<engine::testing::Sent> attend(Host& host, Instant now = at(0)) {
  std::vector<engine::testing::Sent> sent;
  host.engine.attend(now, [&](engine::Audience to, Message&& m) { sent.push_back({to, std::move(m)}); });
  return sent;
}

Message get_sa(Host& host, std::uint32_t spi, SaType satype = SaType::esp) {
  Message m = engine::testing::request(pfkey::Type::get, satype, spi);
  return std::move(engine::testing::ask(host.engine, std::move(m))[0].message);
}

Message update(std::uint32_t spi) {
  Message m = engine::testing::request(pfkey::Type::update, SaType::esp, spi);
  return m;
}

TEST(Choice, NewestMatureThenDyingAndTunnelBeforeTransport) {
  Host host;
  EXPECT_EQ(name(protect(host, datagram()).cause), "no_sa");
  Message old = add(0x100);
  old.soft = pfkey::Lifetime{.allocations = 0, .bytes = 1, .addtime = 0, .usetime = 0};
  ASSERT_EQ(host.add(std::move(old)), kDone);
  EXPECT_EQ(spi_of(protect(host, datagram()).packet), 0x100u);
  attend(host);  // It is dying now, but still the only one.
  EXPECT_EQ(get_sa(host, 0x100).sa->state, State::dying);
  EXPECT_EQ(spi_of(protect(host, datagram()).packet), 0x100u);
  ASSERT_EQ(host.add(add(0x101)), kDone);
  EXPECT_EQ(spi_of(protect(host, datagram()).packet), 0x101u);
  ASSERT_EQ(host.add(add(0x102)), kDone);
  EXPECT_EQ(spi_of(protect(host, datagram()).packet), 0x102u);
  Wish tunnel{.tunnel = true, .inner_src = "192.0.2.0", .inner_dst = "192.0.2.0", .prefix = 24};
  ASSERT_EQ(host.add(add(0x103, tunnel)), kDone);
  ASSERT_EQ(host.add(add(0x104)), kDone);
  EXPECT_EQ(spi_of(protect(host, datagram()).packet), 0x103u);
  Message inbound = add(0x105, tunnel);
  inbound.sa->flags |= pfkey::kFlagInbound;
  ASSERT_EQ(host.add(std::move(inbound)), kDone);
  EXPECT_EQ(spi_of(protect(host, datagram()).packet), 0x103u);
  // They are deleted one by one, and the remaining ones take over.
  for (const auto& [gone, next] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
           {0x103, 0x104}, {0x104, 0x102}, {0x101, 0x102}, {0x102, 0x100}}) {
    engine::testing::ask(host.engine, engine::testing::request(pfkey::Type::del, SaType::esp, gone));
    EXPECT_EQ(spi_of(protect(host, datagram()).packet), next);
  }
  engine::testing::ask(host.engine, engine::testing::request(pfkey::Type::flush, SaType::unspec));
  EXPECT_EQ(name(protect(host, datagram()).cause), "no_sa");
}

TEST(Choice, AgreesWithASearchOfAllSasForRandomSelectors) {
  Host host;
  std::vector<Message> all;
  std::uint32_t seed = 1;
  const auto random = [&](std::uint32_t below) { return (seed = seed * 1664525 + 1013904223) / 65536 % below; };
  for (std::uint32_t spi = 0x100; spi < 0x200; ++spi) {
    Message m = add(spi, {.tunnel = true});
    const auto net = [&](std::uint8_t prefix) {
      return endpoint(fmt::format("10.{}.{}.{}", random(2), random(4) * 64, random(4)), prefix);
    };
    constexpr std::array<std::uint8_t, 5> kPrefixes = {0, 8, 16, 24, 32};
    m.inner_src = net(kPrefixes[random(5)]), m.inner_dst = net(kPrefixes[random(5)]);
    if (random(3) == 0) m.inner_src->proto = m.inner_dst->proto = random(2) ? kUdp : kTcp;
    if (random(4) == 0) m.inner_dst->port = static_cast<std::uint16_t>(50 + random(2));
    ASSERT_EQ(host.add(m.clone()), kDone);
    all.push_back(std::move(m));
  }
  const auto covers = [](const pfkey::Endpoint& e, const Address& a) {
    return masked(e.address, e.prefix) == masked(a, e.prefix);
  };
  for (int i = 0; i < 3000; ++i) {
    const std::string src = fmt::format("10.{}.{}.{}", random(2), random(4) * 64, random(4));
    const std::string dst = fmt::format("10.{}.{}.{}", random(2), random(4) * 64, random(4));
    const auto port = static_cast<std::uint16_t>(50 + random(3));
    const std::uint8_t protocol = random(2) ? kUdp : kTcp;
    std::uint32_t expected = 0;
    for (const Message& m : all)
      if (covers(*m.inner_src, *parse_address(src)) && covers(*m.inner_dst, *parse_address(dst)) &&
          (m.inner_dst->proto == 0 || m.inner_dst->proto == protocol) &&
          (m.inner_dst->port == 0 || m.inner_dst->port == port))
        expected = m.sa->spi;
    const Result out =
        protect(host, datagram({.src = src.c_str(), .dst = dst.c_str(), .dst_port = port, .protocol = protocol}));
    ASSERT_EQ(out.cause == Cause::none ? spi_of(out.packet) : 0, expected) << src << " " << dst << " " << port;
  }
}

TEST(Choice, APacketWithoutAnSaRequestsOneOnce) {
  Host host;
  EXPECT_EQ(name(protect(host, datagram()).cause), "no_sa");
  EXPECT_TRUE(host.worker.attention());
  EXPECT_FALSE(host.worker.attention());
  const engine::Wanted wanted{.satype = SaType::esp,
                              .src = endpoint("192.0.2.1"),
                              .dst = endpoint("192.0.2.2"),
                              .inner_src = {},
                              .inner_dst = {}};
  EXPECT_EQ(host.plane.wanted(), wanted);
  EXPECT_EQ(host.plane.wanted(), std::nullopt);
}

// covers RFC2367-3.1.8-1 RFC4301-4.4.2.1-7
TEST(Limits, ASoftLimitOfBytesIsReportedAndTheHardOneEndsTheSa) {
  Host host;
  Message m = add(0x100);
  m.soft = pfkey::Lifetime{.allocations = 0, .bytes = 150, .addtime = 0, .usetime = 0};
  m.hard = pfkey::Lifetime{.allocations = 0, .bytes = 280, .addtime = 0, .usetime = 0};
  ASSERT_EQ(host.add(std::move(m)), kDone);
  EXPECT_EQ(name(protect(host, datagram(), at(1)).cause), "none");  // 68 bytes.
  EXPECT_TRUE(host.worker.attention());                             // The first use.
  EXPECT_TRUE(attend(host, at(1)).empty());
  EXPECT_EQ(name(protect(host, datagram(), at(2)).cause), "none");
  EXPECT_FALSE(host.worker.attention());
  EXPECT_EQ(name(protect(host, datagram(), at(3)).cause), "none");  // 204.
  EXPECT_TRUE(host.worker.attention());
  auto sent = attend(host, at(3));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].message.type, pfkey::Type::expire);
  EXPECT_EQ(sent[0].message.sa->state, State::dying);
  EXPECT_EQ(sent[0].message.current, (pfkey::Lifetime{1, 204, engine::testing::kEpoch, engine::testing::kEpoch + 1}));
  EXPECT_EQ(name(protect(host, datagram(), at(4)).cause), "none");       // 272.
  EXPECT_EQ(name(protect(host, datagram(), at(5)).cause), "exhausted");  // 340 is not carried.
  EXPECT_EQ(name(protect(host, datagram(), at(5)).cause), "no_sa");  // At once, before the engine's thread has checked.
  sent = attend(host, at(5));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].message.sa->state, State::dead);
  EXPECT_EQ(sent[0].message.hard->bytes, 280u);
  EXPECT_EQ(sent[0].message.current->bytes, 272u);
  EXPECT_EQ(host.engine.size(), 0u);
  EXPECT_EQ(host.plane.carried({SaType::esp, 0x100, *parse_address("192.0.2.2")}), std::nullopt);
}

TEST(Limits, ReceivedBytesCountToo) {
  Host here, there;
  ASSERT_EQ(here.add(add(0x100)), kDone);
  Message m = add(0x100);
  m.hard = pfkey::Lifetime{.allocations = 0, .bytes = 100, .addtime = 0, .usetime = 0};
  ASSERT_EQ(there.add(std::move(m)), kDone);
  EXPECT_EQ(name(unprotect(there, protect(here, datagram()).packet).cause), "none");
  EXPECT_EQ(name(unprotect(there, protect(here, datagram()).packet).cause), "exhausted");
  EXPECT_EQ(name(unprotect(there, protect(here, datagram()).packet).cause), "not_usable");
  EXPECT_EQ(attend(there).size(), 1u);
}

TEST(Limits, AllocationsAreFlows) {
  Host host;
  Message m = add(0x100);
  m.hard = pfkey::Lifetime{.allocations = 2, .bytes = 0, .addtime = 0, .usetime = 0};
  ASSERT_EQ(host.add(std::move(m)), kDone);
  for (int again = 0; again < 3; ++again)
    for (const std::uint16_t port : {std::uint16_t{7}, std::uint16_t{8}})
      EXPECT_EQ(name(protect(host, datagram({.dst_port = port})).cause), "none");
  EXPECT_EQ(get_sa(host, 0x100).current->allocations, 2u);
  EXPECT_EQ(name(protect(host, datagram({.dst_port = 9})).cause), "exhausted");
}

TEST(Limits, UsetimeRunsFromTheFirstPacketAndIdleTimeFromTheLast) {
  Host host;
  Message m = add(0x100);
  m.hard = pfkey::Lifetime{.allocations = 0, .bytes = 0, .addtime = 0, .usetime = 100};
  m.idle = pfkey::Lifetime{.allocations = 0, .bytes = 0, .addtime = 30, .usetime = 0};
  ASSERT_EQ(host.add(std::move(m)), kDone);
  EXPECT_EQ(name(protect(host, datagram(), at(10)).cause), "none");
  attend(host, at(10));
  EXPECT_EQ(name(protect(host, datagram(), at(35)).cause), "none");
  EXPECT_TRUE(engine::testing::expire(host.engine, at(45)).empty());  // Idle since 35.
  auto sent = engine::testing::expire(host.engine, at(65));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].message.idle);
  EXPECT_TRUE(engine::testing::expire(host.engine, at(109)).empty());
  sent = engine::testing::expire(host.engine, at(110));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].message.sa->state, State::dead);
}

// covers RFC4302-3.3.2-1 RFC4303-3.3.3-2
TEST(Numbers, TheLastOneEndsTheSaWithAnExpire) {
  for (const bool ah : {false, true}) {
    SCOPED_TRACE(ah);
    Host host;
    Message m = add(0x100, ah ? Wish{.encrypt = 0, .auth = 5} : Wish{});
    m.replay_value = pfkey::ReplayValue{.low = UINT32_MAX - 2, .wide = 0};
    ASSERT_EQ(host.add(std::move(m)), kDone);
    const std::size_t number = ah ? 28 : 24;  // Its place.
    EXPECT_EQ(get<std::uint32_t>(protect(host, datagram()).packet, number), UINT32_MAX - 1);
    EXPECT_EQ(get<std::uint32_t>(protect(host, datagram()).packet, number), UINT32_MAX);
    EXPECT_EQ(name(protect(host, datagram()).cause), "exhausted");
    EXPECT_TRUE(host.worker.attention());
    const auto sent = attend(host);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].message.type, pfkey::Type::expire);
    EXPECT_EQ(sent[0].message.sa->state, State::dead);
    EXPECT_TRUE(sent[0].message.hard);
    EXPECT_EQ(host.engine.size(), 0u);
  }
}

TEST(Numbers, ExtendedOnesContinueBeyond32BitsOnBothSides) {
  Host here, there;
  for (Host* const host : {&here, &there}) {
    Message m = add(0x100, {.esn = true});
    m.replay_value = pfkey::ReplayValue{.low = UINT32_MAX - 3, .wide = 0};
    ASSERT_EQ(host->add(std::move(m)), kDone);
  }
  for (std::uint64_t n = UINT32_MAX - 2; n < UINT32_MAX + 20ull; ++n) {
    const Octets packet = protect(here, datagram()).packet;
    EXPECT_EQ(number_of(packet), static_cast<std::uint32_t>(n));
    ASSERT_EQ(name(unprotect(there, packet).cause), "none") << n;
    ASSERT_EQ(name(unprotect(there, packet).cause), "replayed") << n;
  }
  EXPECT_EQ(there.plane.carried({SaType::esp, 0x100, *parse_address("192.0.2.2")})->sequence, UINT32_MAX + 19ull);
}

TEST(Numbers, WideOnesFitIntoMessagesBothWays) {
  Host host;
  Message m = add(0x100, {.esn = true});
  m.replay_value = pfkey::ReplayValue{.low = 0, .wide = 0x500000007};
  ASSERT_EQ(host.add(std::move(m)), kDone);
  EXPECT_EQ(number_of(protect(host, datagram()).packet), 8u);
  EXPECT_EQ(get_sa(host, 0x100).replay_value, (pfkey::ReplayValue{.low = 0, .wide = 0x500000008}));
}

TEST(Counters, GetAndDumpShowWhatPacketsDid) {
  Host here, there;
  ASSERT_EQ(here.add(add(0x100)), kDone);
  ASSERT_EQ(there.add(add(0x100)), kDone);
  EXPECT_FALSE(get_sa(there, 0x100).traffic);
  const Octets packet = protect(here, datagram()).packet;
  Octets spoilt = packet;
  spoilt.back() ^= std::byte{1};
  for (const Octets* const p : std::array<const Octets*, 3>{&spoilt, &packet, &packet}) unprotect(there, *p, at(7));
  const Message got = get_sa(there, 0x100);
  EXPECT_EQ(got.traffic, (pfkey::Traffic{.packets = 1,
                                         .last_use = engine::testing::kEpoch + 7,
                                         .replayed = 1,
                                         .late = 0,
                                         .corrupt = 1,
                                         .mismatched = 0,
                                         .malformed = 0}));
  EXPECT_EQ(got.current, (pfkey::Lifetime{1, 68, engine::testing::kEpoch, engine::testing::kEpoch + 7}));
  EXPECT_EQ(got.replay_value, (pfkey::ReplayValue{.low = 1, .wide = 0}));
  EXPECT_TRUE(got.sa->flags & pfkey::kFlagUsed);
  EXPECT_EQ(engine::testing::dump(there.engine)[0].traffic, got.traffic);
}

TEST(Numbers, AnUpdateAdvancesThemAndGetShowsThem) {
  Host host;
  ASSERT_EQ(host.add(add(0x100)), kDone);
  protect(host, datagram());
  EXPECT_EQ(get_sa(host, 0x100).replay_value, (pfkey::ReplayValue{.low = 1, .wide = 0}));
  Message m = update(0x100);
  m.replay_value = pfkey::ReplayValue{.low = 1000, .wide = 0};
  ASSERT_EQ(host.add(std::move(m)), kDone);
  EXPECT_EQ(number_of(protect(host, datagram()).packet), 1001u);
  m = update(0x100);
  m.replay_value = pfkey::ReplayValue{.low = 1000, .wide = 0};
  EXPECT_EQ(host.add(std::move(m)), (engine::testing::Outcome{EINVAL, pfkey::Diagnostic::invalid_replay}));
}

// Reported at once, and applied from the next inbound packet on.
TEST(Numbers, AnUpdateAdvancesTheWindowAndChangesItsSize) {
  Host here, there;
  for (Host* const host : {&here, &there}) ASSERT_EQ(host->add(add(0x100)), kDone);
  std::vector<Octets> sent;
  for (int i = 0; i < 200; ++i) sent.push_back(protect(here, datagram()).packet);
  EXPECT_EQ(name(unprotect(there, sent[2]).cause), "none");
  Message m = update(0x100);
  m.replay_value = pfkey::ReplayValue{.low = 100, .wide = 0};
  ASSERT_EQ(there.add(std::move(m)), kDone);
  EXPECT_EQ(get_sa(there, 0x100).replay_value, (pfkey::ReplayValue{.low = 100, .wide = 0}));
  EXPECT_EQ(name(unprotect(there, sent[3]).cause), "late");
  EXPECT_EQ(name(unprotect(there, sent[98]).cause), "replayed");
  EXPECT_EQ(name(unprotect(there, sent[100]).cause), "none");  // 101.
  m = update(0x100);
  m.replay_window = pfkey::ReplayWindow{.window = 4096, .esn = false};
  ASSERT_EQ(there.add(std::move(m)), kDone);
  EXPECT_EQ(name(unprotect(there, sent[199]).cause), "none");  // 200.
  EXPECT_EQ(name(unprotect(there, sent[101]).cause), "none");  // 102 is below the window of 64.
  EXPECT_EQ(name(unprotect(there, sent[50]).cause), "replayed");
  EXPECT_EQ(get_sa(there, 0x100).replay_value, (pfkey::ReplayValue{.low = 200, .wide = 0}));
  m = update(0x100);
  m.sa->replay = 32;
  ASSERT_EQ(there.add(std::move(m)), kDone);
  EXPECT_EQ(get_sa(there, 0x100).sa->replay, 32);
  EXPECT_EQ(get_sa(there, 0x100).replay_window, std::nullopt);
  EXPECT_EQ(name(unprotect(there, sent[110]).cause), "late");
}

// They are part of what the ICV covers: both ends would need to change at the same packet, so it is refused.
TEST(Numbers, AnUpdateDoesNotMakeThemWider) {
  Host here, there;
  for (Host* const host : {&here, &there}) {
    ASSERT_EQ(host->add(add(0x100, {.esn = true})), kDone);
    ASSERT_EQ(host->add(add(0x101, {.tunnel = true})), kDone);
  }
  Message m = update(0x101);
  m.replay_window = pfkey::ReplayWindow{.window = 64, .esn = true};
  EXPECT_EQ(there.add(std::move(m)), (engine::testing::Outcome{EINVAL, pfkey::Diagnostic::invalid_replay}));
  m = update(0x100);
  m.replay_window = pfkey::ReplayWindow{.window = 512, .esn = false};
  ASSERT_EQ(there.add(std::move(m)), kDone);
  EXPECT_EQ(get_sa(there, 0x100).replay_window, (pfkey::ReplayWindow{.window = 512, .esn = true}));
  EXPECT_EQ(name(unprotect(there, protect(here, datagram()).packet).cause), "none");
}

// IVs of counter modes: one after another from a random start, whatever happens to the sequence numbers.
// covers RFC8221-3-2
TEST(Ivs, OfCounterModesNeverRepeatUnderOneKey) {
  std::set<std::uint64_t> seen;
  for (int life = 0; life < 20; ++life) {
    Host host;
    ASSERT_EQ(host.add(add(0x100)), kDone);
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t iv = get<std::uint64_t>(protect(host, datagram()).packet, 28);
      EXPECT_TRUE(seen.insert(iv).second);
      if (i == 10) {
        Message m = update(0x100);
        m.replay_value = pfkey::ReplayValue{.low = 5000, .wide = 0};
        ASSERT_EQ(host.add(std::move(m)), kDone);
      }
    }
  }
  EXPECT_EQ(seen.size(), 400u);
}

// The memory of the numbers outlives the plane, as when the process is killed.
TEST(Numbers, ContinueInTheNextPlaneWithoutRepetition) {
  const auto sent = std::make_shared<SaNumbers>(), received = std::make_shared<SaNumbers>();
  const auto of = [](const std::shared_ptr<SaNumbers>& live) {
    PlaneOptions options;
    options.numbers = [live](const engine::SaId&) { return live; };
    return options;
  };
  std::set<std::uint32_t> numbers;
  std::set<std::uint64_t> ivs;
  Octets last;
  for (int life = 0; life < 3; ++life) {
    Host a(of(sent)), b(of(received));
    ASSERT_EQ(a.add(add(0x100)), kDone);
    ASSERT_EQ(b.add(add(0x100)), kDone);
    if (life > 0) {
      EXPECT_EQ(name(unprotect(b, last).cause), "replayed");
    }
    for (int i = 0; i < 5; ++i) {
      last = protect(a, datagram()).packet;
      numbers.insert(number_of(last));
      ivs.insert(get<std::uint64_t>(last, 28));
      EXPECT_EQ(unprotect(b, last).cause, Cause::none);
    }
  }
  EXPECT_EQ(numbers.size(), 15u);
  EXPECT_EQ(*numbers.rbegin(), 15u);
  EXPECT_EQ(ivs.size(), 15u);
  EXPECT_EQ(sent->packets, 15u);
}

// Numbers that an UPDATE sets are in that memory before the request is answered: a successor continues from there.
TEST(Numbers, AnUpdateAdvancesThemInTheKeptMemory) {
  const auto sent = std::make_shared<SaNumbers>(), received = std::make_shared<SaNumbers>();
  const auto of = [](const std::shared_ptr<SaNumbers>& live) {
    PlaneOptions options;
    options.numbers = [live](const engine::SaId&) { return live; };
    return options;
  };
  Octets old;
  {
    Host a(of(sent)), b(of(received));
    for (Host* const host : {&a, &b}) ASSERT_EQ(host->add(add(0x100)), kDone);
    old = protect(a, datagram()).packet;
    for (Host* const host : {&a, &b}) {
      Message m = update(0x100);
      m.replay_value = pfkey::ReplayValue{.low = 1000, .wide = 0};
      ASSERT_EQ(host->add(std::move(m)), kDone);
    }
    EXPECT_EQ(sent->number, 1000u);
    EXPECT_EQ(received->highest, 1000u);
  }
  Host a(of(sent)), b(of(received));
  for (Host* const host : {&a, &b}) ASSERT_EQ(host->add(add(0x100)), kDone);
  EXPECT_EQ(name(unprotect(b, old).cause), "late");
  const Octets next = protect(a, datagram()).packet;
  EXPECT_EQ(number_of(next), 1001u);
  EXPECT_EQ(name(unprotect(b, next).cause), "none");
}

// covers RFC6040-4.2-1 RFC6040-4.2-2
TEST(Tunnel, DscpAndEcnFollowRfc6040) {
  // ECN inside, ECN outside on arrival, ECN inside afterwards (RFC 6040 figure 4); 4: dropped.
  constexpr unsigned kExpected[4][4] = {{0, 0, 0, 4}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
  for (unsigned inner = 0; inner < 4; ++inner)
    for (unsigned outer = 0; outer < 4; ++outer) {
      Host here, there;
      const Wish wish{.tunnel = true};
      ASSERT_EQ(here.add(add(0x100, wish)), kDone);
      ASSERT_EQ(there.add(add(0x100, wish)), kDone);
      const auto inner_class = static_cast<std::uint8_t>(0xb8 | inner);
      Octets packet =
          protect(here, datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .traffic_class = inner_class})).packet;
      EXPECT_EQ(std::to_integer<unsigned>(packet[1]), 0xb8u | inner);
      set_traffic_class(packet, static_cast<std::uint8_t>(0x20 | outer));  // The network changes DSCP and ECN.
      const Result in = unprotect(there, packet);
      const unsigned expected = kExpected[inner][outer];
      EXPECT_EQ(name(in.cause), expected == 4 ? "congested" : "none") << inner << outer;
      if (expected != 4) {
        EXPECT_EQ(std::to_integer<unsigned>(in.packet[1]), 0xb8u | expected) << inner << outer;
        EXPECT_TRUE(parse(in.packet));
      }
    }
}

// covers RFC4301-5.1.2-1
TEST(Tunnel, OptionsStayInside) {
  Host here, there;
  for (Host* const host : {&here, &there}) ASSERT_EQ(host->add(add(0x100, {.tunnel = true})), kDone);
  Octets plain = datagram({.src = "10.1.0.1", .dst = "10.2.0.1"});
  const Octets router_alert = {std::byte{148}, std::byte{4}, std::byte{0}, std::byte{0}};
  plain.insert(plain.begin() + 20, router_alert.begin(), router_alert.end());
  plain[0] = std::byte{0x46};
  mend_length(plain);
  const Result out = protect(here, plain);
  ASSERT_EQ(name(out.cause), "none");
  EXPECT_EQ(out.packet[0], std::byte{0x45});
  EXPECT_EQ(get<std::uint32_t>(out.packet, 20), 0x100u);  // The SPI follows an outer header without options.
  EXPECT_EQ(hex(unprotect(there, out.packet).packet), hex(plain));
}

TEST(Tunnel, TheOuterHeaderIsNewAndTheInnerOneUntouched) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, {.tunnel = true})), kDone);
  Octets plain = datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .dont_fragment = true});
  plain[8] = std::byte{3};
  mend_checksum(plain);
  const Result out = protect(host, plain);
  const auto h = parse(out.packet);
  ASSERT_TRUE(h);
  EXPECT_EQ(h->src, *parse_address("192.0.2.1"));
  EXPECT_EQ(h->dst, *parse_address("192.0.2.2"));
  EXPECT_EQ(h->hop_limit, 64);
  EXPECT_TRUE(h->dont_fragment);
  EXPECT_EQ(h->upper, kEsp);
  EXPECT_EQ(out.departure.header, 20u);
  EXPECT_EQ(out.departure.protocol, kEsp);
  EXPECT_TRUE(out.departure.dont_fragment);
}

// covers RFC3948-3.1.2-1
TEST(Udp, PortsAndChecksumsOfTransportModeBehindANat) {
  Host here, there;
  for (Host* const host : {&here, &there}) ASSERT_EQ(host->add(add(0x100, {.src = "0.0.0.0", .udp = true})), kDone);
  Octets plain = datagram();
  set(plain, 26, std::uint16_t{1});  // It has a checksum.
  mend_transport_checksum(plain, *parse(plain));
  const Result out = protect(here, plain);
  EXPECT_EQ(out.departure.src_port, 4500);
  EXPECT_EQ(out.departure.dst_port, 4501);
  EXPECT_EQ(out.departure.header, 28u);
  Octets packet = out.packet;
  std::ranges::copy(parse_address("203.0.113.77")->bytes(), packet.begin() + 12);  // The NAT.
  set<std::uint16_t>(packet, 20, 61000);
  mend_checksum(packet);
  const Result in = unprotect(there, packet);
  ASSERT_EQ(name(in.cause), "none");
  EXPECT_EQ(parse(in.packet)->src, *parse_address("203.0.113.77"));
  // The sender's checksum was for its own address; this one is for the address that the NAT gave it.
  Octets pseudo(in.packet.begin() + 12, in.packet.begin() + 20);
  for (const std::size_t octet : {std::size_t{0}, std::size_t{kUdp}, std::size_t{0}, in.packet.size() - 20})
    pseudo.push_back(static_cast<std::byte>(octet));
  pseudo.insert(pseudo.end(), in.packet.begin() + 20, in.packet.end());
  EXPECT_NE(get<std::uint16_t>(in.packet, 26), 0u);
  EXPECT_EQ(checksum(pseudo), 0u);
}

// Without one, IPv6 drops it (RFC 8200 section 8.1); under IPv4 there is none (RFC 3948 section 2.1).
// covers RFC3948-2.1-2
TEST(Udp, HasAChecksumUnderIpv6) {
  for (const bool tunnel : {false, true})
    for (std::size_t size = 1; size < 40; ++size) {
      const Wish wish{.src = "2001:db8::1", .dst = "2001:db8::2", .tunnel = tunnel, .udp = true};
      const Shape shape = tunnel ? Shape{.src = "10.1.0.1", .dst = "10.2.0.1", .size = size}
                                 : Shape{.src = wish.src, .dst = wish.dst, .size = size};
      Host here, there;
      for (Host* const host : {&here, &there}) ASSERT_EQ(host->add(add(0x100, wish)), kDone);
      const Octets plain = datagram(shape);
      const Octets packet = protect(here, plain).packet;
      EXPECT_NE(get<std::uint16_t>(packet, 46), 0u);
      Octets pseudo(packet.begin() + 8, packet.begin() + 40);
      for (const std::size_t octet :
           {std::size_t{0}, std::size_t{kUdp}, (packet.size() - 40) / 256, packet.size() - 40})
        pseudo.push_back(static_cast<std::byte>(octet));
      pseudo.insert(pseudo.end(), packet.begin() + 40, packet.end());
      EXPECT_EQ(checksum(pseudo), 0u);
      const Result in = unprotect(there, packet);
      ASSERT_EQ(name(in.cause), "none");
      // In transport mode the protected packet had no checksum.
      EXPECT_EQ(hex(in.packet), hex(plain));
    }
  Host four;
  ASSERT_EQ(four.add(add(0x100, {.udp = true})), kDone);
  EXPECT_EQ(get<std::uint16_t>(protect(four, datagram()).packet, 26), 0u);
}

// covers RFC4302-3.3.4-2 RFC4303-3.3.4-2 RFC4301-8.2.1-1
TEST(PathMtu, ATooLongPacketIsAnsweredWithASizeThatFits) {
  for (const unsigned encrypt : {0u, 12u, 13u, 20u, 31u})
    for (const bool tunnel : {false, true})
      for (std::uint32_t mtu = 300; mtu < 340; ++mtu) {
        Host host({.workers = 1, .mtu = mtu, .random = nullptr});
        const Wish wish{.encrypt = static_cast<std::uint8_t>(encrypt),
                        .auth = std::uint8_t{encrypt < 14 ? std::uint8_t{5} : std::uint8_t{0}},
                        .tunnel = tunnel,
                        .inner_src = "0.0.0.0",
                        .inner_dst = "0.0.0.0",
                        .prefix = 0};
        ASSERT_EQ(host.add(add(0x100, wish)), kDone);
        const Octets big = datagram({.size = 400, .dont_fragment = true});
        Held held(big);
        host.worker.protect({&held.item, 1}, at(0));
        ASSERT_EQ(name(held.item.cause), "too_big");
        EXPECT_EQ(held.bytes(), big);
        const std::uint32_t fits = held.item.mtu;
        const Result out = protect(host, datagram({.size = fits - 28, .dont_fragment = true}));
        ASSERT_EQ(name(out.cause), "none");
        EXPECT_LE(out.packet.size(), mtu);
        EXPECT_EQ(name(protect(host, datagram({.size = fits - 27, .dont_fragment = true})).cause), "too_big");
        // Without DF it leaves, to be fragmented.
        EXPECT_EQ(name(protect(host, datagram({.size = 400})).cause), "none");
      }
}

TEST(PathMtu, AnIcmpErrorAboutOurPacketAppliesToItsSa) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, {.tunnel = true})), kDone);
  const Octets big = datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = 1000, .dont_fragment = true});
  Held sent(protect(host, big).packet);
  ASSERT_TRUE(make_too_big(sent.item.packet, 800, *parse_address("198.51.100.1")));
  const auto report = read_path_report(sent.item.packet.bytes());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->id, (engine::SaId{SaType::esp, 0x100, *parse_address("192.0.2.2")}));
  EXPECT_EQ(report->mtu, 800u);
  host.plane.path_mtu(report->id, report->mtu, at(0));
  Held held(big);
  host.worker.protect({&held.item, 1}, at(0));
  ASSERT_EQ(name(held.item.cause), "too_big");
  EXPECT_EQ(held.item.mtu, 746u);  // 800 - 20 - 8 - 8 - 16 is 748; less two octets of trailer, in fours: 746.
}

// RFC 8201 section 4: the path MTU may have become larger, which nobody reports; a report never raises it.
// covers RFC4301-8.2.2-1
TEST(PathMtu, AReportExpiresAfterTenMinutes) {
  Host host;
  ASSERT_EQ(host.add(add(0x100, {.tunnel = true})), kDone);
  const engine::SaId id{SaType::esp, 0x100, *parse_address("192.0.2.2")};
  const Octets big = datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = 1000, .dont_fragment = true});
  struct Step {
    std::int64_t when;
    std::uint32_t told;  // 0: nothing.
    std::uint32_t fits;  // 0: the packet leaves.
  };
  for (const Step& step : {Step{0, 0, 0},
                           {100, 800, 746},
                           {200, 1000, 746},
                           {699, 0, 746},
                           {700, 0, 0},
                           {800, 1000, 946},
                           {1399, 800, 746},
                           {1998, 0, 746},
                           {1999, 0, 0}}) {
    if (step.told != 0) host.plane.path_mtu(id, step.told, at(step.when));
    const auto result = protect(host, big, at(step.when));
    EXPECT_EQ(name(result.cause), step.fits == 0 ? "none" : "too_big") << step.when;
    EXPECT_EQ(result.mtu, step.fits) << step.when;
  }
}

TEST(Fragments, ProtectedPacketsAreFragmentedAndReassembled) {
  for (const bool six : {false, true}) {
    const Octets whole =
        six ? datagram({.src = "2001:db8::1", .dst = "2001:db8::2", .size = 3000}) : datagram({.size = 3000});
    const std::size_t header = six ? 40 : 20;
    Octets room(1400), together;
    std::vector<Octets> parts;
    ASSERT_TRUE(fragment(whole, 1400, 77, room, [&](Bytes part) { parts.emplace_back(part.begin(), part.end()); }));
    ASSERT_EQ(parts.size(), 3u);
    for (const Octets& part : parts) {
      const auto h = parse(part);
      ASSERT_TRUE(h);
      EXPECT_TRUE(h->fragment);
      EXPECT_LE(part.size(), 1400u);
      const Bytes body = Bytes(part).subspan(header + (six ? 8 : 0));
      const std::size_t offset =
          six ? get<std::uint16_t>(part, 42) & 0xfff8u : (get<std::uint16_t>(part, 6) & 0x1fffu) * 8u;
      EXPECT_EQ(offset, together.size());
      together.insert(together.end(), body.begin(), body.end());
    }
    EXPECT_EQ(hex(together), hex(Bytes(whole).subspan(header)));
  }
  Octets room(1400);
  EXPECT_FALSE(fragment(datagram({.size = 3000, .dont_fragment = true}), 1400, 1, room, [](Bytes) {}));
}

// RFC 8200 section 4.5: all headers are in the first fragment, or the packet cannot be sent.
TEST(Fragments, HeadersStayTogether) {
  const auto with_options = [](std::size_t units) {
    Octets packet(3000);
    write_header(packet, {.src = *parse_address("2001:db8::1"), .dst = *parse_address("2001:db8::2"), .protocol = 60},
                 packet.size());
    packet[40] = std::byte{kUdp}, packet[41] = static_cast<std::byte>(units - 1);
    return packet;
  };
  Octets room(1280);
  // 1280 less 40 and 8, in eights: 1232, of which 8 are UDP's.
  std::size_t parts = 0;
  EXPECT_TRUE(fragment(with_options(1224 / 8), 1280, 1, room, [&](Bytes part) { parts += parse(part).has_value(); }));
  EXPECT_EQ(parts, 3u);
  EXPECT_FALSE(fragment(with_options(1224 / 8 + 1), 1280, 1, room, [&](Bytes) { ++parts; }));
  EXPECT_EQ(parts, 3u);

  // The maximum number of headers: that of the fragments is added once.
  Octets full = with_options(1);
  full[6] = std::byte{0};
  for (std::size_t i = 0; i < kMostExtensions - 1; ++i) full[40 + i * 8] = full[41 + i * 8] = std::byte{0};
  full[40 + (kMostExtensions - 1) * 8] = std::byte{kUdp};
  EXPECT_TRUE(fragment(full, 1280, 1, room, [&](Bytes part) { parts += parse(part).has_value(); }));
  EXPECT_EQ(parts, 6u);

  // It already has the header of a fragment that is the whole datagram (RFC 6946).
  full[40 + (kMostExtensions - 1) * 8] = std::byte{44};
  full[40 + kMostExtensions * 8] = std::byte{kUdp};
  EXPECT_TRUE(parse(full));
  EXPECT_FALSE(fragment(full, 1280, 1, room, [&](Bytes) { ++parts; }));
  EXPECT_EQ(parts, 6u);
}

// covers RFC4301-4.1-9 RFC4301-7.1-1 RFC4301-7.3-2
TEST(Fragments, OnlyATunnelWithoutPortsCarriesThemUnchanged) {
  Octets part = datagram({.src = "10.1.0.1", .dst = "10.2.0.1"});
  set<std::uint16_t>(part, 6, 0x0001);
  mend_checksum(part);
  Host transport, tunnel, ports;
  ASSERT_EQ(transport.add(add(0x100, {.src = "10.1.0.1", .dst = "10.2.0.1"})), kDone);
  ASSERT_EQ(tunnel.add(add(0x100, {.tunnel = true})), kDone);
  Message m = add(0x100, {.tunnel = true});
  m.inner_dst->port = 2000;
  ASSERT_EQ(ports.add(std::move(m)), kDone);
  EXPECT_EQ(name(protect(transport, part).cause), "held");
  EXPECT_EQ(name(protect(tunnel, part).cause), "none");
  EXPECT_EQ(name(protect(ports, part).cause), "held");
}

TEST(Buffers, WithoutRoomAPacketIsDroppedAndNothingIsCounted) {
  Host host;
  ASSERT_EQ(host.add(add(0x100)), kDone);
  for (const auto& [head, tail] : {std::pair<std::size_t, std::size_t>{15, 64}, {64, 17}}) {
    Held held(datagram(), head, tail);
    host.worker.protect({&held.item, 1}, at(0));
    EXPECT_EQ(name(held.item.cause), "no_room") << head << " " << tail;
  }
  EXPECT_EQ(get_sa(host, 0x100).current->bytes, 0u);
  Held enough(datagram(), 16, 20);
  host.worker.protect({&enough.item, 1}, at(0));
  EXPECT_EQ(name(enough.item.cause), "none");
}

// A packet with the extension headers inserted. Their first octets do not name a header yet.
Octets extended(const Octets& packet, std::span<const Extension> extensions) {
  Octets out(packet.begin(), packet.begin() + 40);
  std::size_t next_at = 6;
  for (const Extension& e : extensions) {
    const std::size_t at = out.size();
    out.insert(out.end(), e.octets.begin(), e.octets.end());
    out[at] = out[next_at];
    out[next_at] = static_cast<std::byte>(e.protocol);
    next_at = at;
  }
  out.insert(out.end(), packet.begin() + 40, packet.end());
  mend_length(out);
  return out;
}

// Options that may and may not change on the way, an exhausted routing header, and a long header.
struct Options {
  static constexpr std::uint8_t kHops = 0, kRoute = 43, kDestination = 60;
  Octets hops = filled(16, {{2, 0x1e}, {3, 4}, {8, 0x3e}, {9, 6}}), each = filled(8, {{2, 1}, {3, 4}}),
         route = filled(8, {{2, 253}}), last = filled(264, {{1, 32}, {2, 0x1e}, {3, 255}, {259, 1}, {260, 3}});
  std::array<Extension, 4> all = {{{kHops, hops}, {kDestination, each}, {kRoute, route}, {kDestination, last}}};

  static Octets filled(std::size_t size, std::initializer_list<std::pair<std::size_t, unsigned>> octets) {
    Octets out(size, std::byte{0});
    out[0] = std::byte{44};  // As of a Fragment header, which is gone.
    out[1] = static_cast<std::byte>(size / 8 - 1);
    for (const auto& [at, value] : octets) out[at] = static_cast<std::byte>(value);
    return out;
  }
};

// Destination options without a routing header are not for the way: they are behind AH, and inside ESP.
TEST(Arrivals, HeadersThatASocketHidAreRestored) {
  const Options options;
  for (Wish wish : {Wish{}, Wish{.encrypt = 0, .auth = 5}, Wish{.udp = true}}) {
    wish.src = "2001:db8::1", wish.dst = "2001:db8::2";
    Host here, there;
    for (Host* const host : {&here, &there}) ASSERT_EQ(host->add(add(0x100, wish)), kDone);
    const Octets plain = extended(datagram({.src = wish.src, .dst = wish.dst, .traffic_class = 0x20}), options.all);
    const Result out = protect(here, plain);
    ASSERT_EQ(name(out.cause), "none");
    const std::size_t headers = 40 + 16 + 8 + 8;
    ASSERT_EQ(out.departure.header, headers + (wish.udp ? 8 : 0));
    Octets sent = out.packet;
    if (wish.udp) set(sent, headers + 6, std::uint16_t{0});  // The socket has checked the checksum.
    Arrival arrival{.src = *parse_address(wish.src),
                    .dst = *parse_address(wish.dst),
                    .protocol = out.departure.protocol,
                    .src_port = out.departure.src_port,
                    .dst_port = out.departure.dst_port,
                    .traffic_class = 0x20,
                    .hop_limit = 64,
                    .extensions = std::span(options.all).first(3)};
    Held held(Bytes(sent).subspan(out.departure.header));
    ASSERT_TRUE(add_header(held.item.packet, arrival));
    EXPECT_EQ(hex(held.bytes()), hex(sent));
    const Result in = unprotect(there, held.bytes());
    EXPECT_EQ(name(in.cause), "none");
    EXPECT_EQ(hex(in.packet), hex(plain));
  }
}

TEST(Arrivals, OptionsOfIpv4AreRestored) {
  Octets plain = datagram();
  constexpr std::array<std::byte, 8> kOptions = {std::byte{0x94}, std::byte{4}, std::byte{0}, std::byte{0},
                                                 std::byte{0x88}, std::byte{4}, std::byte{1}, std::byte{2}};
  plain.insert(plain.begin() + 20, kOptions.begin(), kOptions.end());
  plain[0] = std::byte{0x47};
  set(plain, 4, std::uint16_t{0});
  mend_length(plain);
  Host here, there;
  for (Host* const host : {&here, &there}) ASSERT_EQ(host->add(add(0x100, {.udp = true})), kDone);
  const Result out = protect(here, plain);
  ASSERT_EQ(name(out.cause), "none");
  Arrival arrival{.src = *parse_address("192.0.2.1"),
                  .dst = *parse_address("192.0.2.2"),
                  .protocol = kUdp,
                  .src_port = 4500,
                  .dst_port = 4501,
                  .options = kOptions};
  Held held(Bytes(out.packet).subspan(28 + 8));
  ASSERT_TRUE(add_header(held.item.packet, arrival));
  Octets sent = out.packet;
  set(sent, 4, std::uint16_t{0});  // The socket does not report it.
  mend_checksum(sent);
  EXPECT_EQ(hex(held.bytes()), hex(sent));
  const Result in = unprotect(there, held.bytes());
  EXPECT_EQ(name(in.cause), "none");
  EXPECT_EQ(hex(in.packet), hex(plain));
  Held odd(Octets(100));
  arrival.options = Bytes(kOptions).first(7);
  EXPECT_FALSE(add_header(odd.item.packet, arrival));
}

// The SA in transport mode is the one for the packet's final destination, a tunnel's the one for its next hop.
TEST(Routes, TheEndOfARouteIsThePeer) {
  Octets v4 = datagram({.src = "192.0.2.1", .dst = "198.51.100.1"});
  constexpr std::array<unsigned, 12> kRoute = {131, 11, 4, 198, 51, 100, 2, 192, 0, 2, 2, 0};
  std::ranges::transform(kRoute, std::inserter(v4, v4.begin() + 20), [](unsigned o) { return std::byte(o); });
  v4[0] = std::byte{0x48};
  mend_length(v4);
  Octets route = Options::filled(40, {{3, 2}});
  const Address hop = *parse_address("2001:db8::9"), end = *parse_address("2001:db8::2");
  std::ranges::copy(hop.octets, route.begin() + 8);
  std::ranges::copy(end.octets, route.begin() + 24);
  const Extension routing{Options::kRoute, route};
  const Octets v6 = extended(datagram({.src = "2001:db8::1", .dst = "2001:db8::8"}), {&routing, 1});
  for (Wish wish : {Wish{}, Wish{.encrypt = 0, .auth = 5}}) {
    Host here;
    ASSERT_EQ(here.add(add(0x100, wish)), kDone);
    wish.src = "2001:db8::1", wish.dst = "2001:db8::2";
    ASSERT_EQ(here.add(add(0x101, wish)), kDone);
    // It goes to the next hop nevertheless.
    for (const auto& [packet, next] :
         {std::pair{&std::as_const(v4), "198.51.100.1"}, std::pair{&std::as_const(v6), "2001:db8::8"}}) {
      const Result out = protect(here, *packet);
      EXPECT_EQ(name(out.cause), "none");
      EXPECT_EQ(out.departure.dst, *parse_address(next));
    }
    // By the same hop to another destination.
    Octets other = v6;
    other[40 + 39] = std::byte{3};
    EXPECT_EQ(name(protect(here, other).cause), "no_sa");
    EXPECT_EQ(here.plane.wanted()->dst.address, *parse_address("2001:db8::3"));
    ASSERT_EQ(
        here.add(add(0x102, {.tunnel = true, .inner_src = "192.0.2.0", .inner_dst = "198.51.100.0", .prefix = 24})),
        kDone);
    EXPECT_EQ(protect(here, v4).departure.dst, *parse_address("192.0.2.2"));
  }
}

TEST(Arrivals, ADatagramIsMovedForLongHeaders) {
  const Options options;
  const Octets sent = extended(datagram({.src = "2001:db8::1", .dst = "2001:db8::2"}), options.all);
  const std::size_t headers = 40 + 16 + 8 + 8 + 264;
  const Arrival arrival{.src = *parse_address("2001:db8::1"),
                        .dst = *parse_address("2001:db8::2"),
                        .protocol = kUdp,
                        .src_port = 1000,
                        .dst_port = 2000,
                        .extensions = options.all};
  const Bytes payload = Bytes(sent).subspan(headers + 8);
  for (const std::size_t head : {std::size_t{0}, Packet::kHeadroom, headers + 7, headers + 8}) {
    Held enough(payload, head, headers + 8 - head);
    ASSERT_TRUE(add_header(enough.item.packet, arrival));
    EXPECT_EQ(hex(enough.bytes()), hex(sent));
    if (head == headers + 8) continue;
    Held little(payload, head, headers + 7 - head);
    EXPECT_FALSE(add_header(little.item.packet, arrival));
  }
  Held longest(Octets(UINT16_MAX - headers - 8)), longer(Octets(UINT16_MAX - headers - 7));
  longest.memory.resize(longest.memory.size() + headers);
  longer.memory.resize(longer.memory.size() + headers);
  longest.item.packet.memory = longest.memory, longer.item.packet.memory = longer.memory;
  EXPECT_TRUE(add_header(longest.item.packet, arrival));
  EXPECT_FALSE(add_header(longer.item.packet, arrival));
}

}  // namespace
}  // namespace ipseckey::traffic
