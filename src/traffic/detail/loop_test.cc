/// Protected packets enter the device again: dropped if the SA would send them to the same peer once more, carried if
/// it sends to another one.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <vector>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;

struct Kind {
  const char* name;
  std::uint8_t encrypt, auth;
  bool udp;
};
constexpr std::array kKinds = {Kind{"esp", 20, 0, false}, Kind{"ah", 0, 5, false}, Kind{"esp in udp", 20, 0, true}};

struct Ends {
  const char *src, *dst, *any, *inner_src, *inner_dst;
};
constexpr std::array kEnds = {Ends{"192.0.2.1", "192.0.2.2", "0.0.0.0", "10.1.0.1", "10.2.0.1"},
                              Ends{"2001:db8::1", "2001:db8::2", "::", "fd01::1", "fd02::1"}};

// A tunnel for everything, or transport mode.
Wish wish_of(const Kind& kind, const Ends& ends, bool tunnel) {
  return {.encrypt = kind.encrypt,
          .auth = kind.auth,
          .src = ends.src,
          .dst = ends.dst,
          .tunnel = tunnel,
          .inner_src = ends.any,
          .inner_dst = ends.any,
          .prefix = 0,
          .udp = kind.udp};
}

std::uint64_t number_of(Host& host, const Wish& wish) {
  const auto satype = wish.encrypt ? pfkey::SaType::esp : pfkey::SaType::ah;
  return host.plane.carried({satype, 0x100, *parse_address(wish.dst)})->sequence;
}

std::uint64_t dropped(Host& host) { return host.plane.outbound().drops[static_cast<std::size_t>(Cause::looped)]; }

TEST(Loop, TheSasOwnPacketsAreNotSentAgain) {
  for (const Kind& kind : kKinds)
    for (const Ends& ends : kEnds)
      for (const bool tunnel : {true, false}) {
        SCOPED_TRACE(fmt::format("{} {} {}", kind.name, ends.dst, tunnel));
        const Wish wish = wish_of(kind, ends, tunnel);
        Host host;
        ASSERT_EQ(host.add(add(0x100, wish)), kDone);
        const Result out = protect(host, tunnel ? datagram({.src = ends.inner_src, .dst = ends.inner_dst})
                                                : datagram({.src = ends.src, .dst = ends.dst}));
        ASSERT_EQ(name(out.cause), "none");
        for (int i = 0; i < 3; ++i) EXPECT_EQ(name(protect(host, out.packet).cause), "looped");
        EXPECT_EQ(number_of(host, wish), 1u);
        EXPECT_EQ(dropped(host), 3u);
      }
}

// As left by the host's own stack, or by a path with a smaller MTU.
TEST(Loop, FragmentsOfTheSasOwnPacketsAreNotSentAgain) {
  for (const Kind& kind : kKinds)
    for (const Ends& ends : kEnds) {
      SCOPED_TRACE(fmt::format("{} {}", kind.name, ends.dst));
      const Wish wish = wish_of(kind, ends, true);
      Host host;
      ASSERT_EQ(host.add(add(0x100, wish)), kDone);
      const Result out = protect(host, datagram({.src = ends.inner_src, .dst = ends.inner_dst, .size = 1300}));
      ASSERT_EQ(name(out.cause), "none");
      Octets room(2000);
      std::vector<Octets> pieces;
      ASSERT_TRUE(fragment(out.packet, 600, 77, room, [&](Bytes b) { pieces.emplace_back(b.begin(), b.end()); }));
      ASSERT_EQ(pieces.size(), 3u);
      for (const Octets& piece : pieces) EXPECT_EQ(name(protect(host, piece).cause), "looped");
      EXPECT_EQ(number_of(host, wish), 1u);
      EXPECT_EQ(dropped(host), 3u);
    }
}

// A later fragment shows no ports: it is ESP in UDP only if its first fragment was, shortly before.
TEST(Loop, FragmentsOfOtherDatagramsToThePeerAreCarried) {
  for (const Ends& ends : kEnds) {
    SCOPED_TRACE(ends.dst);
    const Wish wish = wish_of(kKinds[2], ends, true);
    Host host;
    ASSERT_EQ(host.add(add(0x100, wish)), kDone);
    const auto pieces = [&](Bytes whole, std::uint32_t id) {
      Octets room(2000);
      std::vector<Octets> all;
      EXPECT_TRUE(fragment(whole, 600, id, room, [&](Bytes b) { all.emplace_back(b.begin(), b.end()); }));
      return all;
    };
    const auto own =
        pieces(protect(host, datagram({.src = ends.inner_src, .dst = ends.inner_dst, .size = 900})).packet, 77);
    const auto other = pieces(datagram({.src = ends.src, .dst = ends.dst, .size = 900}), 78);
    ASSERT_EQ(own.size(), 2u);
    ASSERT_EQ(other.size(), 2u);
    EXPECT_EQ(name(protect(host, own[0], at(5)).cause), "looped");
    for (const Octets& piece : other) EXPECT_EQ(name(protect(host, piece, at(5)).cause), "none");
    EXPECT_EQ(name(protect(host, own[1], at(34)).cause), "looped");
    EXPECT_EQ(name(protect(host, own[1], at(36)).cause), "none");
  }
}

