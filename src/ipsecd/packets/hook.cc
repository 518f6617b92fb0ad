// How a queue's packets are decided:
// 1. take() copies packets from a queue into the items' buffers, and remembers what their verdict depends on.
// 2. The worker handles them, in one call or, for those that arrive, in runs of one kind.
// 3. settle_outgoing(): what rules leave in clear continues as it is. A protected packet is sent by ipsecd, because the
//    host's route may know a path MTU that is the inner packet's; only multicast continues in the host's own path, with
//    its interface, its copies for local members, and new contents.
// 4. settle_arriving(): an opened packet for this host continues where it was, as if it had arrived like that: its
//    interface and its multicast group are known. Others are written to the device.
#include "ipsecd/packets/hook.h"

#include <algorithm>

#include "traffic/header.h"

namespace ipseckey::ipsecd {

using traffic::Cause;
using traffic::Item;
using traffic::Packet;

namespace {

constexpr std::size_t kMostInstead = 0xffff - 4;  // Bytes of a netlink attribute.

// Whether the host can carry a protected packet on with its new contents, uncut.
bool can_continue(const Item& item, const Address& dst) {
  return is_multicast(dst) && item.departure.dst == dst &&
         item.packet.size <= std::min<std::size_t>(item.departure.mtu, kMostInstead);
}

// Whether an opened packet can take the place of the one that arrived: it is for the same address, and the host has
// read the same headers of it. Hop-by-hop options come before this hook.
bool takes_place(const Item& item, const Address& dst, std::byte next) {
  const Bytes packet = item.packet.bytes();
  const auto h = traffic::parse(packet);
  if (!h || h->dst != dst || packet.size() > kMostInstead) return false;
  constexpr std::byte kHopByHop{0};
  return dst.family == Family::v4 || (next == kHopByHop) == (packet[6] == kHopByHop);
}

}  // namespace

Hook::Hook(Queue out, Queue in, const HookOrders& orders) : out_(std::move(out)), in_(std::move(in)), orders_(orders) {}

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
    item.arrived = {.by_hook = true, .forwarded = queued->forwarded, .mark = queued->mark};
    Known& known = known_[count++] = {.id = queued->id, .out = queued->out, .size = queued->packet.size()};
    const auto h = traffic::parse(queued->packet);
    if (!h) continue;  // The worker finds it malformed.
    known.dst = h->dst;
    if (h->dst.family == Family::v6) {
      known.next = queued->packet[6];
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
    } else if (item.cause == Cause::none && takes_place(item, known.dst, known.next)) {
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
