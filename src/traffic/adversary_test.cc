/// What an attacker on the path can do: each packet is dropped for the right cause, counted, and nothing else changes.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cerrno>
#include <set>
#include <tuple>

#include "crypto/crypto.h"
#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using pfkey::SaType;

// Everything that a dropped packet must not change.
std::string state_of(Host& host, const engine::SaId& id) {
  const auto c = host.plane.carried(id);
  return fmt::format("{} {} {} {} {}", c->packets, c->bytes, c->allocations, c->sequence, c->exhausted);
}

struct Kind {
  const char* name;
  Wish wish;
  Shape shape;
  std::size_t covered;  ///< Bytes at the front that the ICV does not cover (except AH's immutable ones).
};
const std::array kKinds = {
    Kind{"esp gcm transport", {}, {.size = 20}, 20},
    Kind{"esp cbc sha256 transport", {.encrypt = 12, .auth = 5}, {.size = 20}, 20},
    Kind{"esp gcm tunnel v6",
         {.src = "2001:db8::1", .dst = "2001:db8::2", .tunnel = true},
         {.src = "10.1.0.1", .dst = "10.2.0.1", .size = 20},
         40},
    Kind{"esp ccm esn", {.encrypt = 16, .esn = true}, {.size = 20}, 20},
    Kind{"esp chacha", {.encrypt = 31}, {.size = 20}, 20},
    Kind{"gmac", {.encrypt = 23}, {.size = 20}, 20},
    Kind{"ah sha1", {.encrypt = 0, .auth = 3}, {.size = 20}, 20},
    Kind{"ah cmac v6",
         {.encrypt = 0, .auth = 248, .src = "2001:db8::1", .dst = "2001:db8::2"},
         {.src = "2001:db8::1", .dst = "2001:db8::2", .size = 20},
         40},
};

engine::SaId id_of(const Wish& wish) {
  return {wish.encrypt ? SaType::esp : SaType::ah, 0x100, *parse_address(wish.dst)};
}

struct Pair {
  Host here, there;
  explicit Pair(const Wish& wish) {
    EXPECT_EQ(here.add(add(0x100, wish)), engine::testing::kDone);
    EXPECT_EQ(there.add(add(0x100, wish)), engine::testing::kDone);
  }
};

// covers RFC4303-3.4.4.1-1 RFC4303-3.4.4.1-2 RFC4303-3.4.4.2-1
TEST(Adversary, EverySingleBitFlipAfterTheOuterHeaderIsNoticed) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    Pair p(kind.wish);
    const Result out = protect(p.here, datagram(kind.shape));
    ASSERT_EQ(name(out.cause), "none");
    const std::string before = state_of(p.there, id_of(kind.wish));
    std::array<std::size_t, kCauses> causes{};
    for (std::size_t bit = kind.covered * 8; bit < out.packet.size() * 8; ++bit) {
      Octets packet = out.packet;
      packet[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
      const Cause cause = unprotect(p.there, packet).cause;
      ASSERT_NE(name(cause), "none") << "bit " << bit;
      ++causes[static_cast<std::size_t>(cause)];
      ASSERT_EQ(state_of(p.there, id_of(kind.wish)), before);
    }
    // A wrong SPI finds no SA; number 0 is never valid; a wrong AH length misleads the parser; everything else fails
    // the ICV.
    EXPECT_EQ(causes[static_cast<std::size_t>(Cause::late)], 1u);
    EXPECT_EQ(causes[static_cast<std::size_t>(Cause::no_sa)], 32u);
    const std::size_t elsewhere = 1 + causes[static_cast<std::size_t>(Cause::no_sa)] +
                                  causes[static_cast<std::size_t>(Cause::truncated)] +
                                  causes[static_cast<std::size_t>(Cause::corrupt)];
    EXPECT_EQ(elsewhere, (out.packet.size() - kind.covered) * 8);
    const auto counted = p.there.plane.carried(id_of(kind.wish));
    EXPECT_EQ(counted->corrupt, causes[static_cast<std::size_t>(Cause::corrupt)]);
    EXPECT_EQ(p.there.plane.inbound().drops, causes);
    // The packet itself is still accepted.
    EXPECT_EQ(name(unprotect(p.there, out.packet).cause), "none");
  }
}

