#pragma once
/// The anti-replay window (RFC 4303 section 3.4.3), a ring of bits as in RFC 6479, and extended sequence numbers
/// (RFC 4303 appendix A). Not for several threads at once: Flow guards it.
#include <cstdint>
#include <vector>

#include "pfkey/message.h"

namespace ipseckey::traffic {

class ReplayWindow {
 public:
  static constexpr std::uint32_t kMost = pfkey::ReplayWindow::kMost;  ///< Packets.

  enum class Verdict : std::uint8_t { fresh, replayed, late };

  /// A window of `size` packets, at most kMost; 0: nothing is checked, but the highest number is kept. Everything up
  /// to `highest` counts as let in.
  ReplayWindow(std::uint32_t size, std::uint64_t highest);

  /// The number that was meant by its low half, of which the high one is not sent.
  std::uint64_t extend(std::uint32_t low) const;
  /// Before the ICV is checked. Changes nothing.
  Verdict ask(std::uint64_t number) const;
  /// After it was right. Another thread may have been faster, so the verdict is given again.
  Verdict mark(std::uint64_t number);

  std::uint64_t highest() const { return highest_; }
  std::uint32_t size() const { return size_; }
  /// Everything up to `number` counts as let in from now on; never backwards.
  void advance(std::uint64_t number);

 private:
  std::uint64_t& word(std::uint64_t number) { return ring_[(number / 64) & mask_]; }
  std::uint64_t word(std::uint64_t number) const { return ring_[(number / 64) & mask_]; }
  static std::uint64_t bit(std::uint64_t number) { return std::uint64_t{1} << (number % 64); }
  void raise(std::uint64_t number);

  std::uint32_t size_;
  std::uint64_t highest_;
  std::uint64_t mask_;  // Of the words of the ring, a power of two.
  std::vector<std::uint64_t> ring_;
};

}  // namespace ipseckey::traffic
