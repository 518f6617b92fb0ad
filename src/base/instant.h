#pragma once
/// The current time, passed down as an argument: only the programs' outermost layers read a clock.
#include <algorithm>
#include <chrono>
#include <cstdint>

namespace ipseckey {

struct Instant {
  std::chrono::nanoseconds steady{};  ///< For lifetimes and deadlines: unaffected when the clock is set.
  std::chrono::sys_seconds wall{};    ///< For times that PF_KEY reports: seconds since 1970, UTC.

  bool operator==(const Instant&) const = default;
};

/// The wall clock in PF_KEY's form; 0 before 1970.
inline std::uint64_t seconds_since_1970(Instant t) {
  return static_cast<std::uint64_t>(std::max<std::chrono::seconds::rep>(t.wall.time_since_epoch().count(), 0));
}

/// The same instant, `by` later on both clocks.
inline Instant operator+(Instant t, std::chrono::seconds by) { return {t.steady + by, t.wall + by}; }

}  // namespace ipseckey
