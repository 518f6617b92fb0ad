// Streams and datagrams from one host to another: segmented as a device requests, protected, reordered on the way,
// decrypted, and merged. Each packet is restored, or refused for a cause that is computed here; merged packets are cut
// into the same segments again.
//
// An input: the direction, the modes and the path MTU; then steps, an octet each, with their operands.
#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "must.h"
#include "script.h"
#include "tcp_packet.h"
#include "traffic/coalesce.h"
#include "traffic/detail/replay.h"
#include "traffic/detail/tcp.h"
#include "traffic/segment.h"
#include "traffic/testing.h"

using namespace ipseckey;
using namespace traffic;
using namespace traffic::testing;

namespace {

constexpr std::size_t kMostSteps = 64, kMostWaiting = 300, kMostSegments = 200, kStreams = 3;
constexpr std::size_t kMostOctets = 100'000;  // The largest packet to segment.
constexpr std::array kWays = {Wish{.encrypt = 20}, Wish{.encrypt = 12, .auth = 5}, Wish{.encrypt = 0, .auth = 5}};
constexpr std::array<std::uint32_t, 4> kPaths = {1500, 1280, 9000, 65535};

void same_iv(MutableBytes out) { std::ranges::fill(out, std::byte{1}); }

// A packet in transit: as it was, and as it is on the wire.
struct OnTheWay {
  Octets plain, sealed;
  std::size_t serial;  // The same for copies of one packet.
};

unsigned version(Bytes packet) { return packet.empty() ? 0 : std::to_integer<unsigned>(packet[0]) >> 4; }

// The IDs of packets that are never fragmented have no meaning (RFC 6864 section 4.1).
Octets without_id(Octets packet) {
  if (version(packet) != 4 || (packet[6] & std::byte{0x40}) == std::byte{0}) return packet;
  set(packet, 4, std::uint16_t{0});
  mend_checksum(packet);
  return packet;
}

// Packets that must not overtake each other: segments of one connection; and all that are never merged.
using Connection = std::tuple<std::string, unsigned, unsigned>;
Connection connection_of(Bytes packet) {
  const auto h = parse(packet);
  MUST(h);
  if (h->upper != kTcp || !h->src_port || h->fragment) return {};
  return {hex(h->src.bytes()) + hex(h->dst.bytes()), *h->src_port, *h->dst_port};
}
using Flows = std::map<Connection, std::vector<Octets>>;

std::vector<Octets> cut(Bytes packet, const Offload& offload) {
  auto segments = Segments::of(packet, offload);
  MUST(segments);
  std::vector<Octets> out;
  Octets memory(70000);
  for (Packet into{memory, 0, 0}; segments->next(into);) out.emplace_back(into.bytes().begin(), into.bytes().end());
  MUST(segments->left() == 0);
  return out;
}

class Path {
 public:
  explicit Path(Reader& in)
      : wish_(kWays[number<std::uint8_t>(in) % kWays.size()]),
        tunnel_(number<std::uint8_t>(in) % 2 != 0),
        mtu_(kPaths[number<std::uint8_t>(in) % kPaths.size()]),
        here_({.workers = 1, .mtu = mtu_, .random = same_iv}),
        there_({.workers = 1, .mtu = mtu_, .random = same_iv}) {
    wish_.tunnel = tunnel_, wish_.window = ReplayWindow::kMost, wish_.prefix = 0;
    for (const bool v6 : {false, true}) {
      Wish wish = wish_;
      if (v6) wish.src = kSix[0], wish.dst = kSix[1];
      wish.inner_src = wish.inner_dst = v6 ? "::" : "0.0.0.0";
      for (Host* const host : {&here_, &there_}) MUST(host->add(add(0x100u + v6, wish)) == engine::testing::kDone);
    }
  }

  void run(Reader& in) {
    for (std::size_t steps = 0; in.remaining() > 0 && steps < kMostSteps; ++steps) step(in);
    deliver();
    const Totals out = here_.plane.outbound(), back = there_.plane.inbound();
    MUST(out.packets == sealed_ && back.packets == opened_);
    MUST(back.drops[static_cast<std::size_t>(Cause::replayed)] == replayed_);
    MUST(back.drops[static_cast<std::size_t>(Cause::dummy)] == dummies_);
  }

