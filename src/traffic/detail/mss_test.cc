/// How TCP learns about a tunnel: the option of SYN and SYN-ACK, lowered to what fits, and nothing else.
#include "traffic/detail/mss.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "traffic/detail/tcp.h"
#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;

constexpr std::uint8_t kSyn = 0x02, kSynAck = 0x12, kAck = 0x10;

// A segment with those flags and options, and a right checksum.
Octets tcp(const char* src, const char* dst, std::uint8_t flags, std::vector<int> options, std::size_t payload = 0) {
  while (options.size() % 4 != 0) options.push_back(0);
  const std::size_t header = header_size(parse_address(dst)->family), size = kTcpLeast + options.size() + payload;
  Octets packet = datagram({.src = src, .dst = dst, .size = size - 8, .protocol = kTcp});
  const MutableBytes segment = MutableBytes(packet).subspan(header);
  segment[kTcpOffset] = static_cast<std::byte>((kTcpLeast + options.size()) / 4 << 4);
  segment[kTcpFlags] = static_cast<std::byte>(flags);
  for (std::size_t i = 0; i < options.size(); ++i) segment[kTcpLeast + i] = static_cast<std::byte>(options[i]);
  mend_transport_checksum(packet, *parse(packet));
  return packet;
}

std::vector<int> mss(int value) { return {2, 4, value >> 8, value & 0xff}; }

// The same packet with the right checksum.
Octets summed(Octets packet) {
  mend_transport_checksum(packet, *parse(packet));
  return packet;
}

Octets lowered(Octets packet, std::uint32_t mtu) {
  const auto h = parse(packet);
  if (opens_connection(packet, *h)) lower_mss(packet, *h, mtu);
  return packet;
}

TEST(Mss, IsLoweredAndNeverRaised) {
  struct Row {
    int said;
    std::uint32_t mtu;
    int v4, v6;
  };
  for (const Row& row : {Row{1460, 1400, 1360, 1340}, Row{1360, 1400, 1360, 1340}, Row{1340, 1400, 1340, 1340},
                         Row{1000, 1400, 1000, 1000}, Row{65535, 1400, 1360, 1340}, Row{9000, 70000, 9000, 9000},
                         Row{1460, 600, 560, 1220}, Row{1460, 300, 536, 1220}, Row{1460, 0, 536, 1220},
                         Row{400, 300, 400, 400}, Row{0, 300, 0, 0}})
    for (const std::uint8_t flags : {kSyn, kSynAck}) {
      SCOPED_TRACE(fmt::format("{} for {}", row.said, row.mtu));
      EXPECT_EQ(hex(lowered(tcp("10.1.0.1", "10.2.0.1", flags, mss(row.said)), row.mtu)),
                hex(tcp("10.1.0.1", "10.2.0.1", flags, mss(row.v4))));
      EXPECT_EQ(hex(lowered(tcp("fd01::1", "fd02::1", flags, mss(row.said)), row.mtu)),
                hex(tcp("fd01::1", "fd02::1", flags, mss(row.v6))));
    }
}

// At every position, also across two words of the checksum, and with every value.
TEST(Mss, TheChecksumStaysRight) {
  for (std::size_t before = 0; before < 8; ++before)
    for (int said = 1361; said < 65536; said += 97) {
      std::vector<int> options(before, 1);
      std::ranges::copy(mss(said), std::back_inserter(options));
      const Octets packet = lowered(tcp("10.1.0.1", "10.2.0.1", kSyn, options), 1400);
      ASSERT_EQ(hex(packet), hex(summed(packet))) << before << " " << said;
      ASSERT_EQ(get<std::uint16_t>(packet, 20 + kTcpLeast + before + 2), 1360);
    }
}

TEST(Mss, AWrongChecksumStaysWrong) {
  Octets packet = tcp("10.1.0.1", "10.2.0.1", kSyn, mss(1460));
  packet[20 + kTcpSum] ^= std::byte{0x40};
  const Octets out = lowered(packet, 1400);
  EXPECT_EQ(get<std::uint16_t>(out, 20 + kTcpLeast + 2), 1360);
  EXPECT_NE(hex(out), hex(summed(out)));
}

