// Inbound packets. An input starts with an octet: 0, the rest is the packet as it arrived; otherwise the rest is the
// text of an ESP packet to the SA with that SPI, some of which have no integrity so that any text is accepted.
#include <cstdint>
#include <vector>

#include "must.h"
#include "traffic/header.h"
#include "traffic/testing.h"

using namespace ipseckey;
using namespace traffic;
using namespace traffic::testing;

namespace {

void same_iv(MutableBytes out) { std::ranges::fill(out, std::byte{1}); }

void add_sas(Host& h) {
  constexpr std::uint8_t kCtr = 13;
  const Wish six{.src = "2001:db8::1", .dst = "2001:db8::2"};
  h.add(add(1, {.encrypt = kCtr, .window = 0}));
  h.add(add(2, {.encrypt = kCtr, .tunnel = true, .window = 0}));
  h.add(add(3, {.encrypt = kCtr, .tunnel = true, .inner_src = "::", .inner_dst = "::", .prefix = 0, .window = 0}));
  h.add(add(4, {.encrypt = kCtr, .window = 0, .udp = true}));
  h.add(add(5, {.encrypt = 20, .window = 0}));
  h.add(add(6, {.encrypt = 0, .auth = 5, .window = 0}));
  Wish ah = six;
  ah.encrypt = 0, ah.auth = 3, ah.window = 0;
  h.add(add(7, ah));
}

// Destroyed at the end: the leak check cannot see who owns its OpenSSL objects.
Host& host() {
  static Host made({.workers = 1, .mtu = 1500, .random = same_iv});
  static const bool ready = (add_sas(made), true);
  MUST(ready);
  return made;
}

Octets wrapped(std::uint8_t spi, Bytes text) {
  const bool udp = spi == 4;
  Octets packet(20 + (udp ? 8 : 0) + 16 + text.size());
  write_header(packet,
               {.src = *parse_address("192.0.2.1"), .dst = *parse_address("192.0.2.2"), .protocol = udp ? kUdp : kEsp},
               packet.size());
  const MutableBytes esp = MutableBytes(packet).subspan(udp ? 28 : 20);
  if (udp) write_udp(MutableBytes(packet).subspan(20), 4500, 4500, packet.size() - 20);
  set<std::uint32_t>(esp, 0, spi);
  set<std::uint32_t>(esp, 4, 1);
  std::ranges::copy(text, esp.begin() + 16);
  return packet;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 60000) return 0;
  const Bytes rest = std::as_bytes(std::span(data, size)).subspan(1);
  const Octets packet = data[0] == 0 ? Octets(rest.begin(), rest.end()) : wrapped(data[0], rest);
  const Result in = unprotect(host(), packet);
  if (in.cause != Cause::none) return 0;
  const auto h = parse(in.packet);
  MUST(h && h->total == in.packet.size());
  MUST(in.packet.size() <= packet.size());
  return 0;
}
