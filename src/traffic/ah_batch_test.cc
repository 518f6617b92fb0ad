// AH packets in batches are what they are one by one.
#include <gmock/gmock.h>

#include "traffic/testing.h"

namespace ipseckey::traffic {
namespace {

using namespace testing;
using engine::testing::kDone;

Octets packet_of(std::size_t i, bool v6) {
  const Shape shape{.src = v6 ? "2001:db8::1" : "192.0.2.1",
                    .dst = v6 ? "2001:db8::2" : "192.0.2.2",
                    .size = i * 37 % 1200,
                    .traffic_class = static_cast<std::uint8_t>(i * 4),
                    .dst_port = static_cast<std::uint16_t>(2000 + i)};
  return datagram(shape);
}

// An IPv6 packet with a destination options header of 8 * units bytes.
Octets with_options(std::size_t units) {
  Octets packet = packet_of(3, true);
  Octets options(8 * units);
  options[0] = std::byte{kUdp}, options[1] = static_cast<std::byte>(units - 1);
  options[2] = std::byte{1};
  std::size_t at = 2;
  while (at < options.size()) {  // PadN.
    const std::size_t size = std::min<std::size_t>(options.size() - at, 200);
    if (size < 2) {
      options[at++] = std::byte{0};
      continue;
    }
    options[at] = std::byte{1}, options[at + 1] = static_cast<std::byte>(size - 2);
    at += size;
  }
  packet[6] = std::byte{60};
  packet.insert(packet.begin() + 40, options.begin(), options.end());
  set(packet, 4, static_cast<std::uint16_t>(packet.size() - 40));
  return packet;
}

struct Pair {
  Host one, all, there;
  explicit Pair(const Wish& wish) {
    for (Host* const host : {&one, &all, &there}) EXPECT_EQ(host->add(add(0x100, wish)), kDone);
  }
  // Protects them as one batch, as single packets, compares, damages every second one, opens them as one batch.
  void carry(const std::vector<Octets>& packets, std::size_t tail = Packet::kTailroom) {
    std::vector<Held> held;
    for (const Octets& p : packets) held.emplace_back(p, Packet::kHeadroom, tail);
    std::vector<Item> items(held.size());
    for (std::size_t i = 0; i < items.size(); ++i)
      items[i].packet = {held[i].memory, held[i].item.packet.at, held[i].item.packet.size};
    all.worker.protect(items, at(0));
    std::vector<Octets> sealed;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const MutableBytes bytes = items[i].packet.bytes();
      sealed.emplace_back(bytes.begin(), bytes.end());
      const Result single = protect(one, packets[i]);
      ASSERT_EQ(name(items[i].cause), "none");
      ASSERT_EQ(hex(sealed[i]), hex(single.packet)) << i << " of " << items.size();
    }
    for (std::size_t i = 1; i < sealed.size(); i += 2) sealed[i].back() ^= std::byte{1};
    std::vector<Octets> memory = sealed;
    std::vector<Item> arrived(memory.size());
    for (std::size_t i = 0; i < memory.size(); ++i) arrived[i].packet = {memory[i], 0, memory[i].size()};
    there.worker.unprotect(arrived, at(0));
    for (std::size_t i = 0; i < arrived.size(); ++i) {
      ASSERT_EQ(name(arrived[i].cause), i & 1 ? "corrupt" : "none") << i << " of " << arrived.size();
      const Bytes opened = arrived[i].packet.bytes();
      if (i & 1) {
        ASSERT_EQ(hex(memory[i]), hex(sealed[i])) << "a packet that is dropped stays as it was";
      } else {
        ASSERT_EQ(hex(opened), hex(packets[i])) << i;
      }
    }
  }
};

TEST(AhBatch, IsWhatSinglePacketsAre) {
  for (const bool v6 : {false, true})
    for (const bool esn : {false, true})
      for (const pfkey::Algorithm& row : pfkey::algorithms()) {
        if (row.kind != pfkey::AlgorithmKind::auth) continue;
        SCOPED_TRACE(fmt::format("{}, {}, {}", row.name(), v6, esn));
        Pair pair({.encrypt = 0,
                   .auth = row.number,
                   .src = v6 ? "2001:db8::1" : "192.0.2.1",
                   .dst = v6 ? "2001:db8::2" : "192.0.2.2",
                   .window = 255,
                   .esn = esn});
        for (const std::size_t count : {1u, 2u, 7u, 16u, 17u, 32u, 40u}) {
          std::vector<Octets> packets;
          for (std::size_t i = 0; i < count; ++i) packets.push_back(packet_of(i, v6));
          pair.carry(packets);
        }
      }
}

TEST(AhBatch, HasPacketsWithLongHeaders) {
  for (const bool esn : {false, true}) {
    Pair pair({.encrypt = 0, .auth = 5, .src = "2001:db8::1", .dst = "2001:db8::2", .window = 255, .esn = esn});
    std::vector<Octets> packets;
    for (std::size_t i = 0; i < 20; ++i) packets.push_back(with_options(1 + i));
    pair.carry(packets);
  }
}

// The high half of the number has no place there.
TEST(AhBatch, NeedsNoRoomBehindPackets) {
  Pair pair({.encrypt = 0, .auth = 5, .window = 255, .esn = true});
  std::vector<Octets> packets;
  for (std::size_t i = 0; i < 20; ++i) packets.push_back(packet_of(i, false));
  pair.carry(packets, 0);
}

}  // namespace
}  // namespace ipseckey::traffic
