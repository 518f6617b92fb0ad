#pragma once
/// Which addresses are this host's own.
#include <chrono>
#include <functional>
#include <vector>

#include "base/instant.h"
#include "base/net.h"

namespace ipseckey {

/// The addresses of the host's interfaces, read from the system at most once a second.
class LocalAddresses {
 public:
  /// `now`: from any clock that never goes backwards. Loopback addresses (127/8, ::1) do not count: an SA to one has no
  /// direction of its own.
  bool contains(const Address& address, std::chrono::nanoseconds now);

 private:
  void refresh();

  std::vector<Address> addresses_;  // Sorted.
  std::chrono::nanoseconds stale_at_{};
};

/// The addresses of the host's interfaces as they are now, without loopback addresses, sorted.
std::vector<Address> host_addresses();

/// Returns a predicate: whether an address is one of them, by the caller's clock.
std::function<bool(const Address&)> own_addresses(std::function<Instant()> clock);

}  // namespace ipseckey
