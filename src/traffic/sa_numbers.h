#pragma once
/// The numbers of one SA that packets advance. They may be in memory that outlives the process, so that its successor
/// sends no sequence number and no IV again and accepts no packet twice.
#include <atomic>
#include <cstdint>
#include <memory>

#include "engine/engine.h"

namespace ipseckey::traffic {

/// Every number is advanced before the packet leaves or is accepted: the value here is never behind what others saw.
struct SaNumbers {
  using Counter = std::atomic<std::uint64_t>;

  Counter begun{0};    ///< 1: the numbers have been used before, and continue.
  Counter number{0};   ///< The last sequence number sent.
  Counter iv{0};       ///< The next IV of a counter mode.
  Counter highest{0};  ///< The highest number accepted.
  Counter packets{0}, bytes{0}, flows{0};
  Counter first_steady{0}, first_wall{0}, last_steady{0}, last_wall{0};
  Counter replayed{0}, late{0}, corrupt{0}, mismatched{0}, malformed{0};
};
static_assert(SaNumbers::Counter::is_always_lock_free && sizeof(SaNumbers) == 128);

/// Returns the numbers of an SA; the same object as long as somebody holds it.
using SaNumbersSource = std::function<std::shared_ptr<SaNumbers>(const engine::SaId&)>;

}  // namespace ipseckey::traffic
