#pragma once
/// Packets that are already protected when they enter the device: an SA inside another one, or a route that returns an
/// SA's own packets.
#include <array>
#include <atomic>
#include <cstdint>

#include "base/instant.h"
#include "traffic/detail/flow.h"

namespace ipseckey::traffic {

/// Our own ESP-in-UDP datagrams that returned in fragments, recognised by the first fragment: the others show no ports.
/// Thread-safe. They are forgotten after kKept, or when newer ones replace them.
class Returned {
 public:
  static constexpr std::chrono::seconds kKept{30};  ///< The time for which a receiver waits for fragments.

  /// `tag`: a hash of the fields that identify the datagram.
  void add(std::uint32_t tag, Instant now);
  bool contains(std::uint32_t tag, Instant now) const;

 private:
  static constexpr std::size_t kPlaces = 64;
  std::array<std::atomic<std::uint64_t>, kPlaces> places_{};  // The tag, and the second.
};

/// How an outbound packet relates to the SA that was chosen for it.
enum class Nesting : std::uint8_t {
  none,    ///< Not protected yet.
  inside,  ///< Protected for another peer, or by another host: it is carried, with a hop limit that decreases.
  back,    ///< Protected for the SA's own peer, or nested too deeply: it is dropped.
};
/// ESP, AH, or ESP in UDP on the SA's own ports, fragments included. `packet`: complete; `h` was read from it.
Nesting nesting(const Flow& flow, const Headers& h, Bytes packet, Returned& returned, Instant now);

}  // namespace ipseckey::traffic
