#pragma once
/// The present, handed down as an argument: only the programs' outermost layers read a clock.
#include <chrono>

struct Instant {
  std::chrono::nanoseconds steady{};  ///< For lifetimes and deadlines: unmoved by changes of the clock.
  std::chrono::sys_seconds wall{};    ///< For what PF_KEY reports: seconds since 1970, UTC.

  bool operator==(const Instant&) const = default;
};

/// The same instant, `by` later on both clocks.
inline Instant operator+(Instant t, std::chrono::seconds by) { return {t.steady + by, t.wall + by}; }
