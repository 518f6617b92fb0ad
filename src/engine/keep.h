#pragma once
/// The interface between the SADB and the code that keeps its SAs beyond the life of the process (ipsecd/keep/vault.h).
#include <cstdint>
#include <optional>

#include "base/instant.h"
#include "pfkey/message.h"

namespace ipseckey::engine {

struct SaId;

/// One complete SA: what GET shows, keys included, and the times that GET lacks. Its instants are valid until the
/// machine reboots.
struct Kept {
  pfkey::Message sa;         ///< As the reply to a GET; CURRENT has the bytes and flows.
  std::uint64_t serial = 0;  ///< Increases in the order in which SAs were added.
  Instant added;
  Instant idle_from;
  bool idle_told = false;
  std::optional<Instant> first, last;  ///< Times of use; nullopt: not used yet.
};

/// Holds the current state of every SA of an Engine. Only the engine's thread calls it, before it answers the request
/// that caused the call.
class Keeper {
 public:
  virtual ~Keeper() = default;
  /// The SA is new, or something about it has changed.
  virtual void keep(Kept&& kept) = 0;
  /// The SA no longer exists: no part of its keys may remain.
  virtual void forget(const SaId& id) = 0;
};

}  // namespace ipseckey::engine
