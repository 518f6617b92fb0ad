#pragma once
/// The anti-replay window (RFC 4303 section 3.4.3), a ring of bits as in RFC 6479, and extended sequence numbers (RFC
/// 4303 appendix A). Not thread-safe: Flow guards it.
#include <cstdint>
#include <vector>

#include "pfkey/message.h"

namespace ipseckey::traffic {

class ReplayWindow {
 public:
  static constexpr std::uint32_t kMost = pfkey::ReplayWindow::kMost;  ///< Packets.

  enum class Verdict : std::uint8_t { fresh, replayed, late };

  /// A window of `size` packets, at most kMost; 0: nothing is checked, but the highest number is recorded. Everything
  /// up to `highest` counts as received.
  ReplayWindow(std::uint32_t size, std::uint64_t highest);

  /// The full number for its low half; the high half is not sent.
  std::uint64_t extend(std::uint32_t low) const;
  /// Call before the ICV is checked. Changes nothing.
  Verdict ask(std::uint64_t number) const;
  /// Call after the ICV was right. Another thread may have been faster, so the verdict is returned again.
  Verdict mark(std::uint64_t number);

  std::uint64_t highest() const { return highest_; }
  std::uint32_t size() const { return size_; }
  /// From now on, everything up to `number` counts as received; never decreases.
  void advance(std::uint64_t number);

 private:
  std::uint64_t& word(std::uint64_t number) { return ring_[(number / 64) & mask_]; }
  std::uint64_t word(std::uint64_t number) const { return ring_[(number / 64) & mask_]; }
  static std::uint64_t bit(std::uint64_t number) { return std::uint64_t{1} << (number % 64); }
  void raise(std::uint64_t number);

  std::uint32_t size_;
  std::uint64_t highest_;
  std::uint64_t mask_;  // The number of words in the ring, a power of two.
  std::vector<std::uint64_t> ring_;
};

}  // namespace ipseckey::traffic
