#pragma once
/// How SAs age: when something is due, and what (section "Lifecycle" of doc/reference/pf-key.md).
#include <absl/container/btree_set.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <tuple>

#include "base/instant.h"
#include "engine/sadb.h"

namespace ipseckey::engine {

inline constexpr std::chrono::seconds kLarvalTimeout{90};

/// The limit that an SA has reached; the first one listed takes precedence.
enum class Due : std::uint8_t { larval, hard, soft, idle, nothing };

Due due(const Sa& sa, Instant now);

/// The effective idle limit: the requested one, otherwise half of the hard limit of seconds after the add.
pfkey::Lifetime effective_idle(const Limits& limits);

/// The SA's limits, created if it has none.
Limits& limits_of(Sa& sa);

/// Restarts the idle period.
void revalidate(Sa& sa, Instant now);

/// The next deadlines of all SAs, earliest first; of equal ones the older SA first.
class Deadlines {
 public:
  /// Updates the SA's deadline: call it whenever its limits, its state or its use changed.
  void schedule(Sa& sa, Instant now);
  void forget(Sa& sa);
  void clear() { queue_.clear(); }

  std::optional<std::chrono::nanoseconds> next() const;
  /// The SA with the earliest deadline, if that is not after `now`.
  std::optional<Sa::Index> due(Instant now) const;

 private:
  using Entry = std::tuple<std::chrono::nanoseconds, std::uint64_t, Sa::Index>;
  absl::btree_set<Entry> queue_;
};

}  // namespace ipseckey::engine
