/// What bundles need of buffers and tables, and the limits of their SAs.
#include <gmock/gmock.h>

#include <chrono>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;
using pfkey::AlgorithmKind;
using pfkey::SaType;

constexpr std::uint32_t kEspSpi = 0x100, kAhSpi = 0x200, kNumber = 7;
constexpr std::uint8_t kNull = 11, kAesCbc = 12, kGcm16 = 20, kSha256 = 5, kSha512 = 7;

Wish esp_wish(bool v6, bool tunnel) {
  Wish wish{.encrypt = kNull, .auth = kSha256, .tunnel = tunnel, .bundle = kNumber};
  if (v6) wish.src = kSrc6, wish.dst = kDst6;
  return wish;
}
Wish ah_wish(bool v6) {
  Wish wish{.encrypt = 0, .auth = kSha512, .bundle = kNumber};
  if (v6) wish.src = kSrc6, wish.dst = kDst6;
  return wish;
}

engine::SaId esp_id(const char* dst = "192.0.2.2") { return {SaType::esp, kEspSpi, *parse_address(dst)}; }
engine::SaId ah_id(const char* dst = "192.0.2.2") { return {SaType::ah, kAhSpi, *parse_address(dst)}; }

void load(Host& host, const Wish& esp, const Wish& ah) {
  ASSERT_EQ(host.add(add(kEspSpi, esp)), kDone);
  ASSERT_EQ(host.add(add(kAhSpi, ah)), kDone);
}

Shape inside(bool tunnel, bool v6) {
  if (tunnel) return {.src = "10.1.0.1", .dst = "10.2.0.1"};
  return v6 ? Shape{.src = kSrc6, .dst = kDst6} : Shape{};
}

struct Numbers {
  std::uint64_t packets, bytes, allocations, sequence;
  bool used;
  bool operator==(const Numbers&) const = default;
};
void PrintTo(const Numbers& n, std::ostream* out) {
  *out << fmt::format("{} packets, {} bytes, {} connections, number {}, used {}", n.packets, n.bytes, n.allocations,
                      n.sequence, n.used);
}
Numbers numbers(Host& host, const engine::SaId& id) {
  const auto c = host.plane.carried(id);
  return {c->packets, c->bytes, c->allocations, c->sequence, c->first.has_value()};
}

// The daemon's buffers, whatever is added before and behind a packet.
TEST(BundleLimits, EveryLengthOfIcvFits) {
  std::size_t kinds = 0, longest = 0;
  for (const pfkey::Algorithm& mac : pfkey::algorithms()) {
    if (mac.kind != AlgorithmKind::auth || mac.max_bits == 0 || mac.mode == pfkey::Mode::gmac) continue;
    for (const std::uint32_t icv : {96u, mac.icv * 8u, std::uint32_t{mac.max_bits}}) {
      if (!mac.icv_fits(icv)) continue;
      for (const bool v6 : {false, true})
        for (const bool tunnel : {false, true})
          for (const std::uint8_t cipher : {kNull, kAesCbc, kGcm16}) {
            SCOPED_TRACE(fmt::format("{} {} v6 {} tunnel {} cipher {}", mac.name(), icv, v6, tunnel, cipher));
            Wish esp = esp_wish(v6, tunnel), ah = ah_wish(v6);
            esp.encrypt = cipher, esp.auth = cipher == kGcm16 ? std::uint8_t{0} : kSha256;
            ah.auth = mac.number, ah.icv = icv;
            Host here, there;
            load(here, esp, ah), load(there, esp, ah);
            const Octets plain = datagram(inside(tunnel, v6));
            const Result out = protect(here, plain);
            ASSERT_EQ(name(out.cause), "none");
            const std::size_t header = v6 ? 40 : 20, unit = v6 ? 8 : 4;
            const std::size_t length = (12 + icv / 8 + unit - 1) / unit * unit;
            EXPECT_EQ((get<std::uint8_t>(out.packet, header + 1) + 2u) * 4, length);
            EXPECT_EQ(get<std::uint32_t>(out.packet, header + length), kEspSpi);
            EXPECT_EQ(hex(unprotect(there, out.packet).packet), hex(plain));
            ++kinds;
            longest = std::max(longest, header + length + 8 + 16);
          }
    }
  }
  EXPECT_GE(kinds, 12u * 6);
  EXPECT_EQ(longest, 144u);  // IPv6, AH with 64 octets, ESP, its IV.
}

