#pragma once
/// The seam between the SADB and what holds its SAs beyond the life of the process (ipsecd/keep/vault.h).
#include <cstdint>
#include <optional>

#include "base/instant.h"
#include "pfkey/message.h"

namespace ipseckey::engine {

struct SaId;

/// One SA, whole: what GET shows of it, keys included, and the times that GET has no place for. Its instants hold as
/// long as the machine is up.
struct Kept {
  pfkey::Message sa;         ///< As the reply to a GET; CURRENT has the bytes and flows.
  std::uint64_t serial = 0;  ///< Ascends in the order in which SAs came to be.
  Instant added;
  Instant idle_from;
  bool idle_told = false;
  std::optional<Instant> first, last;  ///< Uses; nullopt: none yet.
};

/// Holds every SA of an Engine as it is now. Its calls come from the engine's thread alone, before the request that
/// caused them is answered.
class Keeper {
 public:
  virtual ~Keeper() = default;
  /// The SA is new, or something about it has changed.
  virtual void keep(Kept&& kept) = 0;
  /// There is no such SA any more: nothing of its keys may be left.
  virtual void forget(const SaId& id) = 0;
};

}  // namespace ipseckey::engine
