// ESP in UDP whose headers are data, and the same packets with headers in front: the results are the same.
#include <gmock/gmock.h>

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

}  // namespace
}  // namespace ipseckey::traffic::testing
