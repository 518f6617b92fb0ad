#include "traffic/detail/replay.h"

#include <algorithm>
#include <bit>

namespace ipseckey::traffic {

// One word more than the window has, so that a word is cleared only when all of its numbers are below the window.
ReplayWindow::ReplayWindow(std::uint32_t size, std::uint64_t highest)
    : size_(std::min(size, kMost)), highest_(0), mask_(std::bit_ceil(size_ / 64 + 2u) - 1), ring_(mask_ + 1) {
  advance(highest);
}

// RFC 4303 appendix A2.2, with T the highest number and W the window.
std::uint64_t ReplayWindow::extend(std::uint32_t low) const {
  constexpr std::uint64_t kStep = std::uint64_t{1} << 32;
  const std::uint32_t top = static_cast<std::uint32_t>(highest_);
  const std::uint32_t window = size_ == 0 ? 64 : size_;  // Numbers must be recorded even if none is refused.
  const std::uint32_t bottom = top - window + 1;
  const std::uint64_t same = (highest_ & ~(kStep - 1)) | low;
  if (top >= window - 1) return low >= bottom ? same : same + kStep;
  if (low < bottom) return same;
  return same >= kStep ? same - kStep : same;  // Before the first number, `highest` is far ahead instead.
}

ReplayWindow::Verdict ReplayWindow::ask(std::uint64_t number) const {
  if (size_ == 0 || number > highest_) return number == 0 && size_ != 0 ? Verdict::late : Verdict::fresh;
  if (number == 0 || highest_ - number >= size_) return Verdict::late;
  return word(number) & bit(number) ? Verdict::replayed : Verdict::fresh;
}

ReplayWindow::Verdict ReplayWindow::mark(std::uint64_t number) {
  const Verdict verdict = ask(number);
  if (verdict != Verdict::fresh) return verdict;
  if (number > highest_) raise(number);
  if (size_ != 0) word(number) |= bit(number);
  return verdict;
}

void ReplayWindow::raise(std::uint64_t number) {
  const std::uint64_t from = highest_ / 64, words = std::min<std::uint64_t>(number / 64 - from, ring_.size());
  for (std::uint64_t i = 1; i <= words; ++i) ring_[(number / 64 - words + i) & mask_] = 0;
  highest_ = number;
}

void ReplayWindow::advance(std::uint64_t number) {
  if (number <= highest_) return;
  raise(number);
  std::ranges::fill(ring_, ~std::uint64_t{0});
  // Numbers above the highest have not come yet: those in its own word are clear, and the next word is cleared in time.
  if (number % 64 != 63) word(number) &= (bit(number + 1)) - 1;
}

}  // namespace ipseckey::traffic
