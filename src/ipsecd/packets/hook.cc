// How a queue's packets are decided:
// 1. take() copies packets from a queue into the items' buffers, and remembers what their verdict depends on.
// 2. The worker handles them, in one call or, for those that arrive, in runs of one kind.
// 3. settle_outgoing(): what rules leave in clear continues as it is. A protected packet is sent by ipsecd, because the
//    host's route may know a path MTU that is the inner packet's; only multicast continues in the host's own path, with
//    its interface, its copies for local members, and new contents.
// 4. settle_arriving(): an opened packet for this host continues where it was, as if it had arrived like that: its
//    interface and its multicast group are known. It does if the host has read nothing else of the outer packet than it
//    would read of the inner one. Fragments are put together before. Others are written to the device.
#include "ipsecd/packets/hook.h"

#include <algorithm>

#include "traffic/header.h"

namespace ipseckey::ipsecd {

using traffic::Cause;
using traffic::Item;
using traffic::Packet;

namespace {

constexpr std::size_t kTcpLeast = 20, kTcpOffset = 12;  // Of TCP's header (RFC 9293 section 3.1).
constexpr std::uint16_t kTcpSum = 16;
constexpr std::size_t kMostInstead = 0xffff - 4;  // Bytes of a netlink attribute.

// Whether the host can carry a protected packet on with its new contents, uncut.
bool can_continue(const Item& item, const Address& dst) {
  return is_multicast(dst) && item.departure.dst == dst &&
         item.packet.size <= std::min<std::size_t>(item.departure.mtu, kMostInstead);
}

// What the host has read of a packet before this hook and does not read again: the length of IPv4's header, with its
// options; that of IPv6's hop-by-hop options, if it has some.
Hook::Front front_of(Bytes packet) {
  constexpr std::size_t kV4Header = 20, kV6Next = 6, kHopByHopLength = 41;
  constexpr std::byte kHopByHop{0}, kSome{1};
  Hook::Front front{};
  if ((packet[0] >> 4) == std::byte{6}) {
    if (packet[kV6Next] == kHopByHop) front[0] = kSome, front[1] = packet[kHopByHopLength];
    return front;
  }
  front[0] = packet[0];
  const std::size_t size = std::to_integer<std::size_t>(packet[0] & std::byte{0xf}) * 4;
  std::ranges::copy(packet.subspan(kV4Header, size - kV4Header), front.begin() + 1);
  return front;
}

// Whether an opened packet can take the place of the one that arrived: it is for the same address, what the host has
// read is true of it, too, and it is whole, because the host puts fragments together before this hook, and not again.
bool takes_place(const Item& item, const Address& dst, const Hook::Front& front) {
  const Bytes packet = item.packet.bytes();
  const auto h = traffic::parse(packet);
  return h && h->dst == dst && !h->fragment && packet.size() <= kMostInstead && front_of(packet) == front;
}

}  // namespace

Hook::Hook(Queue out, Queue in, std::optional<Tcp> tcp, const HookOrders& orders)
    : out_(std::move(out)), in_(std::move(in)), orders_(orders) {
  if (tcp) tcp_.emplace(std::move(*tcp));
}

Hook::Drops Hook::outgoing() const {
  Drops drops = out_.drops();
  if (!tcp_) return drops;
  const Drops more = tcp_->drops();
  return {drops.overruns + more.overruns, drops.too_long + more.too_long, drops.not_ready + more.not_ready};
}

std::size_t Hook::take(Side& side, std::span<Item> items) {
  Queue& queue = side.queue;
  known_.resize(std::max(known_.size(), items.size()));
  std::size_t count = 0;
  while (count < items.size()) {
    const auto queued = queue.receive();
    if (!queued) break;
    Item& item = items[count];
    Packet& packet = item.packet;
    const bool fits = packet.memory.size() >= Packet::kHeadroom + queued->packet.size() + Packet::kTailroom;
    const bool ready = orders_.ready.load(std::memory_order_acquire);
    if (!queued->whole || !fits || !ready) {
      queue.decide(queued->id, Queue::Verdict::drop);
      ++(ready ? side.too_long : side.not_ready);
      continue;
    }
    packet.at = Packet::kHeadroom, packet.size = queued->packet.size();
    std::ranges::copy(queued->packet, packet.bytes().begin());
    if (&side == &in_) traffic::mend_after_options(packet.bytes());
    item.arrived = {.by_hook = true, .forwarded = queued->forwarded, .mark = queued->mark};
    Known& known = known_[count++] = {.id = queued->id, .out = queued->out, .size = queued->packet.size()};
    const auto h = traffic::parse(packet.bytes());
    if (!h) continue;  // The worker finds it malformed.
    known.dst = h->dst, known.front = front_of(queued->packet);
    if (h->dst.family == Family::v6) {
      // TCP follows the path's MTU; others rely on the host, which cuts a packet behind this hook.
      item.arrived.uncut = !queued->forwarded && h->upper != traffic::kTcp;
    }
    known.kind = kind_of(queued->packet, *h);
  }
  queue.send();
  return count;
}

// ---- out

std::size_t Hook::take_outgoing(std::span<Item> items) { return take(out_, items); }

void Hook::settle_outgoing(std::span<Item> items) {
  Queue& queue = out_.queue;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Item& item = items[i];
    const Known& known = known_[i];
    if (item.cause != Cause::none) {
      queue.decide(known.id, Queue::Verdict::drop);
      item.departure.interface = known.out;  // For the answer to a packet that is too big.
    } else if (item.clear && item.packet.size == known.size) {
      queue.decide(known.id, Queue::Verdict::accept);
      item.cause = Cause::held;
    } else if (item.clear) {
      // A datagram that was put together from fragments.
      item.departure = {};
      item.departure.dst = known.dst, item.departure.mtu = orders_.mtu, item.departure.id = ++datagrams_;
      queue.decide(known.id, Queue::Verdict::drop);
    } else if (can_continue(item, known.dst)) {
      queue.accept(known.id, item.packet.bytes());
      item.cause = Cause::held;
    } else {
      queue.decide(known.id, Queue::Verdict::drop);
      const Address& dst = item.departure.dst;
      if (is_multicast(dst) || is_link_local(dst)) item.departure.interface = known.out;
    }
  }
  queue.send();
}

