#pragma once
/// When a thread that receives packets one by one sleeps for a moment, so that the next ones come together: each batch
/// costs system calls, and TCP answers each long packet that is joined from one.
#include <chrono>
#include <cstddef>

namespace ipseckey::ipsecd {

class Nap {
 public:
  /// How long it sleeps.
  static constexpr std::chrono::microseconds kLength{50};
  /// It sleeps if at least this many packets came in one of these spans: 64,000 in a second. A conversation of
  /// questions and answers is slower, and is not delayed.
  static constexpr std::size_t kMany = 64;
  static constexpr std::chrono::milliseconds kSpan{1};

  /// `packets` were read at `now`, from any clock that never goes backwards.
  void received(std::size_t packets, std::chrono::nanoseconds now) {
    if (now - began_ >= kSpan) {
      before_ = now - began_ < 2 * kSpan ? in_span_ : 0;
      began_ = now, in_span_ = 0;
    }
    in_span_ += packets;
  }
  /// Whether to sleep before the next packets are read.
  bool due(std::chrono::nanoseconds now) const {
    const auto age = now - began_;
    return age < 2 * kSpan && (in_span_ >= kMany || (age < kSpan && before_ >= kMany));
  }

 private:
  std::chrono::nanoseconds began_{};
  std::size_t in_span_ = 0, before_ = 0;
};

}  // namespace ipseckey::ipsecd
