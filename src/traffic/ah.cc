// The ICV of AH (RFC 4302 section 3.3.3), for both directions:
// 1. compute_ah() copies the IP headers and AH, because the packet itself must not change. AhBatch (ah_batch.cc)
//    changes it for a while.
// 2. immutable_v4() and immutable_v6() zero what routers may change, and set what routers change predictably (source
//    routes, a home address) to the state in which the receiver will see it.
// 3. The MAC covers the headers, AH with a zero ICV, the rest of the packet, and the high half of an extended number.
// 4. ah_length() checks the length of AH; check_ah() then compares in constant time.
// 5. true_ends() returns the addresses between which such a packet really travels.
#include <algorithm>

#include "traffic/detail/wrap.h"

namespace ipseckey::traffic {
namespace {

constexpr std::size_t kMostIcv = 64;
constexpr std::size_t kMostAh = (kAhFixed + kMostIcv + 7) / 8 * 8;  // With padding (RFC 4302 section 2.6).

// ---- IPv4 (RFC 4302 appendix A1)

// Options that no router changes: end, no operation, the security options, router alert, sender-directed delivery.
bool immutable_option(std::uint8_t type) {
  constexpr std::array<std::uint8_t, 7> kImmutable = {0, 1, 130, 133, 134, 148, 149};
  return std::ranges::find(kImmutable, type) != kImmutable.end();
}

constexpr std::uint8_t kEndOfOptions = 0, kNoOperation = 1, kLooseRoute = 131, kStrictRoute = 137;

// The destination is the last hop of an unfinished source route.
void final_destination_v4(Bytes option, MutableBytes header) {
  const std::size_t size = option.size(), pointer = std::to_integer<std::size_t>(option[2]);
  if (size >= 7 && pointer >= 4 && pointer + 3 <= size) std::ranges::copy(option.last(4), header.subspan(16).begin());
}

bool immutable_v4(MutableBytes header) {
  header[1] = std::byte{0};                                // TOS
  std::ranges::fill(header.subspan(6, 3), std::byte{0});   // Flags, offset, TTL.
  std::ranges::fill(header.subspan(10, 2), std::byte{0});  // Checksum.
  MutableBytes rest = header.subspan(20);
  while (!rest.empty()) {
    const auto type = std::to_integer<std::uint8_t>(rest[0]);
    if (type == kEndOfOptions) return true;
    if (type == kNoOperation) {
      rest = rest.subspan(1);
      continue;
    }
    const std::size_t size = rest.size() < 2 ? 0 : std::to_integer<std::size_t>(rest[1]);
    if (size < 2 || size > rest.size()) return false;
    const bool route = type == kLooseRoute || type == kStrictRoute;
    if (route && size < 3) return false;
    if (route) final_destination_v4(rest.first(size), header);
    if (!immutable_option(type)) std::ranges::fill(rest.first(size), std::byte{0});
    rest = rest.subspan(size);
  }
  return true;
}

// ---- IPv6 (RFC 4302 section 3.3.3.1.2 and appendix A2)

constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kDestination = 60, kPad1 = 0;
constexpr unsigned kMayChange = 0x20;  // In an option's type (RFC 8200 section 4.2).

bool immutable_options(MutableBytes extension) {
  MutableBytes rest = extension.subspan(2);
  while (!rest.empty()) {
    const auto type = std::to_integer<std::uint8_t>(rest[0]);
    if (type == kPad1) {
      rest = rest.subspan(1);
      continue;
    }
    if (rest.size() < 2) return false;
    const std::size_t size = 2 + std::to_integer<std::size_t>(rest[1]);
    if (size > rest.size()) return false;
    if (type & kMayChange) std::ranges::fill(rest.subspan(2, size - 2), std::byte{0});
    rest = rest.subspan(size);
  }
  return true;
}

// As the last receiver gets it: each remaining hop swaps the destination with the next address in the list.
bool final_route(MutableBytes extension, MutableBytes destination) {
  const auto type = std::to_integer<unsigned>(extension[2]), left = std::to_integer<unsigned>(extension[3]);
  if (left == 0) return true;
  const std::size_t count = (extension.size() - 8) / 16;
  if ((type != 0 && type != 2) || left > count || (extension.size() - 8) % 16 != 0) return false;
  for (std::size_t hop = count - left; hop < count; ++hop)
    std::ranges::swap_ranges(destination, extension.subspan(8 + hop * 16, 16));
  extension[3] = std::byte{0};
  return true;
}

// Away from home, a source puts its home address in an option (RFC 6275 section 11.3.2): the ICV covers the packet as
// it would be at home, with the two addresses swapped. False: the option is missing.
bool at_home(MutableBytes extension, MutableBytes source) {
  const std::size_t at = home_address_at(extension);
  if (at != 0) std::ranges::swap_ranges(source, extension.subspan(at, source.size()));
  return at != 0;
}

bool immutable_v6(MutableBytes headers) {
  bool home = false;
  set(headers, 0, 0x60000000u);
  headers[7] = std::byte{0};
  auto next = std::to_integer<std::uint8_t>(headers[6]);
  MutableBytes rest = headers.subspan(40);
  while (!rest.empty()) {
    if (rest.size() < 8) return false;
    const std::size_t size = 8 + std::to_integer<std::size_t>(rest[1]) * 8;
    if (size > rest.size()) return false;
    const MutableBytes extension = rest.first(size);
    if ((next == kHopByHop || next == kDestination) && !immutable_options(extension)) return false;
    if (next == kDestination && !home) home = at_home(extension, headers.subspan(8, 16));
    if (next == kRouting && !final_route(extension, headers.subspan(24, 16))) return false;
    next = std::to_integer<std::uint8_t>(rest[0]);
    rest = rest.subspan(size);
  }
  return true;
}

}  // namespace

bool immutable_headers(Bytes headers, MutableBytes out) {
  if (headers.size() > out.size()) return false;
  const MutableBytes copy = out.first(headers.size());
  std::ranges::copy(headers, copy.begin());
  return std::to_integer<unsigned>(headers[0]) >> 4 == 4 ? immutable_v4(copy) : immutable_v6(copy);
}

std::optional<Ends> true_ends(Bytes headers) {
  std::array<std::byte, kMostHeaders> there;
  const bool v4 = std::to_integer<unsigned>(headers[0]) >> 4 == 4;
  const Family family = v4 ? Family::v4 : Family::v6;
  if (headers.size() == header_size(family) || !immutable_headers(headers, there)) return std::nullopt;
  const std::size_t at = v4 ? 12 : 8, size = v4 ? 4 : 16;
  const Bytes found = Bytes(there).subspan(at, 2 * size);
  if (std::ranges::equal(found, headers.subspan(at, 2 * size))) return std::nullopt;
  Ends ends{.src = unspecified(family), .dst = unspecified(family)};
  std::ranges::copy(found.first(size), ends.src.octets.begin());
  std::ranges::copy(found.last(size), ends.dst.octets.begin());
  return ends;
}

// Both sides compute over the same four parts (RFC 4302 section 3.3.3).
bool compute_ah(const AhPart& part, Bytes packet, std::size_t length, MutableBytes icv) {
  std::array<std::byte, kMostHeaders> headers;
  std::array<std::byte, kMostAh> ah;
  if (!immutable_headers(packet.first(part.at), headers)) return false;
  std::ranges::copy(packet.subspan(part.at, length), ah.begin());
  std::ranges::fill(std::span(ah).subspan(kAhFixed, icv.size()), std::byte{0});
  // The IP headers are covered with their length on the wire, and name AH as the next header.
  const auto high = std::bit_cast<std::array<std::byte, 4>>(big_endian(static_cast<std::uint32_t>(part.number >> 32)));
  const std::array<Bytes, 4> parts = {Bytes(headers).first(part.at), Bytes(ah).first(length),
                                      packet.subspan(part.at + length), high};
  return part.keyed->mac(std::span(parts).first(part.flow->esn ? 4 : 3), icv);
}

std::optional<std::size_t> ah_length(Bytes packet, const AhPart& part) {
  const std::size_t size = part.flow->suite().icv();
  const std::size_t length = (std::to_integer<std::size_t>(packet[part.at + 1]) + 2) * 4;
  // Linux pads to 8 bytes under IPv4, too, unless the SA has `align4`: both lengths are right.
  const bool v4 = part.flow->id.dst.family == Family::v4;
  const bool fits = length == ah_size(8, size) || (v4 && length == ah_size(4, size));
  return fits && length <= packet.size() - part.at ? std::optional(length) : std::nullopt;
}

Cause check_ah(Bytes packet, const AhPart& part) {
  const auto length = ah_length(packet, part);
  if (!length) return Cause::truncated;
  std::array<std::byte, kMostIcv> ours;
  const MutableBytes icv = MutableBytes(ours).first(part.flow->suite().icv());
  if (!compute_ah(part, packet, *length, icv)) return Cause::corrupt;
  return crypto::equal(icv, packet.subspan(part.at + kAhFixed, icv.size())) ? Cause::none : Cause::corrupt;
}

}  // namespace ipseckey::traffic
