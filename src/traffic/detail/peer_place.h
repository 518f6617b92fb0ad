#pragma once
/// Where the peer of an SA in UDP is: the NAT in front of it may change its address or port at any time (RFC 3948
/// section 4).
#include <atomic>
#include <compare>
#include <cstdint>
#include <optional>

#include "base/net.h"
#include "traffic/detail/spin_lock.h"

namespace ipseckey::traffic {

/// An address and a UDP port.
struct Place {
  Address address;
  std::uint16_t port = 0;
  auto operator<=>(const Place&) const = default;
};

/// The peer's place, as its packets show it.
class PeerPlace {
 public:
  // For packet threads.
  /// Whether the peer was last seen there: one read and a comparison.
  bool is(const Address& address, std::uint16_t port) const {
    return seen_.load(std::memory_order_relaxed) == tag_of(address, port);
  }
  /// The authentic packet with that number, which was the highest when it arrived, came from there. `expected`: the SA
  /// itself names that place. True if this is news, which then waits for take(); false if another thread recorded a
  /// later packet first.
  bool see(const Place& place, std::uint64_t number, bool expected);

  // For the engine's thread.
  /// The latest news since the last call.
  std::optional<Place> take();
  /// Whatever is seen next is news.
  void expect_nothing();

 private:
  static constexpr std::uint64_t kNowhere = 0, kAnywhere = 1;
  // Equals neither of these. Two IPv6 places may share a value by chance; only the peer itself can provoke that.
  static std::uint64_t tag_of(const Address& address, std::uint16_t port);

  std::atomic<std::uint64_t> seen_{kNowhere};
  SpinLock lock_;  // Guards the following members.
  std::optional<Place> news_;
  std::uint64_t number_ = 0;  // The number of the packet seen last.
};

}  // namespace ipseckey::traffic
