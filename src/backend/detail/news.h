#pragma once
/// Messages that have arrived and not been passed to the listener yet.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "backend/backend.h"
#include "pfkey/notices.h"

namespace ipseckey::backend {

/// Keeps a limited number of messages: a call may be a DUMP, and others busy meanwhile. Messages that do not fit are
/// counted, and reported as a gap.
class News {
 public:
  static constexpr std::size_t kMost = 65'536;

  void hear(pfkey::Message&& m) {
    if (heard_.size() < kMost) {
      heard_.push_back(std::move(m));
    } else {
      ++missed_;
    }
  }
  void give(const Listener::Sink& sink) {
    while (!heard_.empty()) {
      pfkey::Message m = std::move(heard_.front());
      heard_.pop_front();
      sink(std::move(m));
    }
    if (const auto missed = std::exchange(missed_, 0); missed > 0) sink(pfkey::gap_notice(missed));
  }
  bool empty() const { return heard_.empty() && missed_ == 0; }
  void forget() { heard_.clear(), missed_ = 0; }

 private:
  std::deque<pfkey::Message> heard_;
  std::uint32_t missed_ = 0;
};

}  // namespace ipseckey::backend
