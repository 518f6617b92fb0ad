#pragma once
/// From the words that name a SADB (`--sadb=WHERE`, IPSECKEY_SADB) to the SADB.
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "backend/backend.h"
#include "backend/spd.h"
#include "base/instant.h"
#include "base/net.h"
#include "kernel/policy_world.h"
#include "kernel/xfrm_world.h"
#include "pfkey/algorithms.h"

namespace ipseckey::api {

/// What the choice depends on besides the words.
struct Surroundings {
  std::string socket;              ///< The default socket of ipsecd, for `ipsecd` and `auto`.
  std::function<Instant()> clock;  ///< For `memory` and `kernel`.
  /// For `auto`: why the kernel cannot be the SADB and how to mend it; an empty text: it has ESP or AH.
  std::function<std::string()> kernel_lacks = {};
  int stop_fd = -1;  ///< For `ipsecd`: see Socket::connect().
  /// For checks: returns a predicate that is true for this host's current addresses; empty: they are not known.
  std::function<std::function<bool(const Address&)>()> own_addresses = {};
  /// For checks by the kernel's rules; tests replace it. Empty: xfrm_world().
  std::function<kernel::XfrmWorld()> xfrm = {};
  /// For the kernel's rules; tests replace it. Empty: policy_world().
  std::function<kernel::PolicyWorld()> policies = {};
};

/// Those of this process: its user's default socket, and the system's clocks, kernel and addresses.
Surroundings surroundings();

/// The words that open_sadb() knows; `ipsecd` also with a colon and a path.
inline constexpr std::string_view kPlaces = "ipsecd kernel memory auto";

/// Opens the SADB that `where` names: `ipsecd`, `ipsecd:PATH`, `kernel`, `memory` or `auto`. Errors say what is missing
/// and how to mend it: syntax (no such word), unreachable, denied, unsupported, timeout, io.
Result<std::unique_ptr<backend::Backend>> open_sadb(std::string_view where, const Surroundings& around);

/// Opens the database of rules that `where` names: the same words, and errors, as those of open_sadb(). `auto`: an
/// ipsecd that carries packets, else the kernel.
Result<std::unique_ptr<backend::Spd>> open_spd(std::string_view where, const Surroundings& around);

struct Scratch {
  bool whole = false;  ///< It keeps whole SAs; else it checks keys, limits and identities, but does not keep them.
  backend::Rules rules = backend::Rules::engine;  ///< The SADB whose checks it makes.
  /// Whether the SADB with these rules supports an algorithm; empty: all. For the kernel's rules the kernel is asked.
  std::function<bool(const pfkey::Algorithm&)> usable = {};
};

/// An empty SADB inside the process, where no time passes. It refuses what the SADB with those rules would refuse. Its
/// SAs have a direction only if the command specified one. With the kernel's rules the kernel is asked what it can do;
/// nothing is added there.
std::unique_ptr<backend::Backend> open_scratch(const Surroundings& around, Scratch kind = {});

}  // namespace ipseckey::api
