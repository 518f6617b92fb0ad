#include "ipsecd/packets/road_board.h"

#include <sys/eventfd.h>

#include <utility>

namespace ipseckey::ipsecd {

RoadBoard::RoadBoard() : asked_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

std::shared_ptr<const Roads> RoadBoard::roads() const {
  const std::lock_guard lock(mutex_);
  return roads_;
}

void RoadBoard::ask(const Address& to) {
  {
    const std::lock_guard lock(mutex_);
    if (asked_.size() >= kMostAsked) return;
    asked_.push_back(to);
  }
  ::eventfd_write(asked_fd_.get(), 1);
}

void RoadBoard::publish(std::shared_ptr<const Roads> roads) {
  const std::lock_guard lock(mutex_);
  roads_ = std::move(roads);
  serial_.fetch_add(1, std::memory_order_release);
}

std::vector<Address> RoadBoard::take_asked() {
  std::uint64_t calls = 0;
  ::eventfd_read(asked_fd_.get(), &calls);
  const std::lock_guard lock(mutex_);
  return std::exchange(asked_, {});
}

}  // namespace ipseckey::ipsecd