// AH covers the outer header, too, except what routers change.
// covers RFC4302-3.4.4-1 RFC4302-3.3.3.1-1 RFC4302-3.4.1-1
TEST(Adversary, BitFlipsUnderAhAreNoticedInImmutableFields) {
  Pair p({.encrypt = 0, .auth = 5});
  const Result out = protect(p.here, datagram());
  for (std::size_t bit = 0; bit < 160; ++bit) {
    Octets packet = out.packet;
    packet[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    mend_checksum(packet);
    const std::size_t octet = bit / 8;
    const bool changeable = octet == 1 || (octet >= 6 && octet <= 8) || octet == 10 || octet == 11;
    Host fresh;
    ASSERT_EQ(fresh.add(add(0x100, {.encrypt = 0, .auth = 5})), engine::testing::kDone);
    const Cause cause = unprotect(fresh, packet).cause;
    const bool fragment = bit / 8 == 7 || (bit / 8 == 6 && bit % 8 <= 5);
    EXPECT_EQ(cause == Cause::none, changeable && !fragment) << "bit " << bit << " " << name(cause);
  }
}

// No ICV covers ESP's outer header. Changes by routers and NATs have no effect; all others are noticed.
TEST(Adversary, BitFlipsInTheHeadersBeforeEspDoNotChangeTheInnerPacket) {
  struct Row {
    const char* name;
    Wish wish;
    Shape shape;
    std::size_t headers;
    std::set<std::size_t> free;  ///< Octets whose flips may pass: the class, TTL, ID, DF, checksums, NAT's changes.
  };
  const Shape inner{.src = "10.1.0.1", .dst = "10.2.0.1"};
  const Wish v6{.src = "2001:db8::1", .dst = "2001:db8::2", .tunnel = true};
  const std::set<std::size_t> v4_free = {1, 4, 5, 6, 8, 10, 11};
  // In a tunnel, the source may be anyone with the key.
  std::set<std::size_t> tunnel_free = v4_free, v6_free = {0, 1, 2, 3, 7};
  for (std::size_t i = 0; i < 4; ++i) tunnel_free.insert(12 + i);
  for (std::size_t i = 0; i < 16; ++i) v6_free.insert(8 + i);
  std::set<std::size_t> udp_free = v4_free;
  udp_free.insert({12, 13, 14, 15, 20, 21, 22, 23, 26, 27});
  for (const Row& row : {Row{"transport", {}, {}, 20, v4_free}, Row{"tunnel", {.tunnel = true}, inner, 20, tunnel_free},
                         Row{"tunnel over v6", v6, inner, 40, v6_free},
                         Row{"tunnel in UDP", {.tunnel = true, .udp = true}, inner, 28, udp_free}}) {
    const Octets plain = datagram(row.shape);
    Host here;
    ASSERT_EQ(here.add(add(0x100, row.wish)), engine::testing::kDone);
    const Octets sent = protect(here, plain).packet;
    for (std::size_t bit = 0; bit < row.headers * 8; ++bit) {
      SCOPED_TRACE(fmt::format("{}, bit {} of octet {}", row.name, bit % 8, bit / 8));
      Host there;
      ASSERT_EQ(there.add(add(0x100, row.wish)), engine::testing::kDone);
      const std::string before = state_of(there, id_of(row.wish));
      Octets packet = sent;
      packet[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
      if (bit / 8 < 20 && std::to_integer<unsigned>(packet[0]) >> 4 == 4 && row.headers != 40) {
        EXPECT_EQ(name(unprotect(there, packet).cause), "malformed");  // The header's checksum.
        mend_checksum(packet);
      }
      const Result in = unprotect(there, packet);
      if (in.cause == Cause::none) {
        EXPECT_TRUE(row.free.contains(bit / 8));
        EXPECT_EQ(hex(Bytes(in.packet).last(plain.size() - 12)), hex(Bytes(plain).last(plain.size() - 12)));
      } else {
        EXPECT_EQ(state_of(there, id_of(row.wish)), before);
        EXPECT_EQ(there.plane.inbound().drops[static_cast<std::size_t>(in.cause)] > 0, true);
      }
    }
  }
}

TEST(Adversary, EveryTruncationIsDropped) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    Pair p(kind.wish);
    const Result out = protect(p.here, datagram(kind.shape));
    const std::string before = state_of(p.there, id_of(kind.wish));
    for (std::size_t size = 0; size < out.packet.size(); ++size) {
      // As truncated on the way, and as truncated by somebody who then fixes the length.
      Octets cut(out.packet.begin(), out.packet.begin() + static_cast<long>(size));
      ASSERT_EQ(name(unprotect(p.there, cut).cause), "malformed") << size;
      if (size < kind.covered) continue;
      mend_length(cut);
      const Cause cause = unprotect(p.there, cut).cause;
      ASSERT_TRUE(cause == Cause::truncated || cause == Cause::corrupt) << size << " " << name(cause);
      ASSERT_EQ(state_of(p.there, id_of(kind.wish)), before);
    }
    EXPECT_EQ(name(unprotect(p.there, out.packet).cause), "none");
  }
}

