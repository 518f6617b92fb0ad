#pragma once
/// Packets that were protected already and come into the device: an SA inside another one, or a route that leads an
/// SA's own packets back.
#include <array>
#include <atomic>
#include <cstdint>

#include "base/instant.h"
#include "traffic/detail/flow.h"

namespace ipseckey::traffic {

/// Datagrams of ESP in UDP of our own that came back in fragments, by their first ones: the others show no ports. For
/// any thread. They are forgotten after kKept, or when more of them come.
class Returned {
 public:
  static constexpr std::chrono::seconds kKept{30};  ///< As long as a receiver waits for fragments.

  /// `tag`: a hash of what names the datagram.
  void add(std::uint32_t tag, Instant now);
  bool contains(std::uint32_t tag, Instant now) const;

 private:
  static constexpr std::size_t kPlaces = 64;
  std::array<std::atomic<std::uint64_t>, kPlaces> places_{};  // The tag, and the second.
};

/// What an outbound packet is to the SA that was chosen for it.
enum class Nesting : std::uint8_t {
  none,    ///< Not protected yet.
  inside,  ///< Protected for another peer, or by another host: it is carried, with a hop limit that counts down.
  back,    ///< Protected for the SA's own peer, or nested too deeply: it is dropped.
};
/// ESP, AH, or ESP in UDP on the SA's own ports, fragments included. `packet`: whole, as `h` was read from it.
Nesting nesting(const Flow& flow, const Headers& h, Bytes packet, Returned& returned, Instant now);

}  // namespace ipseckey::traffic
