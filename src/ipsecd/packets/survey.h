#pragma once
/// Keeps the roads to the destinations in use as the kernel's tables say: what it asks the kernel, and when. It makes
/// no system call and knows no clock.
#include <absl/container/flat_hash_map.h>
#include <absl/functional/function_ref.h>

#include <memory>
#include <optional>
#include <span>

#include "ipsecd/packets/road.h"
#include "ipsecd/packets/road_board.h"
#include "ipsecd/packets/road_news.h"

namespace ipseckey::ipsecd {

/// The kernel, as a survey asks it.
class RoadSource {
 public:
  virtual ~RoadSource() = default;
  /// All links and neighbours. False: the list is incomplete.
  virtual bool list(absl::FunctionRef<void(const RoadNews&)> each) = 0;
  /// The route that a packet to the address would take; nullopt: there is none, or it cannot be asked.
  virtual std::optional<RouteFacts> route(const Address& to) = 0;
  /// Lets the kernel confirm that a neighbour is still there, as for a packet of its own.
  virtual void confirm(unsigned link, const Address& neighbour) = 0;
};

class Survey {
 public:
  /// More destinations than these stay with the raw socket.
  static constexpr std::size_t kMost = 1024;
  /// Ticks after which a destination without packets is forgotten, and after which all routes are asked again: the
  /// kernel does not report redirects.
  static constexpr unsigned kForgotten = 60, kAskedAgain = 10;

  /// Both outlive it.
  Survey(RoadSource& source, RoadBoard& board) : source_(source), board_(board) {}

  /// Reads all tables; also after messages of the kernel were lost, during which every road is closed.
  void begin();
  void news(const RoadNews& news);
  void ask(std::span<const Address> destinations);
  /// A reason that closes every road; none: none.
  void obstacle(Detour detour);
  /// Asks the kernel again for the routes that may have changed, and publishes the roads if one is another.
  void settle();
  /// Once a second, if there are destinations.
  void tick();
  /// Whether tick() has nothing to do.
  bool idle() const { return entries_.empty(); }

 private:
  struct Entry {
    std::optional<RouteFacts> route;
    bool must_ask = true;
    unsigned unused = 0;  // Ticks.
    Destination destination;
  };
  void ask_all();
  void publish();

  RoadSource& source_;
  RoadBoard& board_;
  RoadMap map_;
  absl::flat_hash_map<Address, Entry, AddressHash> entries_;
  bool complete_ = false;  // The tables were read completely.
  bool changed_ = false;   // A table, or the set of destinations.
  unsigned ticks_ = 0;
};

}  // namespace ipseckey::ipsecd
