#pragma once
/// Which sequence numbers an SA has accepted, for a fuzz target that tests its replay window.
#include <algorithm>
#include <cstdint>
#include <set>

#include "must.h"
#include "traffic/detail/replay.h"

namespace ipseckey {

/// The replay window as a set of numbers, as slow and plain as RFC 4303 describes it.
class LetIn {
 public:
  using Verdict = traffic::ReplayWindow::Verdict;
  static constexpr std::uint64_t kStep = std::uint64_t{1} << 32;  ///< The half that is not sent.

  /// Everything up to `start` counts as received. A window of 0 refuses nothing.
  LetIn(std::uint32_t window, bool esn, std::uint64_t start)
      : window_(window), esn_(esn), start_(start), highest_(start) {}

  /// RFC 4303 appendix A2: the one number with that low half in the 2^32 from the window's left edge on.
  std::uint64_t meant(std::uint32_t low) const {
    if (!esn_) return low;
    const auto left = static_cast<std::int64_t>(highest_) - window_ + 1;
    const std::int64_t meant = left + (low - static_cast<std::uint32_t>(left));
    return static_cast<std::uint64_t>(meant) + (meant < 0 ? kStep : 0);
  }
  Verdict verdict(std::uint64_t n) const {
    if (window_ == 0) return Verdict::fresh;
    if (n == 0 || (n <= highest_ && highest_ - n >= window_)) return Verdict::late;
    return n <= start_ || let_in_.contains(n) ? Verdict::replayed : Verdict::fresh;
  }
  void mark(std::uint64_t n) {
    MUST(window_ == 0 || !let_in_.contains(n));
    let_in_.insert(n);
    highest_ = std::max(highest_, n);
  }
  std::uint64_t highest() const { return highest_; }

 private:
  std::uint32_t window_;
  bool esn_;
  std::uint64_t start_, highest_;
  std::set<std::uint64_t> let_in_;
};

}  // namespace ipseckey
