#pragma once
/// The seam between the SADB, which one control thread owns, and what carries packets for its SAs (traffic).
#include <cstdint>
#include <optional>

#include "base/instant.h"
#include "pfkey/message.h"

namespace ipseckey::engine {

struct Sa;
struct SaId;

/// What packets did to one SA so far, as the control thread reads it while they flow.
struct Carried {
  std::uint64_t packets = 0;           ///< Protected, or let in.
  std::uint64_t bytes = 0;             ///< Of the packets inside, as LIFETIME_CURRENT counts them.
  std::uint32_t allocations = 0;       ///< Flows.
  std::optional<Instant> first, last;  ///< Uses; nullopt: none yet.
  std::uint64_t sequence = 0;          ///< The last number sent, or the highest let in.
  std::uint64_t replayed = 0;          ///< Dropped as replays.
  std::uint64_t late = 0;              ///< Dropped because they lay left of the replay window.
  std::uint64_t corrupt = 0;           ///< Dropped because the ICV was wrong.
  std::uint64_t mismatched = 0;        ///< Dropped because the SA does not cover what was inside.
  std::uint64_t malformed = 0;         ///< Dropped for their padding or inner headers.
  bool exhausted = false;              ///< A hard limit of bytes or flows or the last sequence number is reached.
};

/// Carries the packets of an Engine's SAs. Its calls come from the engine's thread alone.
class Carrier {
 public:
  virtual ~Carrier() = default;
  /// The SA may carry packets from now on (mature, dying), or something about it has changed. A packet that an old
  /// limit stopped shows as `exhausted` in carried() after this, or was judged by the new one.
  virtual void put(const Sa& sa) = 0;
  /// The SA carries nothing any more, and the packets in hand are done: what carried() says now is the last word. Who
  /// has no threads of its own has nothing in hand.
  virtual void halt(const SaId& /*id*/) {}
  /// The SA carries nothing any more; its keys are gone when the packets in hand are done.
  virtual void remove(const SaId& id) = 0;
  /// nullopt: no such SA was put.
  virtual std::optional<Carried> carried(const SaId& id) const = 0;
  /// The next SA that has reached a limit, or was used for the first time, since it was last given back here; nullopt:
  /// no more, or enough for once, so that whoever asks in a loop comes to other work.
  virtual std::optional<SaId> attention() = 0;
  /// Where the SA's peer was seen since this was last asked, if that is another UDP address or port than before; asked
  /// after attention().
  virtual std::optional<pfkey::Endpoint> moved(const SaId& /*id*/) { return std::nullopt; }
};

}  // namespace ipseckey::engine
