#pragma once
/// SAs in UDP that send to a peer, so that all of them follow it to another place.
#include <absl/container/flat_hash_set.h>

#include <map>
#include <optional>

#include "engine/traffic/epoch.h"
#include "engine/traffic/flow.h"

namespace engine::traffic {

/// For the engine's thread.
class Followers {
 public:
  /// The Flow sends in UDP; it is told where the peer is, if that is known already.
  void add(Flow& flow, Epochs& epochs);
  void remove(Flow& flow);
  /// A packet of this SA came from there: what sends to the same peer sends there from now on. In transport mode only
  /// the port can be another one, since the address is the packet's own.
  void follow(const Flow& inbound, const Place& to, Epochs& epochs);

 private:
  struct Ends {
    Address here;
    Place there;  // As the SAs have it.
    auto operator<=>(const Ends&) const = default;
  };
  struct Peer {
    std::optional<Place> now;
    absl::flat_hash_set<Flow*> flows;
  };
  std::map<Ends, Peer> peers_;
};

}  // namespace engine::traffic
