#include "ipsecd/packets/keep_alive_outlet.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

namespace ipseckey::ipsecd {
namespace {

constexpr std::chrono::milliseconds kPause{100};  // For all of them, if there is no room.

}  // namespace

KeepAliveOutlet::KeepAliveOutlet(Outlet outlet)
    : outlet_(std::move(outlet)), timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {}

Result<KeepAliveOutlet> KeepAliveOutlet::make(std::uint32_t mark) {
  auto outlet = Outlet::make(mark, false);
  if (!outlet) return std::unexpected(std::move(outlet.error()));
  return KeepAliveOutlet(std::move(*outlet));
}

// With 0 it would never expire.
void KeepAliveOutlet::set_timer(const traffic::Plane& plane) {
  auto at = plane.keep_alive_at();
  if (at) at = std::max(*at, full_until_);
  if (at == set_) return;
  set_ = at;
  itimerspec when{};
  if (at) {
    const auto count = std::max<std::chrono::nanoseconds::rep>(at->count(), 1);
    when.it_value = {.tv_sec = static_cast<time_t>(count / 1'000'000'000), .tv_nsec = count % 1'000'000'000};
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void KeepAliveOutlet::send(traffic::Plane& plane, Instant now) {
  std::uint64_t times = 0;
  if (::read(timer_.get(), &times, sizeof times) != sizeof times) return;  // It was another source that called.
  set_.reset();
  std::array<std::byte, traffic::Packet::kHeadroom + 128> memory;
  traffic::Item item;
  item.packet.memory = memory;
  while (now.steady >= full_until_ && plane.keep_alive(item, now)) {
    const std::uint64_t unsent = outlet_.unsent();
    if (outlet_.send({&item, 1}, true) == 0) {
      plane.keep_alive_again(item.departure.sa, now);
      full_until_ = now.steady + kPause;
    } else {
      sent_ += outlet_.unsent() == unsent ? 1 : 0;
    }
  }
  set_timer(plane);
}

}  // namespace ipseckey::ipsecd
