#pragma once
/// ACQUIREs in progress, and what they propose (RFC 2367 section 3.1.6; "Acquire" in doc/reference/pf-key.md).
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/instant.h"
#include "engine/engine.h"
#include "pfkey/message.h"

namespace ipseckey::engine {

inline constexpr std::chrono::seconds kAcquireTimeout{15};

/// The ACQUIREs that no key manager has answered yet, at most kMost: beyond that, no more are sent.
class Acquires {
 public:
  static constexpr std::size_t kMost = 256;

  /// A sequence number for a new ACQUIRE, from 0xfffffffe down, the top bit always set; nullopt: already requested, or
  /// full.
  std::optional<std::uint32_t> begin(const Wanted& wanted, Instant now);
  /// An answer has arrived, or nobody received the ACQUIRE.
  void drop(std::uint32_t seq);
  /// An SA arrived that claims to be the answer: the ACQUIRE is dropped if the SA leads to the requested destination.
  void answered(std::uint32_t seq, const Address& dst);
  void flush(pfkey::SaType satype);  ///< unspec: all.

  void expire(Instant now);
  std::optional<std::chrono::nanoseconds> next() const;  ///< When expire() must be called next.

 private:
  struct Pending {
    std::uint32_t seq;
    Wanted wanted;
    std::chrono::nanoseconds until;
  };
  std::vector<Pending> pending_;  // The oldest first, which is also the order of `until`.
  std::uint32_t last_seq_ = 0xffffffff;
};

/// What the engine would accept, best first: for sadb_prop and for sadb_x_prop.
pfkey::Proposal proposal(pfkey::SaType satype, const Options& options);
pfkey::ExtendedProposal extended_proposal(pfkey::SaType satype, const Options& options);

}  // namespace ipseckey::engine
