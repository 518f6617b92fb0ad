#pragma once
/// Which addresses are this host's own.
#include <chrono>
#include <vector>

#include "base/net.h"

namespace ipsecd {

/// The addresses of the host's interfaces, asked of the system at most once a second.
class LocalAddresses {
 public:
  /// Loopback addresses (127/8, ::1) do not count: an SA to one has no direction of its own.
  bool contains(const Address& address);

 private:
  void refresh();

  std::vector<Address> addresses_;  // Sorted.
  std::chrono::steady_clock::time_point stale_at_{};
};

}  // namespace ipsecd
