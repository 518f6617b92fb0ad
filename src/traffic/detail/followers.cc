#include "traffic/detail/followers.h"

#include "traffic/detail/wrap.h"

namespace ipseckey::traffic {

Followers::Ends Followers::of_sender(const Flow& flow) {
  const Selectors& s = flow.selectors;
  return {flow.src,
          {flow.id.dst, pfkey::nat_port(flow.remote)},
          inside(flow, s.src, s.src_prefix),
          inside(flow, s.dst, s.dst_prefix)};
}

// The same, seen from the other side.
Followers::Ends Followers::of_teller(const Flow& flow, const std::optional<pfkey::Endpoint>& end) {
  const Selectors& s = flow.selectors;
  return {flow.id.dst,
          {flow.src, pfkey::nat_port(end)},
          inside(flow, s.dst, s.dst_prefix),
          inside(flow, s.src, s.src_prefix)};
}

std::optional<Followers::Network> Followers::inside(const Flow& flow, const Address& address, std::uint8_t prefix) {
  if (!flow.tunnel) return std::nullopt;
  return Network{masked(address, prefix), prefix};
}

// In transport mode the address stays: packets are accepted only from the SA's own.
void Followers::send_to(Flow& flow, const Place& to, Epochs& epochs) {
  forget_place(flow);
  if (auto before = flow.send_to(to)) epochs.retire(std::move(before));
  moved_.emplace(to.address, flow.id.spi, &flow);
}

void Followers::forget_place(Flow& flow) {
  if (const Place* const is = flow.sends_to()) moved_.erase({is->address, flow.id.spi, &flow});
}

// A file for both hosts names the local port from one host's point of view, so an SA that reports places is filed under
// both ports.
void Followers::file(Flow& flow, Epochs& epochs) {
  if (flow.sends.load(std::memory_order_relaxed)) {
    Peer& peer = peers_[of_sender(flow)];
    peer.senders.insert(&flow);
    if (peer.now) send_to(flow, *peer.now, epochs);
  } else {
    drop_sender(flow);
  }
  if (!flow.receives.load(std::memory_order_relaxed)) {
    drop_teller(flow);
  } else if (!is_unspecified(flow.src)) {
    for (const auto& end : {flow.remote, flow.local}) {
      Peer& peer = peers_[of_teller(flow, end)];
      peer.tellers.insert(&flow);
      if (peer.now) flow.peer.expect_nothing();
    }
  }
}

void Followers::remove(Flow& flow) {
  drop_sender(flow);
  drop_teller(flow);
}

void Followers::drop_sender(Flow& flow) {
  forget_place(flow);
  const auto found = peers_.find(of_sender(flow));
  if (found == peers_.end()) return;
  found->second.senders.erase(&flow);
  if (found->second.idle()) peers_.erase(found);
}

void Followers::drop_teller(Flow& flow) {
  for (const auto& end : {flow.remote, flow.local}) {
    const auto found = peers_.find(of_teller(flow, end));
    if (found == peers_.end()) continue;
    found->second.tellers.erase(&flow);
    if (found->second.idle()) peers_.erase(found);
  }
}

// Until something sends, it is unknown which of the two ports is the peer's.
void Followers::follow(const Flow& inbound, const Place& to, Epochs& epochs) {
  for (const auto& end : {inbound.remote, inbound.local}) {
    const auto found = peers_.find(of_teller(inbound, end));
    if (found == peers_.end()) continue;
    Peer& peer = found->second;
    if (peer.now != to)
      for (Flow* const flow : peer.senders) send_to(*flow, to, epochs);
    peer.now = to;
    if (!peer.senders.empty()) return;
  }
}

void Followers::at(std::uint32_t spi, const Address& address, absl::FunctionRef<void(Flow&)> tell) const {
  for (auto found = moved_.lower_bound({address, spi, nullptr}); found != moved_.end(); ++found) {
    const auto& [where, number, flow] = *found;
    if (where != address || number != spi) return;
    tell(*flow);
  }
}

}  // namespace ipseckey::traffic
