#include "engine/traffic/followers.h"

#include "engine/traffic/wrap.h"

namespace engine::traffic {
namespace {

void send_to(Flow& flow, const Place& to, Epochs& epochs) {
  if (!flow.tunnel && to.address != flow.id.dst) return;
  if (auto before = flow.send_to(to)) epochs.retire(std::move(before));
}

}  // namespace

void Followers::add(Flow& flow, Epochs& epochs) {
  Peer& peer = peers_[{flow.src, {flow.id.dst, natt_port(flow.remote)}}];
  peer.flows.insert(&flow);
  if (peer.now) send_to(flow, *peer.now, epochs);
}

void Followers::remove(Flow& flow) {
  const auto found = peers_.find({flow.src, {flow.id.dst, natt_port(flow.remote)}});
  if (found == peers_.end()) return;
  found->second.flows.erase(&flow);
  if (found->second.flows.empty()) peers_.erase(found);
}

// A file that serves both ends says from one end's place which port is local.
void Followers::follow(const Flow& inbound, const Place& to, Epochs& epochs) {
  for (const auto& end : {inbound.remote, inbound.local}) {
    const auto found = peers_.find({inbound.id.dst, {inbound.src, natt_port(end)}});
    if (found == peers_.end()) continue;
    Peer& peer = found->second;
    if (peer.now != to)
      for (Flow* const flow : peer.flows) send_to(*flow, to, epochs);
    peer.now = to;
    return;
  }
}

}  // namespace engine::traffic