// covers RFC4303-3.4.3-4
TEST(Adversary, ReplaysAndReorderWithinAndBeyondTheWindow) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    Pair p(kind.wish);
    std::vector<Octets> sent;
    for (int i = 0; i < 100; ++i) sent.push_back(protect(p.here, datagram(kind.shape)).packet);
    EXPECT_EQ(name(unprotect(p.there, sent[70]).cause), "none");  // The highest number is now 71, the left edge 8.
    EXPECT_EQ(name(unprotect(p.there, sent[7]).cause), "none");   // 8.
    EXPECT_EQ(name(unprotect(p.there, sent[7]).cause), "replayed");
    EXPECT_EQ(name(unprotect(p.there, sent[70]).cause), "replayed");
    // With 64 bits, a number below the window is taken for the next round, and the ICV proves that wrong.
    EXPECT_EQ(name(unprotect(p.there, sent[6]).cause), kind.wish.esn ? "corrupt" : "late");
    EXPECT_EQ(name(unprotect(p.there, sent[99]).cause), "none");
    const auto c = p.there.plane.carried(id_of(kind.wish));
    EXPECT_EQ(c->replayed, 2u);
    EXPECT_EQ(c->late + c->corrupt, 1u);
    EXPECT_EQ(c->packets, 3u);
    EXPECT_EQ(c->sequence, 100u);
  }
}

// Both copies in one batch are queried before either is recorded.
TEST(Adversary, AReplayInTheSameBatchIsDropped) {
  Pair p({});
  const Octets packet = protect(p.here, datagram()).packet;
  Held a(packet), b(packet);
  std::array items = {a.item, b.item};
  p.there.worker.unprotect(items, at(0));
  EXPECT_EQ(name(items[0].cause), "none");
  EXPECT_EQ(name(items[1].cause), "replayed");
}

