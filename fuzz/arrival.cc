// The headers that a socket hid, restored before an inbound datagram and compared with what RFC 791 and RFC 8200
// require of each octet; they may be refused only if they do not fit.
//
// An input: kinds, fields, room, options or extension headers, each after its length; the rest is the datagram.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "must.h"
#include "script.h"
#include "traffic/header.h"
#include "traffic/plane.h"

using namespace ipseckey;
using namespace traffic;

namespace {

Bytes some(Reader& in, std::size_t most) {
  return in.take(std::min({std::size_t{number<std::uint8_t>(in)}, most, in.remaining()}));
}

struct Case {
  Arrival arrival;
  std::vector<Extension> extensions;
  std::size_t head = 0, tail = 0;
  Bytes text;
  bool mixed = false;  // The source has the other family.

  bool v4() const { return arrival.dst.family == Family::v4; }
  bool udp() const { return arrival.protocol == kUdp; }
};

Case case_of(Reader& in) {
  Case c;
  const auto kinds = number<std::uint8_t>(in);
  const bool v6 = kinds & 1u;
  c.mixed = (kinds & 6u) == 6;
  c.arrival = {.src = *parse_address(v6 != c.mixed ? "2001:db8::1" : "192.0.2.1"),
               .dst = *parse_address(v6 ? "2001:db8::2" : "192.0.2.2"),
               .protocol = kinds & 8u ? kUdp : number<std::uint8_t>(in)};
  c.arrival.src_port = number<std::uint16_t>(in);
  c.arrival.dst_port = number<std::uint16_t>(in);
  c.arrival.traffic_class = number<std::uint8_t>(in);
  c.arrival.hop_limit = number<std::uint8_t>(in);
  c.head = number<std::uint16_t>(in) % 1200;
  c.tail = number<std::uint16_t>(in) % 1200;
  if (!v6) c.arrival.options = some(in, 60);
  for (unsigned left = v6 ? number<std::uint8_t>(in) % 6u : 0; left > 0; --left) {
    const auto protocol = number<std::uint8_t>(in);
    c.extensions.push_back({protocol, some(in, 255)});
  }
  c.text = in.take(in.remaining());
  return c;
}

std::size_t front_of(const Case& c) {
  std::size_t front = (c.v4() ? 20 : 40) + c.arrival.options.size() + (c.udp() ? 8 : 0);
  for (const Extension& e : c.extensions) front += e.octets.size();
  return front;
}

bool fits(const Case& c) {
  const std::size_t options = c.arrival.options.size(), front = front_of(c);
  const bool whole = std::ranges::none_of(c.extensions, [](const Extension& e) { return e.octets.empty(); });
  const bool room = front <= c.head + c.tail;
  return !c.mixed && whole && options % 4 == 0 && options <= 40 && front + c.text.size() <= 65535 && room;
}

std::uint32_t sum(Bytes b) {
  std::uint32_t all = 0;
  for (std::size_t i = 0; i + 1 < b.size(); i += 2) all += get<std::uint16_t>(b, i);
  while (all >> 16) all = (all & 0xffff) + (all >> 16);
  return all;
}

// The IPv4 header, except the protocol field.
std::size_t check_v4(const Case& c, Bytes packet) {
  const std::size_t header = 20 + c.arrival.options.size();
  MUST(packet[0] == static_cast<std::byte>(0x40 + header / 4));
  MUST(get<std::uint8_t>(packet, 1) == c.arrival.traffic_class);
  MUST(get<std::uint16_t>(packet, 2) == packet.size() && get<std::uint16_t>(packet, 6) == 0);
  MUST(get<std::uint8_t>(packet, 8) == c.arrival.hop_limit && get<std::uint8_t>(packet, 9) == c.arrival.protocol);
  MUST(sum(packet.first(header)) == 0xffff);
  MUST(std::ranges::equal(packet.subspan(12, 4), c.arrival.src.bytes()));
  MUST(std::ranges::equal(packet.subspan(16, 4), c.arrival.dst.bytes()));
  MUST(std::ranges::equal(packet.subspan(20, header - 20), c.arrival.options));
  return header;
}

// The IPv6 header and the extensions: each is named by the header before it, and otherwise unchanged.
std::size_t check_v6(const Case& c, Bytes packet) {
  MUST(get<std::uint32_t>(packet, 0) == (6u << 28 | std::uint32_t{c.arrival.traffic_class} << 20));
  MUST(get<std::uint16_t>(packet, 4) == packet.size() - 40);
  MUST(get<std::uint8_t>(packet, 7) == c.arrival.hop_limit);
  MUST(std::ranges::equal(packet.subspan(8, 16), c.arrival.src.bytes()));
  MUST(std::ranges::equal(packet.subspan(24, 16), c.arrival.dst.bytes()));
  auto named = get<std::uint8_t>(packet, 6);
  std::size_t at = 40;
  for (const Extension& e : c.extensions) {
    MUST(named == e.protocol);
    named = get<std::uint8_t>(packet, at);
    MUST(std::ranges::equal(packet.subspan(at + 1, e.octets.size() - 1), e.octets.subspan(1)));
    at += e.octets.size();
  }
  MUST(named == c.arrival.protocol);
  return at;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader in(std::as_bytes(std::span(data, size)));
  Case c = case_of(in);
  c.arrival.extensions = c.extensions;
  std::vector<std::byte> memory(c.head + c.text.size() + c.tail);
  std::ranges::copy(c.text, memory.begin() + static_cast<std::ptrdiff_t>(c.head));
  Packet packet{memory, c.head, c.text.size()};
  const bool done = add_header(packet, c.arrival);
  MUST(done == fits(c));
  if (!done) {
    MUST(std::ranges::equal(packet.bytes(), c.text));
    return 0;
  }
  const Bytes all = packet.bytes();
  MUST(all.size() == front_of(c) + c.text.size());
  std::size_t at = c.v4() ? check_v4(c, all) : check_v6(c, all);
  if (c.udp()) {
    MUST(get<std::uint16_t>(all, at) == c.arrival.src_port && get<std::uint16_t>(all, at + 2) == c.arrival.dst_port);
    MUST(get<std::uint16_t>(all, at + 4) == all.size() - at && get<std::uint16_t>(all, at + 6) == 0);
    at += 8;
  }
  MUST(std::ranges::equal(all.subspan(at), c.text));
  const auto h = parse(all);
  MUST(h || !c.v4());
  if (h) MUST(h->total == all.size() && h->src == c.arrival.src && h->dst == c.arrival.dst);
  return 0;
}
