#pragma once
/// The ICVs of a batch's AH packets, computed together.
#include <array>
#include <span>

#include "crypto/crypto.h"
#include "traffic/detail/wrap.h"

namespace ipseckey::traffic {

/// First add() each packet, at most kMost, then compute(). While they wait, packets have the form that their ICVs
/// cover, so nothing else may read them, and their memories must not overlap.
class AhBatch {
 public:
  static constexpr std::size_t kMost = 32;

  /// AH of `length` bytes in the packet of `w`. False: its headers are malformed, and nothing was added.
  bool add(Work& w, const AhPart& part, std::size_t length);
  struct Entry {
    Work* work;
    AhPart part;
    bool ok;  ///< The ICV could be computed.
    std::size_t size;
    std::array<std::byte, 64> ours, theirs;

    Bytes icv() const { return Bytes(ours).first(size); }
    /// What the packet has.
    Bytes arrived() const { return Bytes(theirs).first(size); }
    /// Writes the ICV.
    void seal() const;
  };
  /// In the order of add(), valid until the next one. The packets are as they were before.
  std::span<const Entry> compute(crypto::Crypto& crypto);

 private:
  static constexpr std::size_t kHeaders = 128;  // Longer ones are rare; then there is no job.
  struct Saved {
    std::array<std::byte, kHeaders> headers;
    std::array<std::byte, 4> behind;
  };

  std::array<Entry, kMost> entries_;
  std::array<Saved, kMost> saved_;
  std::array<crypto::MacJob, kMost> jobs_;
  std::array<std::size_t, kMost> owners_;  // Of the jobs, in entries_.
  std::size_t count_ = 0, waiting_ = 0;
};

}  // namespace ipseckey::traffic