// covers RFC4303-3.4.2-1 RFC4303-3.4.1-1
TEST(Adversary, WrongSpiSourceEncapsulationAndDirectionAreDropped) {
  Pair p({});
  const Octets packet = protect(p.here, datagram()).packet;
  const auto spoilt = [&](std::size_t at_octet, unsigned value) {
    Octets copy = packet;
    copy[at_octet] = static_cast<std::byte>(value);
    mend_checksum(copy);
    return name(unprotect(p.there, copy).cause);
  };
  EXPECT_EQ(spoilt(23, 0x01), "no_sa");      // The SPI's last octet.
  EXPECT_EQ(spoilt(15, 9), "wrong_source");  // The source.
  EXPECT_EQ(spoilt(19, 9), "no_sa");         // The destination.
  EXPECT_EQ(spoilt(9, 51), "no_sa");         // There is no AH with that SPI.
  EXPECT_EQ(spoilt(9, 6), "not_ipsec");
  EXPECT_EQ(spoilt(6, 0x20), "fragment");
  EXPECT_EQ(spoilt(7, 0x01), "fragment");
  Host one_way;
  Message m = add(0x100);
  m.sa->flags |= pfkey::kFlagOutbound;
  ASSERT_EQ(one_way.add(std::move(m)), engine::testing::kDone);
  EXPECT_EQ(name(unprotect(one_way, packet).cause), "not_usable");
  Host behind_nat;
  ASSERT_EQ(behind_nat.add(add(0x100, {.udp = true})), engine::testing::kDone);
  EXPECT_EQ(name(unprotect(behind_nat, packet).cause), "wrong_encapsulation");
  const Octets in_udp = protect(behind_nat, datagram()).packet;
  EXPECT_EQ(name(unprotect(p.there, in_udp).cause), "wrong_encapsulation");
  EXPECT_EQ(name(unprotect(p.there, packet).cause), "none");
}

// RFC 4303 section 1: replays are detected only if an ICV authenticates the number. A forged number must not shut out
// the real ones, nor be the number from which a saved SA continues.
// covers RFC4303-3.4.3-2
TEST(Adversary, ForgedNumbersWithoutIntegrityShutNothingOut) {
  Wish wish{.encrypt = 12};
  Host here, there;
  EXPECT_EQ(there.add(add(0x100, wish)), (engine::testing::Outcome{EINVAL, pfkey::Diagnostic::invalid_replay}))
      << "no window";
  wish.encrypt = 13, wish.window = 0;
  EXPECT_EQ(there.add(add(0x100, wish)), (engine::testing::Outcome{EINVAL, pfkey::Diagnostic::bad_aalg}));
  wish.encrypt = 12;
  ASSERT_EQ(here.add(add(0x100, wish)), engine::testing::kDone);
  ASSERT_EQ(there.add(add(0x100, wish)), engine::testing::kDone);
  Octets forged = protect(here, datagram()).packet;
  for (const std::size_t i : {0u, 1u, 2u}) forged[24 + i] = std::byte{0xff};
  forged[27] = std::byte{0xf0};
  EXPECT_EQ(name(unprotect(there, forged).cause), "none");
  for (int i = 0; i < 3; ++i) {
    const Result in = unprotect(there, protect(here, datagram()).packet);
    EXPECT_EQ(name(in.cause), "none");
    EXPECT_EQ(hex(in.packet), hex(datagram()));
  }
  std::vector<pfkey::Message> sas = engine::testing::dump(there.engine);
  ASSERT_EQ(sas.size(), 1u);
  EXPECT_EQ(sas[0].replay_value, std::nullopt);
}

// The content of an SA's packets must match the SA: the sender may have the keys and try for more.
// covers RFC4301-4.4.2-1 RFC4301-5.2-3
TEST(Adversary, TheInnerPacketMustBeCovered) {
  const auto inside = [](Wish sender, Wish receiver, const Shape& shape) {
    Host here, there;
    EXPECT_EQ(here.add(add(0x100, sender)), engine::testing::kDone);
    EXPECT_EQ(there.add(add(0x100, receiver)), engine::testing::kDone);
    const Result out = protect(here, datagram(shape));
    EXPECT_EQ(name(out.cause), "none");
    return std::string(name(unprotect(there, out.packet).cause));
  };
  const Wish wide{.tunnel = true, .inner_src = "0.0.0.0", .inner_dst = "0.0.0.0", .prefix = 0}, narrow{.tunnel = true};
  EXPECT_EQ(inside(wide, narrow, {.src = "10.1.255.255", .dst = "10.2.0.0"}), "none");
  EXPECT_EQ(inside(wide, narrow, {.src = "10.3.0.1", .dst = "10.2.0.1"}), "selector");
  EXPECT_EQ(inside(wide, narrow, {.src = "10.1.0.1", .dst = "10.3.0.1"}), "selector");
  EXPECT_EQ(inside({}, narrow, {}), "inner");  // Transport mode where tunnel mode is expected.
  const Wish six{.tunnel = true, .inner_src = "2001:db8::", .inner_dst = "2001:db8::", .prefix = 32};
  EXPECT_EQ(inside(six, narrow, {.src = "2001:db8::1", .dst = "2001:db8::2"}), "selector");
}

