// How fragments become whole packets:
// 1. A fragment is parsed, and finds its datagram by addresses, identification and protocol, or starts one.
// 2. One bit for each eight octets of the datagram shows which have arrived.
// 3. When all have, header and payload are copied into the buffer of the last fragment, which continues as a packet.
#include "traffic/detail/reassembly.h"

#include <algorithm>
#include <new>
#include <optional>

#include "traffic/detail/wrap.h"
#include "traffic/header.h"

namespace ipseckey::traffic {
namespace {

constexpr std::size_t kUnit = 8, kMostPayload = UINT16_MAX;

std::size_t units(std::size_t bytes) { return (bytes + kUnit - 1) / kUnit; }

}  // namespace

// A parsed fragment. Under IPv6, `header` is everything before the Fragment header.
struct Reassembly::Piece {
  Bytes header, payload;
  Address src, dst;
  std::uint32_t id = 0;
  std::uint8_t protocol = 0;  // For IPv4: part of the name.
  std::size_t offset = 0;
  bool last = false;
  std::size_t next_at = 0;  // The offset in `header` of the octet that named the Fragment header, and
  std::uint8_t next = 0;    // the value that the Fragment header had there.
  std::uint8_t ecn = 0;

  std::size_t end() const { return offset + payload.size(); }
  static std::optional<Piece> of(Bytes packet, const Headers& h);
  static bool locate_v4(Bytes packet, const Headers& h, Piece& piece);
  static bool locate_v6(Bytes packet, Piece& piece);
};

bool Reassembly::Piece::locate_v4(Bytes packet, const Headers& h, Piece& piece) {
  const auto word = get<std::uint16_t>(packet, 6);
  piece.header = packet.first(h.network), piece.payload = packet.subspan(h.network);
  piece.id = get<std::uint16_t>(packet, 4);
  piece.protocol = std::to_integer<std::uint8_t>(packet[9]);
  piece.offset = (word & 0x1fffu) * kUnit;
  piece.last = (word & 0x2000) == 0;
  return true;
}

bool Reassembly::Piece::locate_v6(Bytes packet, Piece& piece) {
  constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kDestination = 60;
  std::size_t at = 40, next_at = 6;
  for (auto next = get<std::uint8_t>(packet, next_at); next != kFragment; next = get<std::uint8_t>(packet, next_at)) {
    if ((next != kHopByHop && next != kRouting && next != kDestination) || at + kUnit > packet.size()) return false;
    next_at = at;
    at += kUnit + get<std::uint8_t>(packet, at + 1) * kUnit;
  }
  if (at + kUnit > packet.size()) return false;
  const auto word = get<std::uint16_t>(packet, at + 2);
  piece.header = packet.first(at), piece.payload = packet.subspan(at + kUnit);
  piece.id = get<std::uint32_t>(packet, at + 4);
  piece.offset = word & 0xfff8u;
  piece.last = (word & 1) == 0;
  piece.next_at = next_at;
  piece.next = get<std::uint8_t>(packet, at);
  return true;
}

// nullopt: it cannot be part of a datagram.
std::optional<Reassembly::Piece> Reassembly::Piece::of(Bytes packet, const Headers& h) {
  Piece piece;
  const bool v4 = h.dst.family == Family::v4;
  if (!(v4 ? locate_v4(packet, h, piece) : locate_v6(packet, piece))) return std::nullopt;
  piece.src = h.src, piece.dst = h.dst;
  piece.ecn = h.traffic_class & 3;
  if (piece.payload.empty() || (!piece.last && piece.payload.size() % kUnit != 0)) return std::nullopt;
  if (piece.header.size() > kMostHeaders || piece.header.size() + piece.end() > kMostPayload) return std::nullopt;
  return piece;
}

struct Reassembly::Datagram {
  bool used = false, refused = false;
  Address src, dst;
  std::uint32_t id = 0;
  std::uint8_t protocol = 0;
  std::chrono::nanoseconds since{};
  std::size_t pieces = 0, filled = 0, end = 0;  // `filled` counts units.
  std::optional<std::size_t> size;              // Of the payload, known from the last piece.
  std::size_t header = 0, next_at = 0;
  std::uint8_t next = 0;
  unsigned marks = 0;  // One bit for each of the four ECN values that were seen.
  std::bitset<(kMostPayload + kUnit) / kUnit> there;
  std::array<std::byte, kMostHeaders> headers;
  std::array<std::byte, kMostPayload + 1> payload;

