#pragma once
/// The interface between the SADB, which one control thread owns, and the code that carries packets for its SAs
/// (traffic).
#include <cstdint>
#include <optional>

#include "base/instant.h"
#include "pfkey/message.h"

namespace ipseckey::engine {

struct Sa;
struct SaId;

/// An SA's packets so far, as the control thread reads them while they flow.
struct Carried {
  std::uint64_t packets = 0;           ///< Protected, or accepted.
  std::uint64_t bytes = 0;             ///< Bytes of the inner packets, as LIFETIME_CURRENT counts them.
  std::uint32_t allocations = 0;       ///< Flows.
  std::optional<Instant> first, last;  ///< Times of use; nullopt: not used yet.
  std::uint64_t sequence = 0;          ///< The last number sent, or the highest accepted.
  std::uint64_t replayed = 0;          ///< Dropped as replays.
  std::uint64_t late = 0;              ///< Dropped because they were below the replay window.
  std::uint64_t corrupt = 0;           ///< Dropped because the ICV was wrong.
  std::uint64_t mismatched = 0;        ///< Dropped because the SA does not cover the inner packet.
  std::uint64_t malformed = 0;         ///< Dropped for their padding or inner headers.
  bool exhausted = false;              ///< Packets reached a hard limit of bytes or flows, or the last sequence number.
};

/// Carries the packets of an Engine's SAs. Only the engine's thread calls it.
class Carrier {
 public:
  virtual ~Carrier() = default;
  /// The SA may carry packets from now on (mature, dying), or something about it has changed. If an old limit stopped a
  /// packet, carried() then reports it as `exhausted`; otherwise the new limit was applied to it.
  virtual void put(const Sa& sa) = 0;
  /// The SA carries nothing any more, and batches in progress are finished: the next carried() returns the final state.
  /// A carrier without threads has no batches in progress.
  virtual void halt(const SaId& /*id*/) {}
  /// The SA carries nothing any more; its keys are wiped when the batches in progress are finished.
  virtual void remove(const SaId& id) = 0;
  /// nullptr: no such SA was put.
  virtual std::optional<Carried> carried(const SaId& id) const = 0;
  /// The next SA that has reached a limit, or was used for the first time, since it was last returned here; nullopt:
  /// there are no more, or this round is full, so that a caller that loops gets to other work.
  virtual std::optional<SaId> attention() = 0;
  /// The place of the SA's peer since the last call, if it is another UDP address or port than before; call it after
  /// attention().
  virtual std::optional<pfkey::Endpoint> moved(const SaId& /*id*/) { return std::nullopt; }
};

}  // namespace ipseckey::engine