TEST(Mss, OtherPacketsAreUnchanged) {
  const auto untouched = [](const Octets& packet) { return hex(lowered(packet, 1400)) == hex(packet); };
  EXPECT_TRUE(untouched(tcp("10.1.0.1", "10.2.0.1", kAck, mss(1460)))) << "no SYN";
  EXPECT_TRUE(untouched(tcp("10.1.0.1", "10.2.0.1", kSyn, {}))) << "no options";
  EXPECT_TRUE(untouched(datagram({.src = "10.1.0.1", .dst = "10.2.0.1"}))) << "UDP";
  for (const std::vector<int>& options : {std::vector{0, 0, 2, 4, 5, 180},  // Behind the end.
                                          {3, 0, 2, 4, 5, 180},             // An option of no length,
                                          {3, 1, 2, 4, 5, 180},             // of too little,
                                          {3, 9, 2, 4, 5, 180},             // of more than there is.
                                          {1, 1, 1, 2},                     // No length, no value.
                                          {1, 1, 2, 4},                     // No value.
                                          {1, 2, 4, 5},                     // Half of it.
                                          {2, 3, 255, 255},
                                          {2, 6, 5, 180, 0, 0},                      // Another size.
                                          {8, 10, 2, 4, 255, 255, 2, 4, 255, 255}})  // Inside another option.
    EXPECT_TRUE(untouched(tcp("10.1.0.1", "10.2.0.1", kSyn, options)));
  Octets fragment = tcp("10.1.0.1", "10.2.0.1", kSyn, mss(1460));
  fragment[6] = std::byte{0x20};
  mend_checksum(fragment);
  EXPECT_TRUE(untouched(fragment));
  Octets cut = tcp("10.1.0.1", "10.2.0.1", kSyn, mss(1460));
  cut.resize(cut.size() - 2);
  mend_length(cut);
  EXPECT_TRUE(untouched(cut));
  // Two of them: both.
  auto twice = mss(1460);
  std::ranges::copy(mss(1440), std::back_inserter(twice));
  auto both = mss(1360);
  std::ranges::copy(mss(1360), std::back_inserter(both));
  EXPECT_EQ(hex(lowered(tcp("10.1.0.1", "10.2.0.1", kSyn, twice), 1400)), hex(tcp("10.1.0.1", "10.2.0.1", kSyn, both)));
}