  bool is(const Piece& p) const { return used && id == p.id && protocol == p.protocol && src == p.src && dst == p.dst; }
  // Everything but the two large arrays, which are written before they are read.
  void reset(const Piece& p, Instant now) {
    used = true, refused = false;
    src = p.src, dst = p.dst, id = p.id, protocol = p.protocol, since = now.steady;
    pieces = filled = end = header = next_at = 0;
    next = 0, marks = 0;
    size.reset();
    there.reset();
  }
};

Reassembly::Reassembly() { datagrams_.reserve(kMost); }
Reassembly::~Reassembly() = default;

void Reassembly::give_up(Datagram& datagram) {
  lost_ += datagram.pieces;
  datagram.used = false;
  --used_;
}

void Reassembly::expire(Instant now) {
  for (const auto& d : datagrams_)
    if (d->used && now.steady - d->since >= kPatience) give_up(*d);
}

Reassembly::Datagram* Reassembly::find(const Piece& piece) {
  const auto found = std::ranges::find_if(datagrams_, [&](const auto& d) { return d->is(piece); });
  return found == datagrams_.end() ? nullptr : found->get();
}

// nullptr: out of memory.
Reassembly::Datagram* Reassembly::begin(const Piece& piece, Instant now) {
  auto place = std::ranges::find_if(datagrams_, [](const auto& d) { return !d->used; });
  if (place == datagrams_.end() && datagrams_.size() < kMost) {
    std::unique_ptr<Datagram> fresh(new (std::nothrow) Datagram);
    if (!fresh) return nullptr;
    datagrams_.push_back(std::move(fresh));
    place = datagrams_.end() - 1;
  } else if (place == datagrams_.end()) {
    place = std::ranges::min_element(datagrams_, {}, [](const auto& d) { return d->since; });
    give_up(**place);
  }
  (*place)->reset(piece, now);
  ++used_;
  return place->get();
}

// It is kept, so that its later fragments do not start a new one.
Reassembly::Verdict Reassembly::refuse(Datagram& datagram) {
  lost_ += std::exchange(datagram.pieces, 0);
  datagram.refused = true;
  return Verdict::refused;
}

// False: it overlaps another fragment, or exceeds the datagram's end.
bool Reassembly::add(Datagram& d, const Piece& piece) {
  if (piece.last && d.size && *d.size != piece.end()) return false;
  if (piece.last) d.size = piece.end();
  d.end = std::max(d.end, piece.end());
  if (d.size && d.end > *d.size) return false;
  const std::size_t first = piece.offset / kUnit, count = units(piece.payload.size());
  for (std::size_t i = first; i < first + count; ++i) {
    if (d.there[i]) return false;
    d.there.set(i);
  }
  d.filled += count;
  ++d.pieces;
  d.marks |= 1u << piece.ecn;
  std::ranges::copy(piece.payload, d.payload.begin() + static_cast<std::ptrdiff_t>(piece.offset));
  if (piece.offset != 0) return true;
  std::ranges::copy(piece.header, d.headers.begin());
  d.header = piece.header.size();
  d.next_at = piece.next_at, d.next = piece.next;
  return true;
}

// RFC 3168 section 5.3: one mark marks the datagram; if a part of it does not support marks, it is dropped.
Reassembly::Verdict Reassembly::finish(Datagram& d, Packet& into) {
  constexpr unsigned kUnaware = 1u << 0, kMarked = 1u << 3;
  const bool marked = d.marks & kMarked, v4 = d.dst.family == Family::v4;
  const std::size_t total = d.header + *d.size;
  if ((marked && (d.marks & kUnaware)) || total > UINT16_MAX || into.memory.size() < Packet::kHeadroom + total) {
    --d.pieces;  // This one is counted by the caller.
    return refuse(d);
  }
  into.at = Packet::kHeadroom;
  into.size = total;
  const MutableBytes packet = into.bytes();
  std::ranges::copy(Bytes(d.headers).first(d.header), packet.begin());
  std::ranges::copy(Bytes(d.payload).first(*d.size), packet.subspan(d.header).begin());
  if (v4) {
    set(packet, 6, std::uint16_t{0});
  } else {
    packet[d.next_at] = static_cast<std::byte>(d.next);
  }
  mend_length(packet);
  if (marked) {
    const auto first = get<std::uint16_t>(packet, 0);
    set_traffic_class(packet, static_cast<std::uint8_t>((v4 ? first : first >> 4) | 3u));
  }
  d.pieces = 0;
  give_up(d);
  return Verdict::whole;
}

Reassembly::Verdict Reassembly::take(Packet& packet, const Headers& h, Instant now) {
  expire(now);
  const auto piece = Piece::of(packet.bytes().first(h.total), h);
  if (!piece) return Verdict::refused;
  Datagram* d = find(*piece);
  if (!d) d = begin(*piece, now);
  if (!d || d->refused) return Verdict::refused;
  if (!add(*d, *piece)) return refuse(*d);
  if (!d->size || d->filled != units(*d->size)) return Verdict::kept;
  return finish(*d, packet);
}

}  // namespace ipseckey::traffic