 private:
  enum Action : std::uint8_t { kStream, kDatagrams, kOdd, kOther, kSwap, kTwice, kLose, kDeliver };
  static constexpr std::array kSix = {"2001:db8::1", "2001:db8::2"};

  void step(Reader& in) {
    const auto op = number<std::uint8_t>(in);
    switch (static_cast<Action>(op % 8)) {
      case kStream:
      case kDatagrams:
        return cut_and_send(in, op % 8 == kStream, op);
      case kOdd:
        return odd(in);
      case kOther:
        return other(in, op);
      case kSwap:
        if (way_.size() >= 2) std::swap(way_.back(), way_[number<std::uint8_t>(in) % way_.size()]);
        whole_ = std::nullopt;
        return;
      case kTwice:
        if (!way_.empty()) wait(OnTheWay(way_[number<std::uint8_t>(in) % way_.size()]));
        return;
      case kLose:
        if (!way_.empty()) way_.erase(way_.begin() + number<std::uint8_t>(in) % static_cast<int>(way_.size()));
        whole_ = std::nullopt;
        return;
      case kDeliver:
        return deliver();
    }
  }

  // A packet from a device, and its expected result.
  void cut_and_send(Reader& in, bool tcp, unsigned op) {
    Segment s{.protocol = tcp ? kTcp : kUdp, .unsummed = true};
    const auto which = number<std::uint8_t>(in) % kStreams;
    const bool v6 = op & 8u;
    if (v6) s.src = kSix[0], s.dst = kSix[1];
    s.port = static_cast<std::uint16_t>(1111 + which);
    s.dont_fragment = op & 16u;
    s.flags = static_cast<std::uint8_t>(number<std::uint8_t>(in) | 0x10);
    s.options = number<std::uint8_t>(in) % 11;
    s.traffic_class = number<std::uint8_t>(in);
    s.payload = std::min(std::size_t{number<std::uint16_t>(in)} % 40000 + 1, octets_left_);
    octets_left_ -= s.payload;
    std::size_t size = number<std::uint16_t>(in);
    size = std::min(std::max(size, s.payload / kMostSegments + 1), std::size_t{UINT16_MAX});
    if (s.payload == 0) return;
    std::size_t& at = octets_[which + (v6 ? kStreams : 0)];
    s.skip = tcp ? at : 0;
    s.id = static_cast<std::uint16_t>(sealed_ + 1);  // For 0 another ID is used, so the row would have a gap.
    if (tcp) at += s.payload;
    const Octets whole = packet_of(s);
    const Offload offload{.kind = tcp ? Offload::Kind::tcp : Offload::Kind::udp,
                          .size = static_cast<std::uint16_t>(size),
                          .unsummed = true,
                          .sum_at = static_cast<std::uint16_t>(v6 ? 40 : 20),
                          .field = static_cast<std::uint16_t>(tcp ? 16 : 6)};
    const std::vector<Octets> segments = cut(whole, offload);
    MUST(segments == expected(s, size));
    const bool alone = way_.empty();
    std::size_t sent = 0;
    for (const Octets& segment : segments) sent += send(segment);
    // Nothing else is in transit, and nothing prevents merging them.
    constexpr unsigned kPlain = 0x59;  // ACK, PSH, FIN, ECE.
    const bool one = tcp && (s.flags & ~kPlain) == 0 && sent == segments.size() && sent <= Coalescer::kMost;
    if (alone && one && sent > 1) whole_ = whole;
  }

  // The segments as a card would create them: FIN and PSH in the last one, CWR in the first one.
  static std::vector<Octets> expected(const Segment& whole, std::size_t size) {
    std::vector<Octets> out;
    for (std::size_t at = 0; at < whole.payload; at += size) {
      Segment s = whole;
      s.payload = std::min(size, whole.payload - at);
      s.id = static_cast<std::uint16_t>(whole.id + at / size);
      s.unsummed = false;
      if (at + s.payload < whole.payload) s.flags &= static_cast<std::uint8_t>(~0x09u);
      if (at > 0) s.flags &= static_cast<std::uint8_t>(~0x80u);
      s.skip += at;
      out.push_back(packet_of(s));
    }
    return out;
  }