// The bundle's own packets are AH and return; its SA's protocol is exactly that AH.
TEST(BundleLimits, ItsOwnPacketsAreDroppedWhateverItsProtocol) {
  for (const bool tunnel : {false, true}) {
    SCOPED_TRACE(tunnel);
    Wish esp = esp_wish(false, tunnel), ah = ah_wish(false);
    ah.tunnel = tunnel;
    for (Wish* const wish : {&esp, &ah}) wish->inner_src = wish->inner_dst = "192.0.2.0", wish->prefix = 24;
    Host here;
    Message of_esp = add(kEspSpi, esp), of_ah = add(kAhSpi, ah);
    for (Message* const m : {&of_esp, &of_ah}) {
      auto &src = tunnel ? m->inner_src : m->src, &dst = tunnel ? m->inner_dst : m->dst;
      src->proto = dst->proto = kAh;
    }
    ASSERT_EQ(here.add(std::move(of_esp)), kDone);
    ASSERT_EQ(here.add(std::move(of_ah)), kDone);
    Octets own = datagram({.protocol = kAh});
    for (int i = 0; i < 3; ++i) EXPECT_EQ(name(protect(here, own).cause), "looped");
    EXPECT_EQ(here.plane.outbound().drops[static_cast<std::size_t>(Cause::looped)], 3u);
    EXPECT_EQ(numbers(here, esp_id()), (Numbers{0, 0, 0, 0, false}));
  }
}

// A tunnel for ESP between its own ends forwards it, so its hop limit must not be used up.
TEST(BundleLimits, AhAroundEspWithAUsedUpHopLimitIsDroppedInATunnel) {
  for (const unsigned hops : {0u, 1u, 2u, 64u}) {
    SCOPED_TRACE(hops);
    Wish ah = ah_wish(false);
    ah.bundle = 0, ah.tunnel = true;
    ah.inner_src = ah.inner_dst = "192.0.2.0", ah.prefix = 24;
    Message m = add(kAhSpi, ah);
    m.inner_src->proto = m.inner_dst->proto = kEsp;
    Host here;
    ASSERT_EQ(here.add(std::move(m)), kDone);
    Octets esp = datagram({.protocol = kEsp});
    esp[8] = static_cast<std::byte>(hops);
    mend_checksum(esp);
    const Result out = protect(here, esp);
    EXPECT_EQ(name(out.cause), hops < 2 ? "looped" : "none");
    if (hops >= 2) {
      EXPECT_EQ(std::to_integer<unsigned>(out.packet[8]), hops - 1);
    }
  }
}

// Transport mode does not forward: a neighbour's packets, whose hop limit is 1, are protected unchanged.
TEST(BundleLimits, AhInTransportModeAcceptsEspWithOneHop) {
  Wish ah = ah_wish(false);
  ah.bundle = 0;
  Message m = add(kAhSpi, ah);
  m.src->proto = m.dst->proto = kEsp;
  Host here;
  ASSERT_EQ(here.add(std::move(m)), kDone);
  Octets esp = datagram({.protocol = kEsp});
  esp[8] = std::byte{1};
  mend_checksum(esp);
  const Result out = protect(here, esp);
  ASSERT_EQ(name(out.cause), "none");
  EXPECT_EQ(out.packet[8], std::byte{1});
}