// Both families in both, both directions: the longest segment of such a connection just fits.
TEST(Mss, ThroughATunnelItFitsPathAndSa) {
  struct Row {
    const char *src, *dst, *inner_src, *inner_dst, *a, *b;
    std::uint8_t prefix;
  };
  for (const Row& row : {Row{"192.0.2.1", "192.0.2.2", "10.1.0.0", "10.2.0.0", "10.1.0.1", "10.2.0.1", 16},
                         Row{"192.0.2.1", "192.0.2.2", "fd01::", "fd02::", "fd01::1", "fd02::1", 32},
                         Row{"2001:db8::1", "2001:db8::2", "10.1.0.0", "10.2.0.0", "10.1.0.1", "10.2.0.1", 16},
                         Row{"2001:db8::1", "2001:db8::2", "fd01::", "fd02::", "fd01::1", "fd02::1", 32}})
    for (const std::uint8_t encrypt : {std::uint8_t{20}, std::uint8_t{0}})
      for (const std::uint32_t path : {0u, 1400u}) {
        SCOPED_TRACE(fmt::format("{} {} {} {}", row.src, row.a, encrypt, path));
        const Wish wish{.encrypt = encrypt,
                        .auth = encrypt ? std::uint8_t{0} : std::uint8_t{5},
                        .src = row.src,
                        .dst = row.dst,
                        .tunnel = true,
                        .inner_src = row.inner_src,
                        .inner_dst = row.inner_dst,
                        .prefix = row.prefix};
        const PlaneOptions options{.workers = 1, .mtu = 1500, .mss_clamp = 1460};
        Host here(options), there(options), plain;
        for (Host* const host : {&here, &there, &plain}) ASSERT_EQ(host->add(add(0x100, wish)), kDone);
        const engine::SaId id{encrypt ? pfkey::SaType::esp : pfkey::SaType::ah, 0x100, *parse_address(row.dst)};
        if (path) here.plane.path_mtu(id, path, at(0)), there.plane.path_mtu(id, path, at(0));
        const Octets syn = tcp(row.a, row.b, kSyn, mss(9000));
        const Result out = protect(here, syn);
        ASSERT_EQ(name(out.cause), "none");
        const Octets seen = unprotect(plain, out.packet).packet;
        const std::size_t header = header_size(parse_address(row.a)->family);
        const std::uint16_t said = get<std::uint16_t>(seen, header + kTcpLeast + 2);
        EXPECT_EQ(hex(seen), hex(tcp(row.a, row.b, kSyn, mss(said))));
        const auto fits = [&](std::size_t payload) {
          const Result r = protect(here, tcp(row.a, row.b, kAck, {}, payload));
          return r.cause == Cause::none && r.packet.size() <= (path ? path : 1500u) &&
                 header + kTcpLeast + payload <= options.mss_clamp;
        };
        EXPECT_TRUE(fits(said));
        EXPECT_FALSE(fits(said + 1u));
        // An inbound option is lowered for the packets in the other direction: here for an SA like the one by which it
        // arrived.
        const Result came = unprotect(there, protect(plain, syn).packet);
        ASSERT_EQ(name(came.cause), "none");
        EXPECT_EQ(hex(came.packet), hex(seen));
      }
}

// The other direction has an SA of its own, and a smaller path MTU.
TEST(Mss, AnInboundSynIsLoweredForTheWayBack) {
  const PlaneOptions options{.workers = 1, .mtu = 1500, .mss_clamp = 1380};
  Host here, there(options);
  ASSERT_EQ(here.add(add(0x100, {.tunnel = true})), kDone);
  ASSERT_EQ(there.add(add(0x100, {.tunnel = true})), kDone);
  ASSERT_EQ(there.add(add(0x200, {.encrypt = 12,
                                  .auth = 7,
                                  .src = "192.0.2.2",
                                  .dst = "192.0.2.1",
                                  .tunnel = true,
                                  .inner_src = "10.2.0.0",
                                  .inner_dst = "10.1.0.0"})),
            kDone);
  there.plane.path_mtu({pfkey::SaType::esp, 0x200, *parse_address("192.0.2.1")}, 1000, at(0));
  const Octets came = unprotect(there, protect(here, tcp("10.1.0.1", "10.2.0.1", kSyn, mss(1460))).packet).packet;
  // 1000 less 20 (IP), 8 (ESP), 16 (IV), 32 (ICV): 57 blocks of 16, less 2 (ESP) and 40 (IP, TCP).
  EXPECT_EQ(hex(came), hex(tcp("10.1.0.1", "10.2.0.1", kSyn, mss(57 * 16 - 2 - 40))));
}

TEST(Mss, WithoutTheOptionAndInTransportModeNothingChanges) {
  Host plain, there, clamped({.workers = 1, .mtu = 1500, .mss_clamp = 1000});
  for (Host* const host : {&plain, &there}) ASSERT_EQ(host->add(add(0x100, {.tunnel = true})), kDone);
  const Octets syn = tcp("10.1.0.1", "10.2.0.1", kSyn, mss(9000));
  EXPECT_EQ(hex(unprotect(there, protect(plain, syn).packet).packet), hex(syn));
  ASSERT_EQ(clamped.add(add(0x200)), kDone);
  ASSERT_EQ(there.add(add(0x200)), kDone);
  const Octets direct = tcp("192.0.2.1", "192.0.2.2", kSyn, mss(9000));
  EXPECT_EQ(hex(unprotect(there, protect(clamped, direct).packet).packet), hex(direct));
}

}  // namespace
}  // namespace ipseckey::traffic
