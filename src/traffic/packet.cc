// How a packet's headers are read:
// 1. parse() reads the version and checks the lengths against the size of the packet, and the IPv4 checksum.
// 2. For IPv6, walk_extensions() follows the extension headers: those that travel before ESP and AH belong to the
//    network header, the rest is in front of the upper protocol.
// 3. Fragments are noted; a later one has no ports.
// 4. read_ports() takes ports, or the type and code of ICMP, from the upper protocol.
// 5. checksum() is the sum of all Internet checksums (RFC 1071).
#include "traffic/packet.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "pfkey/icmp.h"

namespace ipseckey::traffic {
namespace {

constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kDestination = 60;

bool has_ports(std::uint8_t protocol) {
  constexpr std::array<std::uint8_t, 5> kWithPorts = {6, 17, 33, 132, 136};  // TCP, UDP, DCCP, SCTP, UDP-Lite.
  return std::ranges::find(kWithPorts, protocol) != kWithPorts.end();
}

void read_icmp(Bytes packet, Headers& h) {
  Reader in(packet.subspan(h.upper_at));
  std::uint8_t type = 0, code = 0;
  in.net(type);
  in.net(code);
  if (in.ok()) h.icmp_type = type, h.icmp_code = code;
}

void read_ports(Bytes packet, Headers& h) {
  if (h.later_fragment) return;
  if (pfkey::is_icmp(h.upper)) return read_icmp(packet, h);
  if (!has_ports(h.upper)) return;
  Reader in(packet.subspan(h.upper_at));
  std::uint16_t src = 0, dst = 0;
  in.net(src);
  in.net(dst);
  if (in.ok()) h.src_port = src, h.dst_port = dst;
}

bool parse_v4(Bytes packet, Headers& h) {
  Reader in(packet);
  std::uint8_t version_length = 0, ttl = 0;
  std::uint16_t total = 0, id = 0, fragment = 0, sum = 0;
  in.host(version_length);
  in.host(h.traffic_class);
  in.net(total);
  in.net(id);
  in.net(fragment);
  in.host(ttl);
  in.host(h.next);
  in.net(sum);
  in.bytes(MutableBytes(h.src.octets).first(4));
  in.bytes(MutableBytes(h.dst.octets).first(4));
  h.network = (version_length & 0xfu) * 4u;
  if (!in.ok() || h.network < 20 || h.network > total || total > packet.size()) return false;
  if (checksum(packet.first(h.network)) != 0) return false;
  h.hop_limit = ttl;
  h.total = total;
  h.next_at = h.upper_next_at = 9;
  h.upper = h.next;
  h.upper_at = h.network;
  h.dont_fragment = fragment & 0x4000;
  h.fragment = fragment & 0x3fff;
  h.later_fragment = fragment & 0x1fff;
  return true;
}

Address read_address(Bytes octets) {
  Address a{.family = Family::v6, .octets = {}};
  std::ranges::copy(octets.first(a.octets.size()), a.octets.begin());
  return a;
}

// A destination options header counts as part of the network header, before ESP and AH, in two cases: a routing header
// follows, because the options are then for each hop of the route (RFC 8200 section 4.1, RFC 4303 section 3.1.1); or it
// has a home address, which is needed before ESP or AH is processed (RFC 6275 section 6.3).
bool walk_extensions(Bytes packet, Headers& h) {
  unsigned most = kMostExtensions;
  for (unsigned count = 0;; ++count) {
    bool travels = h.upper == kHopByHop || h.upper == kRouting || h.upper == kFragment;
    if (!travels && h.upper != kDestination) return true;
    if (h.upper == kFragment && most == kMostExtensions) ++most;  // It was added on the way.
    if (count == most || h.later_fragment) return h.later_fragment;
    Reader in(packet.subspan(h.upper_at));
    std::uint8_t next = 0, length = 0;
    std::uint16_t offset = 0;
    in.host(next);
    in.host(length);
    in.net(offset);
    const std::uint32_t size = h.upper == kFragment ? 8 : 8 + length * 8u;
    if (!in.ok() || size > packet.size() - h.upper_at) return false;
    if (h.upper == kDestination && !h.home) {
      const std::size_t at = home_address_at(packet.subspan(h.upper_at, size));
      travels = at != 0;
      if (travels) h.home = read_address(packet.subspan(h.upper_at + at));
    }
    if (h.upper == kFragment) {
      h.fragment |= (offset & 0xfff9) != 0;
      h.later_fragment = offset & 0xfff8;
    }
    h.upper_next_at = h.upper_at;
    h.upper_at += size;
    h.upper = next;
    if (travels) h.network = h.upper_at, h.next_at = h.upper_next_at, h.next = next;
  }
}

bool parse_v6(Bytes packet, Headers& h) {
  Reader in(packet);
  std::uint32_t first = 0;
  std::uint16_t payload = 0;
  in.net(first);
  in.net(payload);
  in.host(h.next);
  in.host(h.hop_limit);
  h.src.family = h.dst.family = Family::v6;
  in.bytes(h.src.octets);
  in.bytes(h.dst.octets);
  if (!in.ok() || payload > in.remaining()) return false;
  h.traffic_class = static_cast<std::uint8_t>(first >> 20);
  h.total = 40u + payload;
  h.network = h.upper_at = 40;
  h.next_at = h.upper_next_at = 6;
  h.upper = h.next;
  h.dont_fragment = true;
  return walk_extensions(packet.first(h.total), h);
}

}  // namespace

std::size_t home_address_at(Bytes extension) {
  constexpr std::uint8_t kPad1 = 0, kHomeAddress = 201;
  for (std::size_t at = 2; at + 2 <= extension.size();) {
    const auto type = std::to_integer<std::uint8_t>(extension[at]);
    const std::size_t size = type == kPad1 ? 1 : 2 + std::to_integer<std::size_t>(extension[at + 1]);
    if (size > extension.size() - at) return 0;
    if (type == kHomeAddress && size == 18) return at + 2;
    at += size;
  }
  return 0;
}

bool parse(Bytes packet, Headers& h) {
  if (packet.empty()) return false;
  const unsigned version = std::to_integer<unsigned>(packet[0]) >> 4;
  if (version == 4 ? !parse_v4(packet, h) : version != 6 || !parse_v6(packet, h)) return false;
  read_ports(packet.first(h.total), h);
  return true;
}

std::optional<Headers> parse(Bytes packet) {
  std::optional<Headers> h(std::in_place);
  if (!parse(packet, *h)) return std::nullopt;
  return h;
}

namespace {

using Word = std::uint32_t;

Word word_at(Bytes bytes, std::size_t at) {
  Word word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof word);
  return word;
}

// The last octets, which are less than a word.
Word rest_of(Bytes bytes) {
  std::array<std::byte, sizeof(Word)> rest{};
  std::ranges::copy(bytes, rest.begin());
  return std::bit_cast<Word>(rest);
}

std::uint16_t folded(std::uint64_t wide) {
  while (wide >> 16) wide = (wide & 0xffff) + (wide >> 16);
  return static_cast<std::uint16_t>(wide);
}

}  // namespace

// A sum of words does not depend on the order of their octets, except for the order of its own octets (RFC 1071 section
// 2): so this sums the processor's native words, many at a time.
std::uint16_t checksum(Bytes bytes, std::uint32_t sum) {
  std::uint64_t wide = 0;
  const std::size_t whole = bytes.size() / sizeof(Word) * sizeof(Word);
  for (std::size_t at = 0; at < whole; at += sizeof(Word)) wide += word_at(bytes, at);
  wide += rest_of(bytes.subspan(whole));
  return static_cast<std::uint16_t>(~folded(std::uint64_t{big_endian(folded(wide))} + sum));
}

std::uint16_t copy_and_sum(Bytes from, MutableBytes to) {
  std::uint64_t wide = 0;
  const std::size_t whole = from.size() / sizeof(Word) * sizeof(Word);
  for (std::size_t at = 0; at < whole; at += sizeof(Word)) {
    const Word word = word_at(from, at);
    std::memcpy(to.data() + at, &word, sizeof word);
    wide += word;
  }
  const Bytes rest = from.subspan(whole);
  std::ranges::copy(rest, to.subspan(whole).begin());
  return big_endian(folded(wide + rest_of(rest)));
}

}  // namespace ipseckey::traffic