// Thousands of other SAs have the same selectors. After a change the first packet searches all of them, the next one
// none: it takes less than a fifth of the time.
TEST(BundleLimits, HalfABundleIsSearchedForOnce) {
  constexpr std::uint32_t kMany = 20'000;
  Host here;
  Wish plain = esp_wish(false, false);
  plain.bundle = 0;
  for (std::uint32_t i = 0; i < kMany; ++i) ASSERT_EQ(here.add(add(0x1000 + i, plain)), kDone);
  ASSERT_EQ(here.add(add(kEspSpi, esp_wish(false, false))), kDone);
  const auto takes = [&] {
    Held held(datagram());
    const auto start = std::chrono::steady_clock::now();
    here.worker.protect({&held.item, 1}, at(0));
    const auto end = std::chrono::steady_clock::now();
    EXPECT_EQ(name(held.item.cause), "bundle");
    return end - start;
  };
  std::array<std::chrono::steady_clock::duration, 101> first, later;
  for (std::uint32_t i = 0; i < first.size(); ++i) {
    here.plane.remove({SaType::esp, 0x1000 + i, *parse_address("192.0.2.2")});
    first[i] = takes(), later[i] = takes();
  }
  std::ranges::sort(first), std::ranges::sort(later);
  EXPECT_LT(5 * later[later.size() / 2], first[first.size() / 2]);
  // The missing half is found at once.
  ASSERT_EQ(here.add(add(kAhSpi, ah_wish(false))), kDone);
  EXPECT_EQ(name(protect(here, datagram()).cause), "none");
  here.plane.remove(ah_id());
  EXPECT_EQ(name(protect(here, datagram()).cause), "bundle");
}

