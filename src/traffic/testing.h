#pragma once
/// Shared by the tests of the packet path: hosts with an engine and a plane, SAs between them, packets.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/testing.h"
#include "traffic/header.h"
#include "traffic/plane.h"

namespace ipseckey::traffic::testing {

// IPv6 hosts; those of Wish use IPv4.
inline constexpr const char* kSrc6 = "2001:db8::1";
inline constexpr const char* kDst6 = "2001:db8::2";

using engine::testing::at;
using engine::testing::endpoint;
using engine::testing::key;
using pfkey::Message;
using Octets = std::vector<std::byte>;

/// The same octets in every run: 0, 1, 2 ... from the start of the process.
inline void counting(MutableBytes out) {
  static std::uint8_t next = 0;
  for (std::byte& b : out) b = static_cast<std::byte>(next++);
}

inline std::string hex(Bytes b) {
  std::string s;
  for (const std::byte x : b) s += fmt::format("{:02x}", std::to_integer<unsigned>(x));
  return s;
}

/// One host: an engine and the plane that carries for it.
struct Host {
  Plane plane;
  engine::Engine engine;
  Worker worker;

  explicit Host(PlaneOptions options = {})
      : plane(options),
        engine(engine::Options{.is_local = {}, .random = {}, .usable = {}, .carrier = &plane}),
        worker(plane.worker(0)) {}

  engine::testing::Outcome add(Message m) { return engine::testing::outcome(engine, std::move(m)); }
};

/// A packet in a buffer of its own, with room around it.
struct Held {
  Octets memory;
  Item item;

  explicit Held(Bytes packet, std::size_t head = Packet::kHeadroom, std::size_t tail = Packet::kTailroom) {
    memory.resize(head + packet.size() + tail);
    std::ranges::copy(packet, memory.begin() + static_cast<std::ptrdiff_t>(head));
    item.packet = {memory, head, packet.size()};
  }
  Octets bytes() const { return {item.packet.bytes().begin(), item.packet.bytes().end()}; }
};

/// The result for one packet: the cause, and if there is none, the packet.
struct Result {
  Cause cause;
  Octets packet;
  Departure departure{};
  std::uint32_t mtu = 0;
};
inline Result protect(Host& host, Bytes packet, Instant now = at(0)) {
  Held held(packet);
  host.worker.protect({&held.item, 1}, now);
  return {held.item.cause, held.item.cause == Cause::none ? held.bytes() : Octets{}, held.item.departure,
          held.item.mtu};
}
inline Result unprotect(Host& host, Bytes packet, Instant now = at(0)) {
  Held held(packet);
  host.worker.unprotect({&held.item, 1}, now);
  return {held.item.cause, held.item.cause == Cause::none ? held.bytes() : Octets{}, {}, 0};
}

/// A UDP datagram of `size` octets of payload: 7, 8, 9 ...
struct Shape {
  const char* src = "192.0.2.1";
  const char* dst = "192.0.2.2";
  std::size_t size = 40;
  std::uint8_t traffic_class = 0;
  bool dont_fragment = false;
  std::uint16_t src_port = 1000, dst_port = 2000;
  std::uint8_t protocol = kUdp;
};
inline Octets datagram(const Shape& shape = {}) {
  const Address src = *parse_address(shape.src), dst = *parse_address(shape.dst);
  const std::size_t header = header_size(dst.family);
  Octets packet(header + 8 + shape.size);
  write_header(packet,
               {.src = src,
                .dst = dst,
                .protocol = shape.protocol,
                .traffic_class = shape.traffic_class,
                .id = 0x1d1d,
                .dont_fragment = shape.dont_fragment},
               packet.size());
  for (std::size_t i = 0; i < shape.size; ++i) packet[header + 8 + i] = static_cast<std::byte>(7 + i);
  write_udp(MutableBytes(packet).subspan(header), shape.src_port, shape.dst_port, 8 + shape.size);
  return packet;
}

/// ADD of an SA from `src` to `dst` with algorithms by number and keys of minimum size.
struct Wish {
  std::uint8_t encrypt = 20, auth = 0;
  const char* src = "192.0.2.1";
  const char* dst = "192.0.2.2";
  bool tunnel = false;
  const char* inner_src = "10.1.0.0";
  const char* inner_dst = "10.2.0.0";
  std::uint8_t prefix = 16;
  unsigned key_bits = 0;       ///< 0: the shortest.
  unsigned auth_key_bits = 0;  ///< 0: the RFC's default.
  std::uint32_t window = 64;
  bool esn = false, udp = false;
  std::uint32_t ah_align = 0;                                    ///< 0: not given.
  std::uint32_t icv = 0;                                         ///< Bits; 0: not given.
  std::uint32_t tfc_pad = 0, df = 0, keepalive = 0, bundle = 0;  ///< 0: not given.
  std::uint32_t dscp = pfkey::kDscpKeep;                         ///< Not given.
};
inline Message add(std::uint32_t spi, const Wish& wish = {}) {
  using enum pfkey::AlgorithmKind;
  const bool esp = wish.encrypt != 0;
  Message m = engine::testing::request(pfkey::Type::add, esp ? pfkey::SaType::esp : pfkey::SaType::ah, spi);
  m.src = endpoint(wish.src), m.dst = endpoint(wish.dst);
  m.sa->encrypt = wish.encrypt, m.sa->auth = wish.auth;
  m.sa->replay = static_cast<std::uint8_t>(std::min(wish.window, 255u));
  if (wish.window > 255 || wish.esn) m.replay_window = pfkey::ReplayWindow{wish.window, wish.esn};
  if (const auto* const row = pfkey::find_algorithm(encrypt, wish.encrypt); row && row->takes_key()) {
    const unsigned bits = wish.key_bits ? wish.key_bits : row->min_bits;
    m.encrypt_key = key((bits + row->salt_bits) / 8);
  }
  if (const auto* const row = pfkey::find_algorithm(auth, wish.auth))
    m.auth_key = key((wish.auth_key_bits ? wish.auth_key_bits : row->max_bits) / 8u, 0x55);
  if (wish.tunnel) {
    m.sa->flags |= pfkey::kFlagTunnel;
    m.inner_src = endpoint(wish.inner_src, wish.prefix), m.inner_dst = endpoint(wish.inner_dst, wish.prefix);
  }
  if (wish.icv) m.icv = pfkey::Number{wish.icv};
  if (wish.tfc_pad) m.tfc_pad = pfkey::Number{wish.tfc_pad};
  if (wish.df) m.df = pfkey::Number{wish.df};
  if (wish.dscp != pfkey::kDscpKeep) m.dscp = pfkey::Number{wish.dscp};
  if (wish.keepalive) m.keepalive = pfkey::Number{wish.keepalive};
  if (wish.bundle) m.bundle = pfkey::Number{wish.bundle};
  if (wish.ah_align) m.ah_align = pfkey::Number{wish.ah_align};
  if (wish.udp) {
    m.sa->flags |= pfkey::kFlagNattLocal | pfkey::kFlagNattRemote;
    const bool v4 = m.src->address.family == Family::v4;  // Otherwise they have only ports.
    m.natt_local = endpoint(v4 ? wish.src : "0.0.0.0", 0, 4500);
    m.natt_remote = endpoint(v4 ? wish.dst : "0.0.0.0", 0, 4501);
  }
  return m;
}

}  // namespace ipseckey::traffic::testing
