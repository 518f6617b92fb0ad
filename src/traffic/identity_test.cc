/// What an outer header reveals about the sender: its address, and the datagram's identification.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;

std::uint16_t id_of(const Octets& packet) { return get<std::uint16_t>(packet, 4); }
const Shape kInner{.src = "10.1.0.1", .dst = "10.2.0.1"};

// The kernel chooses a source only for IPv4, and for AH it must not.
TEST(Identity, ATunnelWithoutASourceSendsNothingIfNobodyCanChooseOne) {
  struct Row {
    std::uint8_t encrypt, auth;
    bool v6, udp;
    const char* cause;
  };
  for (const Row& row : {Row{20, 0, true, false, "not_usable"}, Row{20, 0, true, true, "not_usable"},
                         Row{0, 5, true, false, "not_usable"}, Row{0, 5, false, false, "not_usable"},
                         Row{20, 0, false, false, "none"}, Row{20, 0, false, true, "none"}}) {
    Host host;
    ASSERT_EQ(host.add(add(0x100, {.encrypt = row.encrypt,
                                   .auth = row.auth,
                                   .src = row.v6 ? "::" : "0.0.0.0",
                                   .dst = row.v6 ? "2001:db8::2" : "192.0.2.2",
                                   .tunnel = true,
                                   .udp = row.udp})),
              kDone);
    EXPECT_EQ(name(protect(host, datagram(kInner)).cause), row.cause);
    EXPECT_EQ(host.plane.outbound().packets, std::string_view(row.cause) == "none" ? 1u : 0u);
  }
}

// A raw socket fills in an ID of 0, which the ICV of AH covers (RFC 4302 section 3.3.3.1.1.1).
TEST(Identity, NoIpv4PacketLeavesWithTheId0) {
  for (const Wish& wish :
       {Wish{.tunnel = true}, Wish{.encrypt = 0, .auth = 5, .tunnel = true}, Wish{}, Wish{.encrypt = 0, .auth = 5}}) {
    Host here, there;
    ASSERT_EQ(here.add(add(0x100, wish)), kDone);
    ASSERT_EQ(there.add(add(0x100, wish)), kDone);
    Octets plain = datagram(wish.tunnel ? kInner : Shape{});
    set(plain, 4, std::uint16_t{0});  // As a host sends packets that must not be fragmented.
    mend_checksum(plain);
    for (int i = 0; i < 66000; ++i) {
      const Octets packet = protect(here, plain).packet;
      ASSERT_NE(id_of(packet), 0) << i;
      if (i % 1000 == 0) {
        ASSERT_EQ(name(unprotect(there, packet).cause), "none");
      }
    }
  }
}

// In transport mode a packet that has one keeps it.
TEST(Identity, APacketKeepsItsId) {
  Host here, there;
  for (Host* const host : {&here, &there}) ASSERT_EQ(host->add(add(0x100, {.encrypt = 0, .auth = 5})), kDone);
  Octets plain = datagram();
  set<std::uint16_t>(plain, 4, 0x1234);
  mend_checksum(plain);
  const Octets packet = protect(here, plain).packet;
  EXPECT_EQ(id_of(packet), 0x1234);
  EXPECT_EQ(hex(unprotect(there, packet).packet), hex(plain));
}

// RFC 6864 section 4.3: not twice between two addresses while the first may still be on its way, whichever thread
// sends.
TEST(Identity, IdsDoNotRepeatBetweenThreadsAndSas) {
  Plane plane{{.workers = 2, .mtu = 1500, .random = nullptr}};
  engine::Engine engine(engine::Options{.is_local = {}, .random = {}, .usable = {}, .carrier = &plane});
  ASSERT_EQ(engine::testing::outcome(engine, add(0x100, {.tunnel = true})), kDone);
  ASSERT_EQ(
      engine::testing::outcome(engine, add(0x101, {.tunnel = true, .inner_src = "10.3.0.0", .inner_dst = "10.4.0.0"})),
      kDone);
  std::array workers = {plane.worker(0), plane.worker(1)};
  std::set<std::uint16_t> seen;
  for (unsigned i = 0; i < 60000; ++i) {
    Held held(datagram(i % 3 ? kInner : Shape{.src = "10.3.0.1", .dst = "10.4.0.1"}));
    workers[i % 2].protect({&held.item, 1}, at(0));
    ASSERT_EQ(name(held.item.cause), "none");
    ASSERT_TRUE(seen.insert(id_of(held.bytes())).second) << i;
  }
}

// RFC 7739 section 4: the numbers to one destination reveal nothing about those to another, or after a restart.
TEST(Identity, IdsToEachDestinationStartElsewhereAfterEachRestart) {
  std::map<std::uint16_t, int> starts;
  for (int life = 0; life < 4; ++life) {
    Host host({.workers = 1, .mtu = 1500, .random = nullptr});
    for (int peer = 0; peer < 50; ++peer) {
      const std::string dst = fmt::format("192.0.2.{}", peer + 2), net = fmt::format("10.{}.0.0", peer + 2);
      const std::string to = fmt::format("10.{}.0.1", peer + 2);
      ASSERT_EQ(host.add(add(0x100, {.dst = dst.c_str(), .tunnel = true, .inner_dst = net.c_str()})), kDone);
      ++starts[id_of(protect(host, datagram({.src = "10.1.0.1", .dst = to.c_str()})).packet)];
    }
  }
  EXPECT_GT(starts.size(), 190u);  // Of 200; two that agree by chance are rare.
}

// The Fragment header's identification, where we are the source (RFC 8200 section 4.5).
TEST(Identity, EachFragmentedDatagramOverIpv6HasItsOwnId) {
  std::set<std::uint32_t> seen;
  for (int life = 0; life < 4; ++life) {
    Plane plane{{.workers = 2, .mtu = 1280, .random = nullptr}};
    engine::Engine engine(engine::Options{.is_local = {}, .random = {}, .usable = {}, .carrier = &plane});
    ASSERT_EQ(
        engine::testing::outcome(engine, add(0x100, {.src = "2001:db8::1", .dst = "2001:db8::2", .tunnel = true})),
        kDone);
    std::array workers = {plane.worker(0), plane.worker(1)};
    for (unsigned i = 0; i < 1000; ++i) {
      Held held(datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = 1300}));
      workers[i % 2].protect({&held.item, 1}, at(0));
      ASSERT_EQ(name(held.item.cause), "none");
      ASSERT_TRUE(seen.insert(held.item.departure.id).second) << i;
    }
  }
}

}  // namespace
}  // namespace ipseckey::traffic