// A prefix may end within an octet: the first and the last address of 10.1.16.0/20, and their neighbours outside.
TEST(Adversary, PrefixesAreComparedToTheLastBit) {
  Host open, strict;
  const Wish any{.tunnel = true, .inner_src = "0.0.0.0", .inner_dst = "0.0.0.0", .prefix = 0};
  const Wish narrow{.tunnel = true, .inner_src = "10.1.16.0", .inner_dst = "10.2.16.0", .prefix = 20};
  ASSERT_EQ(open.add(add(0x100, any)), engine::testing::kDone);
  ASSERT_EQ(strict.add(add(0x100, narrow)), engine::testing::kDone);
  for (const auto& [src, dst, cause] : {std::tuple{"10.1.16.0", "10.2.31.255", "none"},
                                        {"10.1.31.255", "10.2.16.0", "none"},
                                        {"10.1.15.255", "10.2.16.0", "selector"},
                                        {"10.1.32.0", "10.2.16.0", "selector"},
                                        {"10.1.16.0", "10.2.15.255", "selector"},
                                        {"10.1.16.0", "10.2.32.0", "selector"}})
    EXPECT_EQ(name(unprotect(strict, protect(open, datagram({.src = src, .dst = dst})).packet).cause), cause)
        << src << " " << dst;
}

TEST(Adversary, ProtocolAndPortsAreSelectorsInBothDirections) {
  const auto sa = [] {
    Message m = add(0x100);
    m.src->proto = m.dst->proto = kUdp;
    m.dst->port = 53;
    return m;
  };
  Host strict, open;
  ASSERT_EQ(strict.add(sa()), engine::testing::kDone);
  ASSERT_EQ(open.add(add(0x100)), engine::testing::kDone);
  EXPECT_EQ(name(protect(strict, datagram({.dst_port = 53})).cause), "none");
  EXPECT_EQ(name(protect(strict, datagram({.dst_port = 54})).cause), "no_sa");
  EXPECT_EQ(name(protect(strict, datagram({.dst_port = 53, .protocol = kTcp})).cause), "no_sa");
  EXPECT_EQ(name(unprotect(strict, protect(open, datagram({.dst_port = 53})).packet).cause), "none");
  EXPECT_EQ(name(unprotect(strict, protect(open, datagram({.dst_port = 54})).packet).cause), "selector");
  EXPECT_EQ(name(unprotect(strict, protect(open, datagram({.dst_port = 53, .protocol = kTcp})).packet).cause),
            "selector");
  EXPECT_EQ(strict.plane.carried(id_of({}))->mismatched, 2u);
}

// A header that ends before its ports has none, and an SA with ports covers only packets that show them.
TEST(Adversary, APacketTooShortForPortsMatchesNoSaWithPorts) {
  Octets cut(20 + 3);
  write_header(cut, {.src = *parse_address("192.0.2.1"), .dst = *parse_address("192.0.2.2"), .protocol = kUdp},
               cut.size());
  const auto sa = [](bool source, bool destination) {
    Message m = add(0x100);
    m.src->proto = m.dst->proto = kUdp;
    if (source) m.src->port = 1111;
    if (destination) m.dst->port = 53;
    return m;
  };
  Host open;
  ASSERT_EQ(open.add(add(0x100)), engine::testing::kDone);
  for (const auto& [source, destination] : {std::pair{true, false}, std::pair{false, true}, std::pair{true, true}}) {
    Host strict;
    ASSERT_EQ(strict.add(sa(source, destination)), engine::testing::kDone);
    EXPECT_EQ(name(protect(strict, cut).cause), "no_sa");
    EXPECT_EQ(name(unprotect(strict, protect(open, cut).packet).cause), "selector");
    EXPECT_EQ(strict.plane.carried(id_of({}))->mismatched, 1u);
  }
}

