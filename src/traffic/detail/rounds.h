#pragma once
/// SAs that wait for the engine's thread. It handles a limited number at a time and serves its clients in between.
#include <deque>
#include <optional>

#include "engine/engine.h"

namespace ipseckey::traffic {

class Rounds {
 public:
  static constexpr std::size_t kRound = 1024;

  void add(const engine::SaId& id) { waiting_.push_back(id); }
  /// The oldest; nullopt: none waits, or kRound were returned since the last nullopt.
  std::optional<engine::SaId> next() {
    if (waiting_.empty() || given_ == kRound) {
      given_ = 0;
      return std::nullopt;
    }
    ++given_;
    const engine::SaId id = waiting_.front();
    waiting_.pop_front();
    return id;
  }
  bool empty() const { return waiting_.empty(); }

 private:
  std::deque<engine::SaId> waiting_;
  std::size_t given_ = 0;
};

}  // namespace ipseckey::traffic
