#pragma once
/// SAs in UDP that send to one peer, so that all of them follow it to a new address or port.
#include <absl/container/flat_hash_set.h>
#include <absl/functional/function_ref.h>

#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "traffic/detail/epoch.h"
#include "traffic/detail/flow.h"

namespace ipseckey::traffic {

/// For the engine's thread. A peer is identified by the SAs' outer ends, and in tunnel mode also by the inner networks:
/// hosts behind one NAT may have the same address and port in the files. It is known as long as there is an SA that
/// sends to it, or one that would report its place.
class Followers {
 public:
  /// The Flow uses UDP and is new, or its directions have changed. If it sends, it gets its peer's place, if known.
  void file(Flow& flow, Epochs& epochs);
  void remove(Flow& flow);
  /// A packet of this SA, which is filed here, came from there: SAs that send to the same peer send there from now on.
  void follow(const Flow& inbound, const Place& to, Epochs& epochs);
  /// Each SA with that SPI that sends to that address because its peer has moved there.
  void at(std::uint32_t spi, const Address& address, absl::FunctionRef<void(Flow&)> tell) const;

 private:
  struct Network {
    Address address;
    std::uint8_t prefix = 0;
    auto operator<=>(const Network&) const = default;
  };
  struct Ends {
    Address here;
    Place there;
    std::optional<Network> inside_here, inside_there;  // Of a tunnel.
    auto operator<=>(const Ends&) const = default;
  };
  struct Peer {
    std::optional<Place> now;
    absl::flat_hash_set<Flow*> senders, tellers;
    bool idle() const { return senders.empty() && tellers.empty(); }
  };
  static Ends of_sender(const Flow& flow);
  static Ends of_teller(const Flow& flow, const std::optional<pfkey::Endpoint>& end);
  static std::optional<Network> inside(const Flow& flow, const Address& address, std::uint8_t prefix);

  void send_to(Flow& flow, const Place& to, Epochs& epochs);
  void forget_place(Flow& flow);
  void drop_sender(Flow& flow);
  void drop_teller(Flow& flow);

  std::map<Ends, Peer> peers_;
  std::set<std::tuple<Address, std::uint32_t, Flow*>> moved_;  // The destination of their packets, and their SPI.
};

}  // namespace ipseckey::traffic
