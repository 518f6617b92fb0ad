#pragma once
/// Sends keepalives to the NATs of idle SAs in UDP, and has the timer for them.
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
  /// They are sent like protected packets, with their mark. Errors: those of Outlet.
  static Result<KeepAliveOutlet> make(std::uint32_t mark);

  /// Becomes readable when send() has something to do, as of the last set_timer().
  int timer() const { return timer_.get(); }
  void set_timer(const traffic::Plane& plane);
  /// Sends some of those that are due; if more are, the timer expires at once. A keepalive that finds no room is
  /// retried in a second.
  void send(traffic::Plane& plane, Instant now);

  std::uint64_t sent() const { return sent_; }
  std::uint64_t unsent() const { return outlet_.unsent(); }  ///< Those that the kernel refused.

 private:
  explicit KeepAliveOutlet(Outlet outlet);

  Outlet outlet_;
  Descriptor timer_;
  std::optional<std::chrono::nanoseconds> set_;  // The time for which the timer is set.
  std::chrono::nanoseconds full_until_{};        // Until then none is retried.
  std::uint64_t sent_ = 0;
};

}  // namespace ipseckey::ipsecd
