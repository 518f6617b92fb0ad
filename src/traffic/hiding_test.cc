/// Octets after a tunnel's inner packet that hide its length (RFC 4303 section 2.7).
#include <gmock/gmock.h>

#include "traffic/segment.h"
#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;

constexpr std::uint8_t kNull = 11, kSha256 = 5, kAesCbc = 12;

// A host, and its packets in a buffer with room for the longest.
Octets sent(Host& host, Bytes packet, Cause expected = Cause::none, Instant now = at(0)) {
  Held held(packet, Packet::kHeadroom, 10'000);
  std::ranges::fill(MutableBytes(held.memory).subspan(Packet::kHeadroom + packet.size()), std::byte{0xee});
  host.worker.protect({&held.item, 1}, now);
  EXPECT_EQ(name(held.item.cause), name(expected));
  return held.item.cause == Cause::none ? held.bytes() : Octets{};
}

struct Path {
  const char *src, *dst, *inner_src, *inner_dst, *inside_src, *inside_dst;
  std::uint8_t prefix;
  std::size_t outer, inner;  // Bytes of headers.
};
constexpr std::array kPaths = {
    Path{"192.0.2.1", "192.0.2.2", "10.1.0.0", "10.2.0.0", "10.1.0.1", "10.2.0.1", 16, 20, 20},
    Path{"192.0.2.1", "192.0.2.2", "fd01::", "fd02::", "fd01::1", "fd02::1", 32, 20, 40},
    Path{"2001:db8::1", "2001:db8::2", "10.1.0.0", "10.2.0.0", "10.1.0.1", "10.2.0.1", 16, 40, 20},
    Path{"2001:db8::1", "2001:db8::2", "fd01::", "fd02::", "fd01::1", "fd02::1", 32, 40, 40},
};

// Without encryption all of it is readable: the packet, zeros up to the size, 1 2 3 ..., their number, the protocol.
// covers RFC4303-2.7-1 RFC4303-2.7-2 RFC4303-2.7-4
TEST(Hiding, ShorterPacketsArePaddedToTheRequestedSizeAndOpened) {
  for (const Path& f : kPaths)
    for (const bool udp : {false, true})
      for (const std::uint32_t size : {1u, 300u, 301u, 302u, 303u, 304u})
        for (const std::size_t payload : {0u, 1u, 200u, 251u, 252u, 253u, 255u, 256u, 270u, 276u, 900u}) {
          SCOPED_TRACE(fmt::format("{} in {}, udp {}, {} for {}", f.inner_src, f.src, udp, size, payload));
          const Wish wish{.encrypt = kNull,
                          .auth = kSha256,
                          .src = f.src,
                          .dst = f.dst,
                          .tunnel = true,
                          .inner_src = f.inner_src,
                          .inner_dst = f.inner_dst,
                          .prefix = f.prefix,
                          .udp = udp,
                          .tfc_pad = size};
          Host here, there;
          ASSERT_EQ(here.add(add(0x100, wish)), kDone);
          ASSERT_EQ(there.add(add(0x100, wish)), kDone);
          const Octets plain = datagram({.src = f.inside_src, .dst = f.inside_dst, .size = payload});
          const Octets wire = sent(here, plain);
          const std::size_t at = f.outer + (udp ? 8 : 0) + 8, text = std::max<std::size_t>(plain.size(), size);
          const std::size_t padding = 3 - (text + 1) % 4;
          Octets expected = plain;
          expected.resize(text);
          for (std::size_t i = 1; i <= padding; ++i) expected.push_back(static_cast<std::byte>(i));
          expected.push_back(static_cast<std::byte>(padding));
          expected.push_back(static_cast<std::byte>(f.inner == 20 ? kIpv4 : kIpv6));
          ASSERT_EQ(wire.size(), at + expected.size() + 16);
          EXPECT_EQ(hex(Bytes(wire).subspan(at, expected.size())), hex(expected));
          const Result in = unprotect(there, wire);
          EXPECT_EQ(name(in.cause), "none");
          EXPECT_EQ(hex(in.packet), hex(plain));
        }
}

// AES-CBC, the largest blocks: 20 and 8 and 16 before, 16 behind, so that of 1500 bytes 1440 can be encrypted.
TEST(Hiding, NoPacketExceedsThePathMtu) {
  for (const std::uint32_t mtu : {1500u, 1499u, 1100u, 600u})
    for (const std::uint32_t size : {1438u, 1439u, 9000u, 65'535u}) {
      const Wish wish{.encrypt = kAesCbc, .auth = kSha256, .tunnel = true, .tfc_pad = size};
      Host here, there;
      ASSERT_EQ(here.add(add(0x100, wish)), kDone);
      ASSERT_EQ(there.add(add(0x100, wish)), kDone);
      const engine::SaId id{pfkey::SaType::esp, 0x100, *parse_address("192.0.2.2")};
      if (mtu != 1500) here.plane.path_mtu(id, mtu, at(0));
      const std::size_t fits = (mtu - 60) / 16 * 16 - 2;  // Bytes of the inner packet.
      const std::size_t longest = 60 + (std::min<std::size_t>(size, fits) + 2 + 15) / 16 * 16;
      for (const std::size_t payload : {std::size_t{0}, std::size_t{100}, fits - 28}) {
        const Octets plain = datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = payload, .dont_fragment = true});
        const Octets wire = sent(here, plain);
        EXPECT_EQ(wire.size(), longest) << mtu << " " << size << " " << payload;
        EXPECT_EQ(hex(unprotect(there, wire).packet), hex(plain));
      }
      // A packet that was too long remains so, and the reported size is the same as without.
      const Result over =
          protect(here, datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = fits - 27, .dont_fragment = true}));
      EXPECT_EQ(name(over.cause), "too_big");
      EXPECT_EQ(over.mtu, fits);
    }
}