// covers RFC4301-4.4-1
TEST(Loop, AnSaInsideOneToAnotherPeerIsCarried) {
  for (const Kind& kind : kKinds)
    for (const Kind& outer : kKinds)
      for (const Ends& ends : kEnds) {
        SCOPED_TRACE(fmt::format("{} in {}, {}", kind.name, outer.name, ends.dst));
        const bool v4 = ends.dst == kEnds[0].dst;
        const char* const gateway = v4 ? "198.51.100.9" : "2001:db8:9::9";
        const Wish inside = wish_of(kind, {ends.src, ends.dst, ends.any, ends.inner_src, ends.inner_dst}, true);
        Wish around = wish_of(outer, ends, true);
        around.dst = gateway;
        Host here, there, beyond;
        ASSERT_EQ(here.add(add(0x100, inside)), kDone);
        ASSERT_EQ(there.add(add(0x100, inside)), kDone);
        const Octets plain = datagram({.src = ends.inner_src, .dst = ends.inner_dst});
        const Result once = protect(here, plain);
        ASSERT_EQ(here.add(add(0x200, around)), kDone);
        ASSERT_EQ(beyond.add(add(0x200, around)), kDone);
        const Result twice = protect(here, once.packet);
        ASSERT_EQ(name(twice.cause), "none");
        EXPECT_EQ(hex(unprotect(beyond, twice.packet).packet), hex(once.packet));
        EXPECT_EQ(hex(unprotect(there, once.packet).packet), hex(plain));
        EXPECT_EQ(name(protect(here, twice.packet).cause), "looped");
      }
}

// RFC 4301 section 5.1.2.1 leaves the outer hop limit to us: that of nested packets decreases, so that two SAs that
// wrap one another come to an end.
TEST(Loop, TwoSasThatWrapEachOtherComeToAnEnd) {
  for (const auto& [kind, ends] :
       {std::pair{kKinds[0], kEnds[0]}, std::pair{kKinds[0], kEnds[1]}, std::pair{kKinds[1], kEnds[0]},
        std::pair{kKinds[2], kEnds[0]}, std::pair{kKinds[2], kEnds[1]}}) {
    SCOPED_TRACE(fmt::format("{} {}", kind.name, ends.dst));
    const bool v4 = ends.dst == kEnds[0].dst;
    const char* const gateway = v4 ? "198.51.100.9" : "2001:db8:9::9";
    Host host({.workers = 1, .mtu = 9000});
    ASSERT_EQ(host.add(add(0x100, wish_of(kind, ends, true))), kDone);
    Wish around = wish_of(kind, ends, true);
    around.dst = gateway;
    Message m = add(0x200, around);
    m.inner_dst = endpoint(ends.dst, v4 ? 32 : 128);
    ASSERT_EQ(host.add(std::move(m)), kDone);
    Octets packet = datagram({.src = ends.inner_src, .dst = ends.inner_dst});
    int rounds = 0;
    Cause cause = Cause::none;
    while (rounds < 1000) {
      Result out = protect(host, packet);
      cause = out.cause;
      if (cause != Cause::none) break;
      ++rounds;
      packet = std::move(out.packet);
    }
    EXPECT_EQ(name(cause), "looped");
    EXPECT_EQ(rounds, 64);
  }
}

TEST(Loop, PacketsThatOnlyLookLikeTheSasOwnAreCarried) {
  const Ends& ends = kEnds[0];
  const auto carried = [&](const Wish& wish, const Octets& packet) {
    Host host;
    EXPECT_EQ(host.add(add(0x100, wish)), kDone);
    return std::string(name(protect(host, packet).cause));
  };
  const Wish esp = wish_of(kKinds[0], ends, true), udp = wish_of(kKinds[2], ends, true);
  const auto packet = [&](Shape shape, std::uint32_t first) {
    Octets p = datagram(shape);
    if (p.size() >= 32) set(MutableBytes(p), 28, first);
    return p;
  };
  const Shape own{.src = ends.src, .dst = ends.dst, .src_port = 4500, .dst_port = 4501};
  Shape port = own, from = own, host_esp = own, keep_alive = own;
  port.dst_port = 4502, from.src = "10.1.0.7", keep_alive.size = 1;
  host_esp.src = "10.1.0.7", host_esp.protocol = kEsp;
  EXPECT_EQ(carried(udp, packet(own, 0x100)), "looped");
  EXPECT_EQ(carried(udp, packet(own, 0)), "none") << "a key manager's";
  EXPECT_EQ(carried(udp, packet(keep_alive, 0)), "none") << "a keep-alive";
  EXPECT_EQ(carried(udp, packet(port, 0x100)), "none") << "another port";
  EXPECT_EQ(carried(udp, packet(from, 0x100)), "none") << "another host behind this gateway";
  EXPECT_EQ(carried(esp, packet(own, 0x100)), "none") << "UDP, and the SA is not";
  EXPECT_EQ(carried(esp, packet(host_esp, 0x100)), "none") << "another host's ESP to the same peer";
  // Without a source of its own, the SA cannot decide whose packet it is.
  Wish nameless = esp;
  nameless.src = "0.0.0.0";
  EXPECT_EQ(carried(nameless, packet(host_esp, 0x100)), "looped");
}

// RFC 4301 section 4.1 allows both; an SA that names the protocol means exactly that.
TEST(Loop, AnSaForEspProtectsEspToItsOwnPeer) {
  Shape shape{.protocol = kEsp};
  for (const auto& [kind, cause] : {std::pair{kKinds[1], "none"}, std::pair{kKinds[0], "looped"}}) {
    Host host;
    Message m = add(0x100, wish_of(kind, kEnds[0], false));
    m.src->proto = m.dst->proto = kEsp;
    ASSERT_EQ(host.add(std::move(m)), kDone);
    EXPECT_EQ(name(protect(host, datagram(shape)).cause), cause);
  }
}

}  // namespace
}  // namespace ipseckey::traffic