// ESP with NULL encryption and an ICV computed with the key, so that the test can write any content.
Octets forged(Bytes text, std::uint32_t number) {
  Octets packet(20 + 8 + text.size() + 16);
  write_header(packet, {.src = *parse_address("192.0.2.1"), .dst = *parse_address("192.0.2.2"), .protocol = kEsp},
               packet.size());
  set<std::uint32_t>(packet, 20, 0x100);
  set(packet, 24, number);
  std::ranges::copy(text, packet.begin() + 28);
  const Secret auth = engine::testing::key(32, 0x55).material.clone();
  const auto keyed = crypto::Keyed::make({.encrypt = nullptr,
                                          .auth = pfkey::find_algorithm(pfkey::AlgorithmKind::auth, 5),
                                          .encrypt_key = nullptr,
                                          .auth_key = &auth,
                                          .esn = false},
                                         crypto::Keyed::Way::seal);
  const Bytes covered = Bytes(packet).subspan(20, packet.size() - 36);
  EXPECT_TRUE(keyed->mac({&covered, 1}, MutableBytes(packet).last(16)));
  return packet;
}

Octets with_trailer(Bytes body, std::initializer_list<unsigned> trailer) {
  Octets text(body.begin(), body.end());
  for (const unsigned octet : trailer) text.push_back(static_cast<std::byte>(octet));
  return text;
}

// covers RFC4303-2.4-3
TEST(Adversary, GarbageUnderARightIcvIsDropped) {
  Host transport, tunnel;
  const Wish null{.encrypt = pfkey::kEalgNull, .auth = 5};
  Wish null_tunnel = null;
  null_tunnel.tunnel = true;
  ASSERT_EQ(transport.add(add(0x100, null)), engine::testing::kDone);
  ASSERT_EQ(tunnel.add(add(0x100, null_tunnel)), engine::testing::kDone);
  std::uint32_t number = 0;
  const auto cause = [&](Host& host, const Octets& text) {
    return std::string(name(unprotect(host, forged(text, ++number)).cause));
  };
  const Octets body(12), inner = datagram({.src = "10.1.0.1", .dst = "10.2.0.1"});  // 20 + 8 + 40 octets.
  EXPECT_EQ(cause(transport, with_trailer(body, {1, 2, 2, 17})), "none");
  EXPECT_EQ(cause(transport, with_trailer(body, {2, 1, 2, 17})), "padding");
  EXPECT_EQ(cause(transport, with_trailer(body, {0, 0, 2, 17})), "padding");
  EXPECT_EQ(cause(transport, with_trailer(body, {1, 2, 15, 17})), "padding");
  EXPECT_EQ(cause(transport, with_trailer(body, {1, 2, 255, 17})), "padding");
  EXPECT_EQ(cause(transport, with_trailer(body, {1, 2, 2, 59})), "dummy");
  EXPECT_EQ(cause(tunnel, with_trailer(body, {1, 2, 2, 59})), "dummy");
  EXPECT_EQ(cause(tunnel, with_trailer(inner, {1, 2, 2, 4})), "none");
  EXPECT_EQ(cause(tunnel, with_trailer(inner, {1, 2, 2, 41})), "inner");  // It claims to be IPv6.
  EXPECT_EQ(cause(tunnel, with_trailer(inner, {1, 2, 2, 17})), "inner");
  EXPECT_EQ(cause(tunnel, with_trailer(body, {1, 2, 2, 4})), "inner");
  Octets wrong_sum = inner;
  wrong_sum[10] ^= std::byte{1};
  EXPECT_EQ(cause(tunnel, with_trailer(wrong_sum, {1, 2, 2, 4})), "inner");
  Octets too_long = inner;
  set<std::uint16_t>(too_long, 2, 69);
  mend_checksum(too_long);
  EXPECT_EQ(cause(tunnel, with_trailer(too_long, {1, 2, 2, 4})), "inner");
  // Octets beyond the packet hide its length; they are removed.
  Octets longer = inner;
  longer.resize(inner.size() + 32);
  const Result in = unprotect(tunnel, forged(with_trailer(longer, {1, 2, 2, 4}), ++number));
  EXPECT_EQ(hex(in.packet), hex(inner));
  const auto c = tunnel.plane.carried(id_of(null));
  EXPECT_EQ(c->malformed, 5u);
  EXPECT_EQ(c->packets, 2u);
  EXPECT_EQ(tunnel.plane.inbound().drops[static_cast<std::size_t>(Cause::dummy)], 1u);
}

