#pragma once
/// Where the peer of an SA in UDP is: the NAT in front of it may show another address or port at any time (RFC 3948
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

/// What packets tell of where the peer is.
class PeerPlace {
 public:
  // For packet threads.
  /// Whether the peer was seen there last: one read and a comparison.
  bool is(const Address& address, std::uint16_t port) const {
    return seen_.load(std::memory_order_relaxed) == tag_of(address, port);
  }
  /// The authentic packet with that number, which was the highest when it came, came from there. `expected`: the SA
  /// says so itself. Whether that is news, which then waits for take(); not if another thread was faster with a later
  /// one.
  bool see(const Place& place, std::uint64_t number, bool expected);

  // For the engine's thread.
  /// The last news since it was last asked.
  std::optional<Place> take();
  /// Whatever is seen next is news.
  void expect_nothing();

 private:
  static constexpr std::uint64_t kNowhere = 0, kAnywhere = 1;
  // Neither of these. Of IPv6 two places may have the same one, by chance; only the peer itself can try.
  static std::uint64_t tag_of(const Address& address, std::uint16_t port);

  std::atomic<std::uint64_t> seen_{kNowhere};
  SpinLock lock_;  // Of what follows.
  std::optional<Place> news_;
  std::uint64_t number_ = 0;  // Of what was seen last.
};

}  // namespace ipseckey::traffic
