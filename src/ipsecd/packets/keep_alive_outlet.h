#pragma once
/// The way out for what shows NATs that silent SAs in UDP are still there, and the clock that says when.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/instant.h"
#include "ipsecd/packets/outlet.h"
#include "system/descriptor.h"
#include "traffic/plane.h"

namespace ipseckey::ipsecd {

/// For the engine's thread.
class KeepAliveOutlet {
 public:
  /// They go as protected packets do, with their mark. Errors: those of Outlet.
  static Result<KeepAliveOutlet> make(std::uint32_t mark);

  /// Becomes readable when send() has something to do; as set_timer() found it last.
  int timer() const { return timer_.get(); }
  void set_timer(const traffic::Plane& plane);
  /// Some of those that are due; if more are, the timer rings at once. One that finds no room is tried again in a
  /// second.
  void send(traffic::Plane& plane, Instant now);

  std::uint64_t sent() const { return sent_; }
  std::uint64_t unsent() const { return outlet_.unsent(); }  ///< Those that the kernel refused.

 private:
  explicit KeepAliveOutlet(Outlet outlet);

  Outlet outlet_;
  Descriptor timer_;
  std::optional<std::chrono::nanoseconds> set_;  // What the timer waits for.
  std::chrono::nanoseconds full_until_{};        // Until then none is tried.
  std::uint64_t sent_ = 0;
};

}  // namespace ipseckey::ipsecd