// ---- out: TCP

// False: none waits. A packet that contradicts its facts stays in one piece, and the worker judges it.
bool Hook::begin_packet(TcpSide& side, Instant now) {
  for (;;) {
    const auto queued = side.queue.receive();
    if (!queued) return false;
    const bool ready = orders_.ready.load(std::memory_order_acquire);
    if (!queued->whole || !ready) {
      side.queue.decide(queued->id, Queue::Verdict::drop);
      ++(ready ? side.too_long : side.not_ready);
      continue;
    }
    side.id = queued->id, side.out = queued->out, side.mark = queued->mark;
    side.some_sent = side.some_clear = false;
    ++side.origin;
    traffic::Offload offload;
    const auto h = traffic::parse(queued->packet);
    if (h && h->upper == traffic::kTcp && queued->packet.size() >= h->upper_at + kTcpLeast) {
      offload = {.kind = traffic::Offload::Kind::none,
                 .size = 0,
                 .unsummed = queued->unsummed,
                 .sum_at = static_cast<std::uint16_t>(h->upper_at),
                 .field = kTcpSum};
      const std::size_t header = std::to_integer<std::size_t>(queued->packet[h->upper_at + kTcpOffset] >> 4) * 4;
      if (queued->uncut)
        offload.kind = traffic::Offload::Kind::tcp, offload.size = side.sizes.of(*h, side.out, header, now.steady);
    }
    side.segments = traffic::Segments::of(queued->packet, offload);
    if (!side.segments) side.segments = traffic::Segments::of(queued->packet, {});
    return true;
  }
}