// AH in ESP in tunnels in tunnels: each layer is a packet of its own, and is decapsulated as such.
TEST(Adversary, NestedHeadersAreSeparatePackets) {
  Host here, there;
  const Wish outer{.encrypt = 20}, inner{.encrypt = 0, .auth = 5};
  for (Host* const host : {&here, &there}) {
    Message ah = add(0x200, inner);
    ah.sa->flags |= host == &here ? pfkey::kFlagOutbound : pfkey::kFlagInbound;
    ASSERT_EQ(host->add(std::move(ah)), engine::testing::kDone);
  }
  const Octets plain = datagram();
  Octets packet = protect(here, plain).packet;
  Host esp_here, esp_there;
  for (Host* const host : {&esp_here, &esp_there}) {
    Message esp = add(0x100, outer);
    esp.src->proto = esp.dst->proto = kAh;  // An SA that names AH must wrap it once more for the same peer.
    ASSERT_EQ(host->add(std::move(esp)), engine::testing::kDone);
  }
  packet = protect(esp_here, packet).packet;
  EXPECT_EQ(name(unprotect(there, packet).cause), "no_sa");
  const Result once = unprotect(esp_there, packet);
  ASSERT_EQ(name(once.cause), "none");
  EXPECT_EQ(hex(unprotect(there, once.packet).packet), hex(plain));
  // 17 extension headers are one more than parse() accepts.
  Octets deep(40 + 17 * 8);
  write_header(deep, {.src = *parse_address("2001:db8::1"), .dst = *parse_address("2001:db8::2"), .protocol = 60},
               deep.size());
  for (std::size_t i = 0; i < 17; ++i) {
    deep[40 + i * 8] = std::byte{60};
    deep[42 + i * 8] = std::byte{1}, deep[43 + i * 8] = std::byte{4};
  }
  EXPECT_EQ(name(unprotect(there, deep).cause), "malformed");
}

TEST(Adversary, KeepalivesAndKeyManagersMessagesAreLeftAlone) {
  Host host;
  const auto arrived = [&](std::size_t size, unsigned first) {
    Octets packet = datagram({.size = size});
    for (std::size_t i = 28; i < packet.size(); ++i) packet[i] = std::byte{0};
    if (size) packet[28] = static_cast<std::byte>(first);
    return std::string(name(unprotect(host, packet).cause));
  };
  EXPECT_EQ(arrived(1, 0xff), "keep_alive");
  EXPECT_EQ(arrived(1, 0xfe), "truncated");
  EXPECT_EQ(arrived(4, 0), "ike");
  EXPECT_EQ(arrived(64, 0), "ike");
  EXPECT_EQ(arrived(64, 1), "no_sa");
  EXPECT_EQ(arrived(0, 0), "truncated");
}

}  // namespace
}  // namespace ipseckey::traffic
