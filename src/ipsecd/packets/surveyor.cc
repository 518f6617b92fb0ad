#include "ipsecd/packets/surveyor.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <array>
#include <chrono>

#include "system/clock.h"

namespace ipseckey::ipsecd {

Surveyor::Surveyor(const Options& options, RouteAsker asker, RouteListener listener, Firewall firewall)
    : options_(options),
      asker_(std::move(asker)),
      listener_(std::move(listener)),
      firewall_(std::move(firewall)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Result<std::unique_ptr<Surveyor>> Surveyor::make(Options options) {
  auto listener = RouteListener::make();
  if (!listener) return std::unexpected(std::move(listener.error()));
  auto asker = RouteAsker::make(options.mark);
  if (!asker) return std::unexpected(std::move(asker.error()));
  auto firewall = Firewall::make(options.own_table);
  if (!firewall) return std::unexpected(std::move(firewall.error()));
  return std::unique_ptr<Surveyor>(
      new Surveyor(options, std::move(*asker), std::move(*listener), std::move(*firewall)));
}

Surveyor::~Surveyor() {
  ::eventfd_write(stop_.get(), 1);
  if (thread_.joinable()) thread_.join();
}

void Surveyor::start() {
  thread_ = std::thread([this] { run(); });
}

// IPsec policies of the kernel are not an option's matter: they may demand protection.
Detour Surveyor::obstacle() {
  if (policies_.concern_leaving()) return Detour::kernel_policies;
  return !options_.past_firewall && firewall_.concerns_leaving() ? Detour::firewall : Detour::none;
}

// Without destinations there is nothing that time changes, and the thread sleeps.
void Surveyor::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  constexpr std::chrono::milliseconds kTick{1000};
  auto tick_at = system_now().steady + kTick;
  survey_.obstacle(obstacle());
  survey_.begin();
  survey_.settle();
  for (;;) {
    std::array<pollfd, 4> ready = {pollfd{stop_.get(), POLLIN, 0}, pollfd{listener_.fd(), POLLIN, 0},
                                   pollfd{board_.asked_fd(), POLLIN, 0}, pollfd{firewall_.fd(), POLLIN, 0}};
    ::poll(ready.data(), ready.size(), survey_.idle() ? -1 : static_cast<int>(kTick.count()));
    if (ready[0].revents != 0) return;
    if (!listener_.hear([&](const RoadNews& one) { survey_.news(one); })) survey_.begin();
    const auto asked = board_.take_asked();
    const bool first = !asked.empty() && survey_.idle();  // Nobody checked for unreported changes while it was idle.
    survey_.ask(asked);
    const auto now = system_now().steady;
    const bool due = now >= tick_at;
    if (due) {
      tick_at = now + kTick;
      survey_.tick();
    }
    if (firewall_.changed() || first || due) survey_.obstacle(obstacle());
    survey_.settle();
  }
}

}  // namespace ipseckey::ipsecd