// A packet that leaves in fragments is not padded.
TEST(Hiding, PacketsThatExceedThePathMtuAreNotPadded) {
  const Wish plain{.tunnel = true}, hiding{.tunnel = true, .tfc_pad = 65'535};
  Host one, other;
  ASSERT_EQ(one.add(add(0x100, plain)), kDone);
  ASSERT_EQ(other.add(add(0x100, hiding)), kDone);
  const Octets packet = datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = 2000});
  EXPECT_EQ(sent(one, packet).size(), sent(other, packet).size());
}

// The host's stack passes them in one piece.
TEST(Hiding, EachSegmentOfALongPacketIsPadded) {
  Host here({.mtu = 1400}), there;
  const Wish wish{.tunnel = true, .tfc_pad = 1'200};
  ASSERT_EQ(here.add(add(0x100, wish)), kDone);
  ASSERT_EQ(there.add(add(0x100, wish)), kDone);
  Octets whole = datagram({.src = "10.1.0.1", .dst = "10.2.0.1", .size = 2'500});
  auto segments =
      Segments::of(whole, {.kind = Offload::Kind::udp, .size = 1'000, .unsummed = true, .sum_at = 20, .field = 6});
  ASSERT_TRUE(segments);
  std::vector<std::size_t> sizes, opened;
  Octets memory(4'000);
  Item item;
  item.packet = {memory, 0, 0};
  while (segments->next(item.packet)) {
    here.worker.protect({&item, 1}, at(0));
    ASSERT_EQ(name(item.cause), "none");
    sizes.push_back(item.packet.size);
    opened.push_back(unprotect(there, item.packet.bytes()).packet.size());
  }
  // 20, 8 and 8 before; 1200 and 2 are 1204; 16 behind.
  EXPECT_THAT(sizes, ::testing::ElementsAre(1256u, 1256u, 1256u));
  EXPECT_THAT(opened, ::testing::ElementsAre(1028u, 1028u, 528u));
}

// covers RFC4301-4.4.2.1-5
TEST(Hiding, TheSaCountsTheInnerPacket) {
  Host here;
  ASSERT_EQ(here.add(add(0x100, {.tunnel = true, .tfc_pad = 1000})), kDone);
  sent(here, datagram({.src = "10.1.0.1", .dst = "10.2.0.1"}));
  EXPECT_EQ(here.plane.carried({pfkey::SaType::esp, 0x100, *parse_address("192.0.2.2")})->bytes, 68u);
  EXPECT_EQ(here.plane.outbound().bytes, 68u);
}

TEST(Hiding, WithoutRoomInTheBufferAPacketIsDropped) {
  Host here;
  ASSERT_EQ(here.add(add(0x100, {.tunnel = true, .tfc_pad = 1000})), kDone);
  const Octets packet = datagram({.src = "10.1.0.1", .dst = "10.2.0.1"});
  for (const std::size_t tail : {std::size_t{0}, Packet::kTailroom, std::size_t{951}}) {
    Held held(packet, Packet::kHeadroom, tail);
    here.worker.protect({&held.item, 1}, at(0));
    EXPECT_EQ(name(held.item.cause), "no_room") << tail;
  }
  Held held(packet, Packet::kHeadroom, 952);  // 1000 less 68, 2 and 2, 16.
  here.worker.protect({&held.item, 1}, at(0));
  EXPECT_EQ(name(held.item.cause), "none");
}

TEST(Hiding, IsRefusedIfItsStartCannotBeFound) {
  for (const Wish& wish : {Wish{.tfc_pad = 100}, Wish{.encrypt = 0, .auth = kSha256, .tunnel = true, .tfc_pad = 100},
                           Wish{.tunnel = true, .tfc_pad = 65'536}}) {
    Host host;
    EXPECT_EQ(host.add(add(0x100, wish)), (engine::testing::Outcome{EINVAL, pfkey::Diagnostic::none}));
  }
}

}  // namespace
}  // namespace ipseckey::traffic