  // A packet in transit is sent again, with one octet changed.
  void odd(Reader& in) {
    const auto which = number<std::uint8_t>(in);
    const auto at = number<std::uint16_t>(in);
    const auto value = number<std::uint8_t>(in);
    const bool sum = number<std::uint8_t>(in) % 2 != 0;
    if (way_.empty()) return;
    Octets packet = way_[which % way_.size()].plain;
    packet[at % std::min<std::size_t>(packet.size(), 100)] = static_cast<std::byte>(value);
    mend(packet, sum);
    send(packet);
  }

  void other(Reader& in, unsigned op) {
    Header header{.src = *parse_address("192.0.2.1"), .dst = *parse_address("192.0.2.2")};
    if (op & 8u) header.src = *parse_address(kSix[0]), header.dst = *parse_address(kSix[1]);
    header.dont_fragment = op & 16u;
    header.protocol = number<std::uint8_t>(in);
    header.traffic_class = number<std::uint8_t>(in);
    header.id = number<std::uint16_t>(in);
    const Bytes text = in.take(std::min<std::size_t>(number<std::uint8_t>(in), in.remaining()));
    Octets packet(header_size(header.dst.family) + text.size());
    write_header(packet, header, packet.size());
    std::ranges::copy(text, packet.end() - static_cast<std::ptrdiff_t>(text.size()));
    mend(packet, op & 32u);
    send(packet);
  }

  static void mend(Octets& packet, bool sum) {
    if (version(packet) == 4 && (packet[0] & std::byte{15}) >= std::byte{5} &&
        static_cast<std::size_t>(packet[0] & std::byte{15}) * 4 <= packet.size())
      mend_checksum(packet);
    const auto h = parse(packet);
    if (h && sum && !h->fragment) mend_transport_checksum(packet, *h);
  }

  // True: it is in transit.
  bool send(const Octets& plain) {
    if (way_.size() >= kMostWaiting) deliver();
    Held held(plain);
    here_.worker.protect({&held.item, 1}, at(0));
    const Item& item = held.item;
    if (item.cause == Cause::no_sa || item.cause == Cause::too_big)
      MUST(std::ranges::equal(item.packet.bytes(), plain));
    if (item.cause == Cause::too_big && told_.insert(item.mtu).second) fits(plain, item.mtu);
    if (item.cause != Cause::none) return false;
    const auto h = parse(plain);
    MUST(h);
    ++sealed_;
    const Octets sealed = held.bytes();
    const auto outer = parse(sealed);
    MUST(outer && outer->total == sealed.size() && outer->upper_at == item.departure.header);
    MUST(outer->src == item.departure.src && outer->dst == item.departure.dst);
    MUST(outer->upper == item.departure.protocol && item.departure.mtu <= mtu_);
    if (sealed.size() > item.departure.mtu) in_parts(sealed, item.departure);
    wait({.plain = Octets(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(h->total)),
          .sealed = sealed,
          .serial = sealed_});
    return true;
  }

  void wait(OnTheWay&& packet) {
    whole_ = std::nullopt;
    way_.push_back(std::move(packet));
  }

  // A packet of the reported size fits, and one octet more does not.
  void fits(const Octets& plain, std::uint32_t mtu) {
    const bool v6 = version(plain) == 6;
    Segment s{.protocol = kUdp, .dont_fragment = true};
    if (v6) s.src = kSix[0], s.dst = kSix[1];
    const std::size_t headers = v6 ? 48 : 28;
    const auto h = parse(plain);
    if (!h || h->network != headers - 8 || mtu < headers) return;
    s.payload = mtu - headers;
    MUST(protect(here_, packet_of(s)).cause == Cause::none);
    ++sealed_;
    ++s.payload;
    MUST(protect(here_, packet_of(s)).cause == Cause::too_big);
  }

