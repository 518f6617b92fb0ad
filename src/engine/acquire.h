#pragma once
/// ACQUIREs under way, and what they propose (RFC 2367 section 3.1.6; "Acquire" in doc/reference/pf-key.md).
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/instant.h"
#include "engine/engine.h"
#include "pfkey/message.h"

namespace ipseckey::engine {

inline constexpr std::chrono::seconds kAcquireTimeout{15};

/// The ACQUIREs that no key manager has answered yet. Few: beyond kMost nothing more is asked for.
class Acquires {
 public:
  static constexpr std::size_t kMost = 256;

  /// A sequence number for a new ACQUIRE, from 0xfffffffe down, the top bit always set; nullopt: asked already, or
  /// full.
  std::optional<std::uint32_t> begin(const Wanted& wanted, Instant now);
  /// An answer has come, or nobody heard the question.
  void drop(std::uint32_t seq);
  /// An SA came that says it is the answer: dropped if it leads to the destination that was asked for.
  void answered(std::uint32_t seq, const Address& dst);
  void flush(pfkey::SaType satype);  ///< unspec: all.

  void expire(Instant now);
  std::optional<std::chrono::nanoseconds> next() const;  ///< When expire() has something to do.

 private:
  struct Pending {
    std::uint32_t seq;
    Wanted wanted;
    std::chrono::nanoseconds until;
  };
  std::vector<Pending> pending_;  // The oldest first, and so by `until`.
  std::uint32_t last_seq_ = 0xffffffff;
};

/// What the engine would accept, the best first: for sadb_prop and for sadb_x_prop.
pfkey::Proposal proposal(pfkey::SaType satype, const Options& options);
pfkey::ExtendedProposal extended_proposal(pfkey::SaType satype, const Options& options);

}  // namespace ipseckey::engine