std::size_t Hook::take_tcp(std::span<Item> items, std::span<std::uint32_t> origins, Instant now) {
  if (!tcp_) return 0;
  TcpSide& side = *tcp_;
  known_.resize(std::max(known_.size(), items.size()));
  std::size_t count = 0;
  while (count < items.size()) {
    Item& item = items[count];
    item.follows = side.segments && side.segments->begun();
    if (side.segments && side.segments->next(item.packet)) {
      item.arrived = {.by_hook = true, .mark = side.mark};
      known_[count] = {.id = side.id, .out = side.out, .last = side.segments->left() == 0};
      if (const auto h = traffic::parse(item.packet.bytes())) known_[count].dst = h->dst;
      origins[count++] = side.origin;
      continue;
    }
    side.segments.reset();
    // A long packet is not begun if it would not fit.
    if (count > items.size() / 2 || !begin_packet(side, now)) break;
  }
  side.queue.send();
  return count;
}

// A packet continues if all its segments may leave in clear. If the rules changed between them, TCP sends the rest
// again.
void Hook::settle_tcp(std::span<Item> items) {
  if (!tcp_) return;
  TcpSide& side = *tcp_;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Item& item = items[i];
    const Known& known = known_[i];
    item.departure.interface = is_link_local(known.dst) || item.cause != Cause::none ? known.out : 0;
    if (item.cause == Cause::none && item.clear)
      side.some_clear = true, item.cause = Cause::held;
    else
      side.some_sent = true;
    if (!known.last) continue;
    const bool clear = side.some_clear && !side.some_sent;
    side.queue.decide(known.id, clear ? Queue::Verdict::accept : Queue::Verdict::drop);
    side.some_sent = side.some_clear = false;
  }
  side.queue.send();
}

// ---- in

Hook::Kind Hook::kind_of(Bytes packet, const traffic::Headers& h) const {
  if (h.upper == traffic::kEsp || h.upper == traffic::kAh) return Kind::secure;
  const bool to_port = h.upper == traffic::kUdp && h.dst_port &&
                       std::ranges::any_of(orders_.ports, [&](const auto& port) { return port == *h.dst_port; });
  constexpr std::size_t kHeader = 8, kMarker = 4;
  const bool long_enough = packet.size() >= h.upper_at + kHeader + kMarker;
  return to_port && long_enough && traffic::get<std::uint32_t>(packet, h.upper_at + kHeader) != 0 ? Kind::in_udp
                                                                                                  : Kind::clear;
}

std::size_t Hook::take_arriving(std::span<Item> items) { return take(in_, items); }

// A forwarded packet is not opened here, whatever it is. Datagrams on a port of ESP in UDP that belong to no SA are
// somebody else's.
void Hook::handle_arriving(std::span<Item> items, traffic::Worker& worker, Instant now) {
  const auto clear = [&](std::size_t i) { return items[i].arrived.forwarded || known_[i].kind == Kind::clear; };
  for (std::size_t i = 0, end = 0; i < items.size(); i = end) {
    while (end < items.size() && clear(end) == clear(i)) ++end;
    const std::span<Item> run = items.subspan(i, end - i);
    if (clear(i)) {
      worker.admit(run, now);
      continue;
    }
    worker.unprotect(run, now);
    for (Item& item : run)
      if (item.cause == Cause::none && !orders_.device) worker.gather(item, now);
    for (std::size_t j = i; j < end; ++j) {
      if (known_[j].kind != Kind::in_udp || items[j].cause != Cause::no_sa) continue;
      worker.admit(items.subspan(j, 1), now);
      known_[j].kind = Kind::clear;
    }
  }
}

void Hook::settle_arriving(std::span<Item> items) {
  Queue& queue = in_.queue;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Item& item = items[i];
    const Known& known = known_[i];
    const bool clear = item.arrived.forwarded || known.kind == Kind::clear;
    if (item.cause == Cause::none && clear) {
      queue.decide(known.id, Queue::Verdict::accept);
    } else if (item.cause == Cause::none && takes_place(item, known.dst, known.front)) {
      queue.accept(known.id, item.packet.bytes());
    } else {
      queue.decide(known.id, Queue::Verdict::drop);
      continue;
    }
    item.cause = Cause::held;
  }
  queue.send();
}

}  // namespace ipseckey::ipsecd