  // Under IPv4 the reassembled fragments are the packet.
  static void in_parts(const Octets& sealed, const Departure& departure) {
    if (departure.dst.family != Family::v4 || departure.dont_fragment) return;
    Octets room(departure.mtu), whole;
    const bool done = fragment(sealed, departure.mtu, departure.id, room, [&](Bytes part) {
      const auto h = parse(part);
      MUST(h && h->fragment && part.size() <= departure.mtu);
      if (whole.empty()) whole.assign(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(h->network));
      MUST(get<std::uint16_t>(part, 6) % 0x2000 * 8u == whole.size() - h->network);
      whole.insert(whole.end(), part.begin() + static_cast<std::ptrdiff_t>(h->network), part.end());
    });
    MUST(done);
    set(whole, 6, std::uint16_t{0});
    mend_length(whole);
    MUST(whole == sealed);
  }

  void deliver() {
    const std::vector<OnTheWay> way = std::exchange(way_, {});
    std::vector<Held> held;
    std::vector<Item> items;
    for (const OnTheWay& w : way) held.emplace_back(w.sealed);
    for (const Held& h : held) items.push_back(h.item);
    there_.worker.unprotect(items, at(0));
    for (std::size_t i = 0; i < way.size(); ++i) judge(way[i], items[i]);
    for (std::size_t i = 0; i < items.size(); i += Coalescer::kMost)
      join(std::span(items).subspan(i, std::min(Coalescer::kMost, items.size() - i)));
    whole_ = std::nullopt;
  }

  void judge(const OnTheWay& w, const Item& item) {
    if (!arrived_.insert(w.serial).second) {
      MUST(item.cause == Cause::replayed);
      ++replayed_;
      return;
    }
    const auto h = parse(w.plain);
    if (!tunnel_ && h->next == kNoNext) {
      MUST(item.cause == Cause::dummy);
      ++dummies_;
      return;
    }
    MUST(item.cause == Cause::none);
    ++opened_;
    const Octets got(item.packet.bytes().begin(), item.packet.bytes().end());
    Octets plain = w.plain;
    // In transport mode the header is the packet's own, and has an ID that nobody will change.
    if (!tunnel_ && version(plain) == 4 && get<std::uint16_t>(plain, 4) == 0) {
      set(plain, 4, get<std::uint16_t>(got, 4));
      mend_checksum(plain);
    }
    MUST(got == plain);
  }

  void join(std::span<Item> items) {
    Flows before, after;
    std::size_t packets = 0, given = 0;
    const auto into = [](Flows& flows, Octets packet) {
      flows[connection_of(packet)].push_back(without_id(std::move(packet)));
    };
    for (const Item& item : items)
      if (item.cause == Cause::none) {
        into(before, Octets(item.packet.bytes().begin(), item.packet.bytes().end()));
        ++packets;
      }
    Coalescer().join(items, [&](std::span<const MutableBytes> pieces, const Offload& offload) {
      Octets packet;
      for (const Bytes piece : pieces) packet.insert(packet.end(), piece.begin(), piece.end());
      MUST(packet.size() <= UINT16_MAX && (offload.kind == Offload::Kind::none) == (pieces.size() == 1));
      if (whole_) MUST(without_id(packet) == without_id(*whole_));
      ++given;
      const std::vector<Octets> segments = cut(packet, offload);
      MUST(segments.size() == pieces.size());
      for (const Octets& segment : segments) into(after, segment);
    });
    MUST(before == after && given <= packets);
    if (whole_) MUST(given == 1);
  }

  Wish wish_;
  bool tunnel_;
  std::uint32_t mtu_;
  Host here_, there_;
  std::array<std::size_t, 2 * kStreams> octets_{};  // Of each stream, so far.
  std::vector<OnTheWay> way_;
  std::size_t octets_left_ = kMostOctets;
  std::set<std::size_t> arrived_;
  std::set<std::uint32_t> told_;  // MTUs that were already tried.
  std::optional<Octets> whole_;   // The segments of all packets in transit, in order, are the segments of this.
  std::uint64_t sealed_ = 0, opened_ = 0, replayed_ = 0, dummies_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader in(std::as_bytes(std::span(data, size)));
  Path(in).run(in);
  return 0;
}
