#include <fmt/format.h>
#include <gmock/gmock.h>

#include <array>
#include <bit>

#include "crypto/testing.h"
#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using crypto::testing::Vector;

// The vector's octets instead of random ones, repeatedly.
Octets chance;
void chosen(MutableBytes out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = chance[i % chance.size()];
}

// An SA as a vector with a cipher, integrity or both names it.
Message sa_of(const Vector& v) {
  using enum pfkey::AlgorithmKind;
  const auto type = v.text("satype") == "ah" ? pfkey::SaType::ah : pfkey::SaType::esp;
  Message m = engine::testing::request(pfkey::Type::add, type, v.number("spi"));
  m.src = endpoint(v.text("src")), m.dst = endpoint(v.text("dst"));
  if (v.has("number")) m.replay_value = pfkey::ReplayValue{.low = v.number("number"), .wide = 0};
  if (v.has("tunnel")) {
    m.sa->flags |= pfkey::kFlagTunnel;
    m.inner_src = m.inner_dst = endpoint(parse(v.bytes("plain"))->src.family == Family::v4 ? "0.0.0.0" : "::");
  }
  const auto key = [&](const std::string& name) {
    const Octets octets = v.bytes(name);
    return pfkey::Key{static_cast<std::uint16_t>(octets.size() * 8), 0, Secret(Bytes(octets))};
  };
  if (v.has("encrypt")) m.sa->encrypt = pfkey::find_algorithm(encrypt, v.text("encrypt"))->number;
  if (v.has("key")) m.encrypt_key = key("key");
  if (!v.has("auth")) return m;
  m.sa->auth = pfkey::find_algorithm(auth, v.text("auth"))->number;
  m.auth_key = key("auth_key");
  return m;
}

// A packet under AH without its ID, and so without checksum and ICV: the ID differs from the vector's, because 0 is
// never sent. A receiver that accepts the vector's ICV also verifies ours.
Octets without_id(Octets packet) {
  const auto h = parse(packet);
  if (!h || h->upper != kAh) return packet;
  const MutableBytes all(packet);
  std::ranges::fill(all.subspan(4, 2), std::byte{0});
  std::ranges::fill(all.subspan(10, 2), std::byte{0});
  std::ranges::fill(all.subspan(h->upper_at + 12, std::to_integer<std::size_t>(all[h->upper_at + 1]) * 4 - 4),
                    std::byte{0});
  return packet;
}

// The result in transport mode: the packet with the ID with which it was sent.
Octets with_id_of(Octets packet, const Octets& sent, bool tunnel) {
  if (tunnel || (packet[0] >> 4) == std::byte{6}) return packet;
  set(packet, 4, get<std::uint16_t>(sent, 4));
  mend_checksum(packet);
  return packet;
}

TEST(Vectors, WholePacketsMatchInBothDirections) {
  std::size_t count = 0;
  for (const Vector& v : crypto::testing::read_vectors("packets.txt")) {
    SCOPED_TRACE(v.text("source"));
    chance = v.has("random") ? v.bytes("random") : Octets(8);
    Host here({.workers = 1, .mtu = 1500, .random = chosen}), there;
    ASSERT_EQ(here.add(sa_of(v)), engine::testing::kDone);
    ASSERT_EQ(there.add(sa_of(v)), engine::testing::kDone);
    const Result out = protect(here, v.bytes("plain"));
    ASSERT_EQ(name(out.cause), "none");
    // In a new outer header, the identification (ESP) and the TTL (AH) differ from the vector's.
    const std::size_t front = v.has("tunnel") ? 20 : 0;
    const Octets wire = v.bytes("wire");
    EXPECT_EQ(hex(Bytes(without_id(out.packet)).subspan(front)), hex(Bytes(without_id(wire)).subspan(front)));
    Host other;
    ASSERT_EQ(other.add(sa_of(v)), engine::testing::kDone);
    EXPECT_EQ(hex(unprotect(other, out.packet).packet), hex(with_id_of(v.bytes("plain"), out.packet, front != 0)));
    const Result in = unprotect(there, wire);
    ASSERT_EQ(name(in.cause), "none");
    EXPECT_EQ(hex(in.packet), hex(v.bytes("plain")));
    ++count;
  }
  EXPECT_EQ(count, 7u);
}

// Vectors of others, whose outer headers differ from ours. All of them are opened. ESP of ours is the same behind the
// outer header; the ICV of AH covers that header, so it differs.
std::size_t run_both_ways(const char* file) {
  std::size_t count = 0;
  for (const Vector& v : crypto::testing::read_vectors(file)) {
    SCOPED_TRACE(v.text("source"));
    const Octets plain = v.bytes("plain"), wire = v.bytes("wire");
    chance = v.has("random") ? v.bytes("random") : Octets(8);
    if (!v.has("auth")) {  // A counter begins with an integer in the host's order.
      const auto first = std::bit_cast<std::array<std::byte, 8>>(get<std::uint64_t>(chance, 0));
      chance.assign(first.begin(), first.end());
    }
    Host here({.workers = 1, .mtu = 1500, .random = chosen}), there, other;
    for (Host* const host : {&here, &there, &other}) EXPECT_EQ(host->add(sa_of(v)), engine::testing::kDone);
    const Result in = unprotect(there, wire);
    EXPECT_EQ(name(in.cause), "none");
    EXPECT_EQ(hex(in.packet), hex(plain));
    const Result out = protect(here, plain);
    EXPECT_EQ(name(out.cause), "none");
    const std::size_t header = parse(wire)->network;
    if (v.text("satype") == "esp") {
      EXPECT_EQ(hex(Bytes(out.packet).subspan(header)), hex(Bytes(wire).subspan(header)));
    }
    EXPECT_EQ(hex(unprotect(other, out.packet).packet), hex(with_id_of(plain, out.packet, v.has("tunnel"))));
    ++count;
  }
  return count;
}

TEST(Vectors, PacketsOfDpdkMatchInBothDirections) { EXPECT_EQ(run_both_ways("dpdk.txt"), 20u); }

TEST(Vectors, PacketsOfOpenDataPlaneMatchInBothDirections) { EXPECT_EQ(run_both_ways("odp.txt"), 8u); }

}  // namespace
}  // namespace ipseckey::traffic
