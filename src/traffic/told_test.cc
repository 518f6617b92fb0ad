// Packets about which the caller says more than their bytes: headers as data, packets cut from one, a longer buffer.
// The results are those of packets without that.
#include <gmock/gmock.h>

#include "traffic/segment.h"
#include "traffic/testing.h"

namespace ipseckey::traffic::testing {
namespace {

struct Opened {
  std::string cause;
  Octets packet;
  bool operator==(const Opened&) const = default;
};

struct Case {
  const char* what;
  Wish wish;
  Octets packet;  // As it arrives, with its headers.
};

Opened with_headers(const Case& c) {
  Host host;
  host.add(add(0x100, c.wish));
  const Result r = unprotect(host, c.packet);
  return {std::string(name(r.cause)), r.packet};
}

// The payload is in the middle of other octets, which must not change.
Opened with_data(const Case& c) {
  Host host;
  host.add(add(0x100, c.wish));
  const auto h = parse(c.packet);
  const Bytes payload = Bytes(c.packet).subspan(h->upper_at + 8);
  constexpr std::size_t kBeside = 40;
  const std::byte other{0x5a};
  Octets piece(kBeside, other), spare(Packet::kHeadroom + c.packet.size() + Packet::kTailroom);
  piece.insert(piece.end(), payload.begin(), payload.end());
  piece.insert(piece.end(), kBeside, other);
  const Arrival told{.src = h->src,
                     .dst = h->dst,
                     .protocol = kUdp,
                     .src_port = h->src_port.value_or(0),
                     .dst_port = h->dst_port.value_or(0),
                     .traffic_class = h->traffic_class,
                     .hop_limit = h->hop_limit};
  Item item;
  item.packet = {MutableBytes(piece).subspan(kBeside, payload.size()), 0, payload.size()};
  item.told = &told;
  item.spare = spare;
  host.worker.unprotect({&item, 1}, at(0));
  EXPECT_THAT(std::span(piece).first(kBeside), ::testing::Each(other)) << c.what;
  EXPECT_THAT(std::span(piece).last(kBeside), ::testing::Each(other)) << c.what;
  if (item.cause != Cause::none) return {std::string(name(item.cause)), {}};
  return {std::string(name(item.cause)), {item.packet.bytes().begin(), item.packet.bytes().end()}};
}

Octets sent(Wish wish, const Shape& shape) {
  Host host;
  wish.window = 0;
  host.add(add(0x100, wish));
  return protect(host, datagram(shape)).packet;
}

Octets with_payload(Octets packet, const Octets& payload) {
  packet.resize(28);
  packet.insert(packet.end(), payload.begin(), payload.end());
  mend_length(packet);
  set(packet, 24, static_cast<std::uint16_t>(8 + payload.size()));
  return packet;
}

std::vector<Case> cases() {
  const Wish tunnel{.tunnel = true, .udp = true}, transport{.udp = true};
  const Wish tunnel6{.src = kSrc6, .dst = kDst6, .tunnel = true, .udp = true};
  const Wish transport6{.src = kSrc6, .dst = kDst6, .udp = true};
  const Shape inner{.src = "10.1.0.1", .dst = "10.2.0.1", .traffic_class = 3};
  const Octets good = sent(tunnel, inner);
  std::vector<Case> all = {
      {"a tunnel", tunnel, good},
      {"transport mode", transport, sent(transport, {})},
      {"a tunnel over IPv6", tunnel6, sent(tunnel6, inner)},
      {"transport mode over IPv6", transport6, sent(transport6, {.src = kSrc6, .dst = kDst6})},
      {"CBC with an HMAC",
       {.encrypt = 12, .auth = 5, .tunnel = true, .udp = true},
       sent({.encrypt = 12, .auth = 5, .tunnel = true, .udp = true}, inner)},
      {"no SA", {.src = "192.0.2.9", .dst = "192.0.2.8", .tunnel = true, .udp = true}, good},
      {"not in UDP", {.tunnel = true}, good},
      {"another network", {.tunnel = true, .inner_src = "10.7.0.0", .udp = true}, good},
      {"a keepalive", tunnel, with_payload(good, {std::byte{0xff}})},
      {"IKE", tunnel, with_payload(good, Octets(32))},
      {"short", tunnel, with_payload(good, Octets(7, std::byte{1}))},
      {"an ICV at most", tunnel, with_payload(good, Octets(good.begin() + 28, good.begin() + 28 + 24))},
  };
  all.push_back({"corrupt", tunnel, good});
  all.back().packet.back() ^= std::byte{1};
  all.push_back({"congestion", tunnel, good});
  set_traffic_class(all.back().packet, 3);
  all.push_back({"congestion, not understood", tunnel, sent(tunnel, {.src = "10.1.0.1", .dst = "10.2.0.1"})});
  set_traffic_class(all.back().packet, 3);
  return all;
}

TEST(Told, HeadersAsDataAreAsGoodAsHeaders) {
  for (const Case& c : cases()) EXPECT_EQ(with_data(c), with_headers(c)) << c.what;
}

TEST(Told, TheCasesHaveTheseCauses) {
  std::vector<std::string> causes;
  for (const Case& c : cases()) causes.push_back(with_headers(c).cause);
  EXPECT_THAT(causes,
              ::testing::ElementsAre("none", "none", "none", "none", "none", "no_sa", "wrong_encapsulation", "selector",
                                     "keep_alive", "ike", "truncated", "truncated", "corrupt", "none", "congested"));
}

// A packet in transport mode needs another buffer.
TEST(Told, WithoutThatBufferAPacketInTransportModeIsDropped) {
  Host host;
  host.add(add(0x100, {.udp = true}));
  Octets packet = sent({.udp = true}, {});
  const Arrival told{.src = *parse_address("192.0.2.1"), .dst = *parse_address("192.0.2.2"), .protocol = kUdp};
  Item item;
  item.packet = {MutableBytes(packet).subspan(28), 0, packet.size() - 28};
  item.told = &told;
  host.worker.unprotect({&item, 1}, at(0));
  EXPECT_EQ(name(item.cause), "no_room");
}

// The packets that one long packet is cut into, each in a buffer of 1,500 bytes, protected and opened again.
std::vector<Opened> carried(const Wish& wish, bool follow, std::uint64_t hard_bytes = 0, MutableBytes spare = {}) {
  constexpr std::size_t kSegments = 40, kPayload = 1000;
  Octets whole(40 + kSegments * kPayload);
  write_header(whole, {.src = *parse_address("10.1.0.1"), .dst = *parse_address("10.2.0.1"), .protocol = kTcp, .id = 7},
               whole.size());
  set(whole, 32, std::uint16_t{0x5010});
  auto segments =
      Segments::of(whole, {.kind = Offload::Kind::tcp, .size = kPayload, .unsummed = true, .sum_at = 20, .field = 16});
  std::vector<Octets> memory(kSegments, Octets(1500));
  std::vector<Item> items(kSegments);
  for (std::size_t i = 0; i < kSegments; ++i) {
    items[i].packet.memory = memory[i];
    items[i].follows = follow && i > 0;
    EXPECT_TRUE(segments->next(items[i].packet));
  }
  items[0].spare = spare;
  Host here, there;
  Message limited = add(0x100, wish);
  if (hard_bytes != 0)
    limited.hard = pfkey::Lifetime{.allocations = 0, .bytes = hard_bytes, .addtime = 0, .usetime = 0};
  here.add(std::move(limited));
  there.add(add(0x100, wish));
  here.worker.protect(items, at(0));
  std::vector<Opened> results;
  for (const Item& item : items) {
    if (item.cause != Cause::none) {
      results.push_back({std::string(name(item.cause)), {}});
      continue;
    }
    EXPECT_EQ(item.departure.dst, *parse_address("192.0.2.2"));
    const Result r = unprotect(there, item.packet.bytes());
    results.push_back({std::string(name(r.cause)), r.packet});
  }
  return results;
}

TEST(Follows, PacketsCutFromOneAreCarriedAsOthers) {
  const auto cause = [](const std::vector<Opened>& all, std::size_t i) { return all[i].cause; };
  for (const Wish& wish :
       {Wish{.tunnel = true, .udp = true}, Wish{.tunnel = true}, Wish{.encrypt = 0, .auth = 5, .tunnel = true},
        Wish{.tunnel = true, .inner_dst = "10.7.0.0"}}) {
    const auto together = carried(wish, true);
    EXPECT_EQ(together, carried(wish, false));
    EXPECT_EQ(cause(together, 0), std::string_view(wish.inner_dst) == "10.7.0.0" ? "no_sa" : "none");
  }
  const auto limited = carried({.tunnel = true}, true, 20'000);
  EXPECT_EQ(limited, carried({.tunnel = true}, false, 20'000));
  EXPECT_EQ(cause(limited, 0), "none");
  EXPECT_EQ(cause(limited, 39), "exhausted");
}

// What an SA adds may be more than the buffer has room for.
TEST(Spare, APacketThatNeedsMoreRoomIsMoved) {
  const Wish long_ones{.tunnel = true, .tfc_pad = 1400};
  const auto none = carried(long_ones, true);
  Octets spare(3000);
  const auto with = carried(long_ones, true, 0, spare);
  EXPECT_EQ(none[0].cause, "no_room");
  EXPECT_EQ(with[0].cause, "none");
  EXPECT_EQ(with[0].packet, carried({.tunnel = true}, true)[0].packet);
}

TEST(Spare, ADatagramIsPutTogetherInTheLongerBuffer) {
  Host host;
  host.add(add(0x100));
  const Octets whole = datagram({.size = 3000});
  std::vector<Octets> pieces;
  Octets room(1500);
  ASSERT_TRUE(fragment(whole, 1400, 1, room, [&](Bytes piece) { pieces.emplace_back(piece.begin(), piece.end()); }));
  ASSERT_EQ(pieces.size(), 3u);
  Octets spare(5000);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    Held held(pieces[i]);
    held.item.spare = spare;
    host.worker.protect({&held.item, 1}, at(0));
    EXPECT_EQ(name(held.item.cause), i + 1 < pieces.size() ? "held" : "none");
    EXPECT_GT(i + 1 < pieces.size() ? 3000 : held.item.packet.size, 2999u);
  }
}

}  // namespace
}  // namespace ipseckey::traffic::testing