// Either is halted, and resumes.
TEST(BundleLimits, AHalfThatResumesCompletesItAgain) {
  for (const bool of_ah : {false, true}) {
    SCOPED_TRACE(of_ah);
    Host here;
    load(here, esp_wish(false, true), ah_wish(false));
    const Octets plain = datagram(inside(true, false));
    EXPECT_EQ(name(protect(here, plain).cause), "none");
    here.plane.halt(of_ah ? ah_id() : esp_id());
    for (int i = 0; i < 2; ++i) EXPECT_EQ(name(protect(here, plain).cause), of_ah ? "bundle" : "no_sa");
    Message more =
        engine::testing::request(pfkey::Type::update, of_ah ? SaType::ah : SaType::esp, of_ah ? kAhSpi : kEspSpi);
    more.hard = pfkey::Lifetime{.allocations = 0, .bytes = 100'000, .addtime = 0, .usetime = 0};
    ASSERT_EQ(here.add(std::move(more)), kDone);
    EXPECT_EQ(name(protect(here, plain).cause), "none");
  }
}

// RFC 8200 section 4.5: from one series, at whatever point it turns out that a packet leaves in fragments.
TEST(BundleLimits, FragmentsUseTheIdsOfTheOuterProtocol) {
  Host here, there;
  const Wish esp = esp_wish(true, true), ah = ah_wish(true);
  load(here, esp, ah), load(there, esp, ah);
  Shape shape = inside(true, true);
  shape.size = 1400;
  std::uint32_t last = 0;
  for (const bool known : {true, false, true}) {
    SCOPED_TRACE(fmt::format("{} after {:x}", known, last));
    shape.size = known ? 1600 : 1200;
    Held held(datagram(shape), Packet::kHeadroom, Packet::kTailroom);
    here.worker.protect({&held.item, 1}, at(0));
    ASSERT_EQ(name(held.item.cause), "none");
    EXPECT_EQ(held.item.departure.id != 0, known);
    if (!known) {
      ASSERT_TRUE(here.worker.narrow(held.item, 1280, at(0)));
    }
    if (last != 0) {
      EXPECT_EQ(held.item.departure.id, last + 1);
    }
    last = held.item.departure.id;
    EXPECT_EQ(name(unprotect(there, held.bytes()).cause), "none");
    Octets room(1280);
    std::size_t pieces = 0;
    EXPECT_TRUE(fragment(held.bytes(), 1280, last, room, [&](Bytes piece) {
      EXPECT_LE(piece.size(), 1280u);
      EXPECT_EQ(get<std::uint32_t>(piece, 44), last);
      ++pieces;
    }));
    EXPECT_EQ(pieces, 2u);
  }
}

// If one of the two refuses a packet, the other does not count it: neither its bytes nor its connection, its first use
// or a number.
TEST(BundleLimits, APacketThatOneRefusesIsNotCountedByTheOther) {
  struct Row {
    const char* name;
    pfkey::Lifetime hard;
    bool last_number;
  };
  const std::array rows = {
      Row{"bytes", {.allocations = 0, .bytes = 1, .addtime = 0, .usetime = 0}, false},
      Row{"allocations", {.allocations = 1, .bytes = 0, .addtime = 0, .usetime = 0}, false},
      Row{"number", {}, true},
  };
  for (const Row& row : rows)
    for (const bool of_ah : {false, true}) {
      SCOPED_TRACE(fmt::format("{} of ah {}", row.name, of_ah));
      Host here;
      Message esp = add(kEspSpi, esp_wish(false, false)), ah = add(kAhSpi, ah_wish(false));
      Message& one = of_ah ? ah : esp;
      if (row.last_number) {
        one.replay_value = pfkey::ReplayValue{.low = UINT32_MAX, .wide = 0};
      } else {
        one.hard = row.hard;
      }
      ASSERT_EQ(here.add(std::move(esp)), kDone);
      ASSERT_EQ(here.add(std::move(ah)), kDone);
      // The only connection for which the limit has room.
      const bool first = row.hard.allocations == 1;
      if (first) {
        EXPECT_EQ(name(protect(here, datagram()).cause), "none");
      }
      EXPECT_EQ(name(protect(here, datagram({.dst_port = 2001})).cause), "exhausted");
      const std::uint64_t packets = first ? 1 : 0, last = row.last_number ? UINT32_MAX : packets;
      const auto refuses = of_ah ? ah_id() : esp_id(), other = of_ah ? esp_id() : ah_id();
      EXPECT_EQ(numbers(here, other), (Numbers{packets, 68 * packets, packets, packets, first}));
      EXPECT_EQ(numbers(here, refuses), (Numbers{packets, 68 * packets, packets, last, first}));
      EXPECT_TRUE(here.plane.carried(refuses)->exhausted);
      EXPECT_FALSE(here.plane.carried(other)->exhausted);
      EXPECT_TRUE(here.worker.attention());
    }
}

// AH in transport mode only for ESP (`proto esp`), as a bundle with a tunnel needs it: other traffic between the two
// hosts is not covered, and uses an SA of its own.
TEST(BundleLimits, AhForEspOnlyDoesNotCoverTheHostsOwnPackets) {
  for (const bool v6 : {false, true}) {
    SCOPED_TRACE(v6);
    const auto fill = [&](Host& host) {
      Message ah = add(kAhSpi, ah_wish(v6));
      ah.src->proto = ah.dst->proto = kEsp;
      Wish plain = esp_wish(v6, false);
      plain.bundle = 0;
      ASSERT_EQ(host.add(add(0x300, plain)), kDone);
      ASSERT_EQ(host.add(add(kEspSpi, esp_wish(v6, true))), kDone);
      ASSERT_EQ(host.add(std::move(ah)), kDone);
    };
    Host here, there;
    fill(here), fill(there);
    for (const bool tunnel : {false, true}) {
      const Octets plain = datagram(inside(tunnel, v6));
      const Result out = protect(here, plain);
      ASSERT_EQ(name(out.cause), "none");
      EXPECT_EQ(out.departure.protocol, tunnel ? kAh : kEsp);
      EXPECT_EQ(hex(unprotect(there, out.packet).packet), hex(plain));
    }
  }
}

}  // namespace
}  // namespace ipseckey::traffic
