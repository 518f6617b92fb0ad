// How decrypted TCP segments and UDP datagrams are merged, so that the device accepts many at once:
// 1. join() handles up to kMost packets; take() checks each in order.
// 2. A plain one (no IP options, usual flags, right checksum) that continues a run is appended to it; otherwise it
//    starts a run.
// 3. A run consists of packets of one connection whose headers are equal apart from counters. A shorter packet, PSH or
//    FIN ends it.
// 4. A packet that cannot be merged ends the runs of its connection, so that nothing overtakes it.
// 5. give() updates the headers of the first packet and yields the pieces of each run.
#include "traffic/coalesce.h"

#include <algorithm>
#include <optional>

#include "traffic/detail/tcp.h"
#include "traffic/detail/udp.h"
#include "traffic/header.h"

namespace ipseckey::traffic {

// A packet that can be merged with others.
struct Coalescer::Segment {
  std::size_t ip, headers, payload;  // Bytes.
  std::uint32_t key;                 // Of the connection.
  std::uint32_t sequence;            // TCP's.
  std::uint16_t ipv4_id;
  std::uint8_t protocol;
  bool ends;  // The run is complete.
};

namespace {

constexpr std::size_t kV4 = 20, kV6 = 40;

unsigned version(Bytes packet) { return packet.empty() ? 0 : std::to_integer<unsigned>(packet[0]) >> 4; }
unsigned octet(Bytes packet, std::size_t at) { return std::to_integer<unsigned>(packet[at]); }

bool same(Bytes a, Bytes b, std::size_t begin, std::size_t end) {
  return std::ranges::equal(a.subspan(begin, end - begin), b.subspan(begin, end - begin));
}

// Addresses, protocol and, behind a header without options, ports. An extension header may hide any protocol.
bool same_connection(Bytes a, Bytes b, bool with_ports) {
  if (version(a) != version(b)) return false;
  const std::size_t ports = with_ports ? 4 : 0;
  if (version(a) == 4) return octet(a, 9) == octet(b, 9) && same(a, b, 12, kV4 + ports);
  return (!with_ports || octet(a, 6) == octet(b, 6)) && same(a, b, 8, kV6 + ports);
}

// A number that is the same for all packets of a connection, and seldom for those of another: of a packet with ports
// behind an IP header of `ip` bytes.
std::uint32_t key_of(Bytes packet, std::size_t ip) {
  constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15;
  std::uint64_t key = ip;
  for (std::size_t at = ip == kV4 ? 12 : 8; at < ip + 4; at += 4) key = (key ^ get<std::uint32_t>(packet, at)) * kMix;
  return static_cast<std::uint32_t>(key >> 32);
}

// The sum of the pseudo header (RFC 9293 section 3.1, RFC 768) of a segment or datagram of `length` bytes.
std::uint16_t pseudo_sum(Bytes packet, std::uint8_t protocol, std::size_t length) {
  const Bytes addresses = version(packet) == 4 ? packet.subspan(12, 8) : packet.subspan(8, 32);
  return static_cast<std::uint16_t>(~checksum(addresses, protocol + static_cast<std::uint32_t>(length)));
}

bool can_be_merged(unsigned protocol) { return protocol == kTcp || protocol == kUdp; }

// Length of a plain IP header followed by TCP or UDP, in bytes; 0: the packet has none.
std::size_t plain_header(Bytes packet) {
  if (version(packet) == 4 && packet.size() >= kV4 + kUdpHeader) {
    constexpr unsigned kNoOptions = 0x45, kAllButDf = 0xbfff;
    const bool plain = octet(packet, 0) == kNoOptions && can_be_merged(octet(packet, 9)) &&
                       (get<std::uint16_t>(packet, 6) & kAllButDf) == 0 &&
                       get<std::uint16_t>(packet, 2) == packet.size();
    return plain ? kV4 : 0;
  }
  if (version(packet) == 6 && packet.size() >= kV6 + kUdpHeader)
    return can_be_merged(octet(packet, 6)) && get<std::uint16_t>(packet, 4) + kV6 == packet.size() ? kV6 : 0;
  return 0;
}

// Which open runs a packet that cannot be merged ends: those with its ports, all of them, or none.
enum class Ends : std::uint8_t { none, connection, hosts };
Ends ends(Bytes packet) {
  if (plain_header(packet) != 0) return Ends::connection;
  if (version(packet) == 4) return packet.size() >= kV4 && can_be_merged(octet(packet, 9)) ? Ends::hosts : Ends::none;
  constexpr std::array<unsigned, 6> kMayHideThem = {0, kTcp, kUdp, 43, 44, 60};  // These and extension headers.
  const bool hidden = version(packet) == 6 && packet.size() >= kV6 &&
                      std::ranges::find(kMayHideThem, octet(packet, 6)) != kMayHideThem.end();
  return hidden ? Ends::hosts : Ends::none;
}

// But for addresses and ports.
bool same_headers(Bytes a, Bytes b, std::uint8_t protocol, std::size_t ip, std::size_t headers) {
  const bool alike = ip == kV4 ? same(a, b, 0, 2) && same(a, b, 6, 10) : same(a, b, 0, 4) && same(a, b, 6, 8);
  if (!alike || protocol == kUdp) return alike;
  const Bytes x = a.subspan(ip, headers - ip), y = b.subspan(ip, headers - ip);
  constexpr std::byte kCounts = ~(kTcpFin | kTcpPush);
  return same(x, y, kTcpAck, kTcpFlags) && (x[kTcpFlags] & kCounts) == (y[kTcpFlags] & kCounts) &&
         same(x, y, kTcpWindow, kTcpSum) && same(x, y, kTcpLeast, x.size());
}

}  // namespace

void Coalescer::join(std::span<Item> items, Sink sink) {
  for (; !items.empty(); items = items.subspan(std::min(items.size(), kMost))) {
    count_ = 0;
    for (std::size_t i = 0; i < std::min(items.size(), kMost); ++i)
      if (items[i].cause == Cause::none) take(items, i);
    for (std::size_t i = 0; i < count_; ++i) give(items, runs_[i], sink);
  }
}

// nullopt: it cannot be merged with others.
std::optional<Coalescer::Segment> Coalescer::segment_of(Bytes packet) const {
  const std::size_t ip = plain_header(packet);
  if (ip == 0) return std::nullopt;
  const Bytes upper = packet.subspan(ip);
  Segment s{.ip = ip,
            .headers = ip + kUdpHeader,
            .payload = 0,
            .key = key_of(packet, ip),
            .sequence = 0,
            .ipv4_id = get<std::uint16_t>(packet, 4),
            .protocol = static_cast<std::uint8_t>(octet(packet, ip == kV4 ? 9 : 6)),
            .ends = false};
  if (s.protocol == kTcp) {
    const std::size_t header = tcp_header(upper);
    constexpr std::byte kKnown = kTcpAcks | kTcpPush | kTcpFin | kTcpEcho;
    if (header == 0) return std::nullopt;
    if ((upper[kTcpFlags] & ~kKnown) != std::byte{0} || (upper[kTcpFlags] & kTcpAcks) == std::byte{0})
      return std::nullopt;
    s.headers = ip + header;
    s.sequence = get<std::uint32_t>(upper, kTcpSequence);
    s.ends = (upper[kTcpFlags] & (kTcpPush | kTcpFin)) != std::byte{0};
  } else if (!datagrams_ || get<std::uint16_t>(upper, kUdpLength) != upper.size() ||
             get<std::uint16_t>(upper, kUdpSum) == 0) {
    return std::nullopt;
  }
  s.payload = packet.size() - s.headers;
  if (s.payload == 0 || checksum(upper, pseudo_sum(packet, s.protocol, upper.size())) != 0) return std::nullopt;
  return s;
}

void Coalescer::take(std::span<Item> items, std::size_t number) {
  const Bytes packet = items[number].packet.bytes();
  const auto segment = segment_of(packet);
  if (!segment) {
    if (const Ends which = ends(packet); which != Ends::none) close(items, packet, which == Ends::connection);
    return begin(number, nullptr);
  }
  for (Run& run : std::span(runs_).first(count_)) {
    if (!run.open || run.key != segment->key) continue;
    const Bytes head = items[run.first].packet.bytes();
    if (!same_connection(head, packet, true)) continue;
    if (run.headers == segment->headers && same_headers(head, packet, run.protocol, run.ip, run.headers) &&
        append(run, head, *segment, number))
      return;
    run.open = false;
    break;
  }
  begin(number, &*segment);
}

void Coalescer::begin(std::size_t number, const Segment* segment) {
  Run& run = runs_[count_++];
  run = {};
  run.first = run.last = static_cast<std::uint8_t>(number);
  run.count = 1;
  if (!segment) return;
  run.open = !segment->ends;
  run.size = static_cast<std::uint16_t>(segment->payload);
  run.total = segment->headers + segment->payload;
  run.key = segment->key;
  run.protocol = segment->protocol;
  run.sequence = segment->sequence + static_cast<std::uint32_t>(segment->payload);
  run.ipv4_id = segment->ipv4_id;
  run.ip = segment->ip;
  run.headers = segment->headers;
}

// The IDs of packets that are never fragmented have no meaning (RFC 6864 section 4.1).
bool Coalescer::append(Run& run, Bytes head, const Segment& s, std::size_t number) {
  constexpr unsigned kDontFragment = 0x40;
  const bool counts = run.ip == kV4 && (octet(head, 6) & kDontFragment) == 0;
  if (run.protocol == kTcp ? s.sequence != run.sequence : run.count == kMostDatagrams) return false;
  if (s.payload > run.size || run.total + s.payload > UINT16_MAX) return false;
  if (counts && s.ipv4_id != static_cast<std::uint16_t>(run.ipv4_id + 1)) return false;
  next_[run.last] = static_cast<std::uint8_t>(number);
  run.last = static_cast<std::uint8_t>(number);
  ++run.count;
  run.open = !s.ends && s.payload == run.size;
  run.total += s.payload;
  run.sequence += static_cast<std::uint32_t>(s.payload);
  run.ipv4_id = s.ipv4_id;
  return true;
}

void Coalescer::close(std::span<Item> items, Bytes packet, bool ports_known) {
  for (Run& run : std::span(runs_).first(count_))
    if (run.open && same_connection(items[run.first].packet.bytes(), packet, ports_known)) run.open = false;
}

void Coalescer::give(std::span<Item> items, const Run& run, Sink sink) {
  std::array<MutableBytes, kMost> pieces;
  const MutableBytes head = pieces[0] = items[run.first].packet.bytes();
  if (run.count == 1) return sink(std::span(pieces).first(1), {});
  std::uint8_t at = run.first;
  for (std::size_t i = 1; i < run.count; ++i) pieces[i] = items[at = next_[at]].packet.bytes().subspan(run.headers);
  if (run.ip == kV4) {
    set(head, 2, static_cast<std::uint16_t>(run.total));
    mend_checksum(head);
  } else {
    set(head, 4, static_cast<std::uint16_t>(run.total - kV6));
  }
  const MutableBytes upper = head.subspan(run.ip);
  const std::size_t length = run.total - run.ip, field = run.protocol == kTcp ? kTcpSum : kUdpSum;
  if (run.protocol == kTcp) {
    upper[kTcpFlags] |= items[run.last].packet.bytes()[run.ip + kTcpFlags] & (kTcpFin | kTcpPush);
  } else {
    set(upper, kUdpLength, static_cast<std::uint16_t>(length));
  }
  set(upper, field, pseudo_sum(head, run.protocol, length));
  sink(std::span(pieces).first(run.count), {.kind = run.protocol == kTcp ? Offload::Kind::tcp : Offload::Kind::udp,
                                            .size = run.size,
                                            .unsummed = true,
                                            .sum_at = static_cast<std::uint16_t>(run.ip),
                                            .field = static_cast<std::uint16_t>(field)});
}

}  // namespace ipseckey::traffic
