#pragma once
/// From the words that name a SADB (`--sadb=WHERE`, IPSECKEY_SADB) to the SADB.
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "backend/backend.h"
#include "base/instant.h"
#include "base/net.h"
#include "kernel/xfrm_world.h"
#include "pfkey/algorithms.h"

namespace ipseckey::cli {

/// What the choice depends on beside the words.
struct Surroundings {
  std::string socket;              ///< The default socket of ipsecd, for `ipsecd` and `auto`.
  std::function<Instant()> clock;  ///< For `memory` and `kernel`.
  /// For `auto`: why the kernel cannot be the SADB, with the cure; empty: it has ESP or AH.
  std::function<std::string()> kernel_lacks = {};
  int stop_fd = -1;  ///< For `ipsecd`: as of Socket::connect().
  /// For checks: creates what tells whether an address is this host's, as of now; empty: not known.
  std::function<std::function<bool(const Address&)>()> own_addresses = {};
  /// For checks by the kernel's rules; tests replace it. Empty: xfrm_world().
  std::function<kernel::XfrmWorld()> xfrm = {};
};

/// This process': its user's default socket and the system's clocks.
Surroundings surroundings();

/// The words that open_sadb() knows; `ipsecd` also with a colon and a path.
inline constexpr std::string_view kPlaces = "ipsecd kernel memory auto";

/// Opens the SADB that `where` names: `ipsecd`, `ipsecd:PATH`, `kernel`, `memory` or `auto`. Errors say what is missing
/// and how to mend it: syntax (no such word), unreachable, denied, unsupported, timeout, io.
Result<std::unique_ptr<backend::Backend>> open_sadb(std::string_view where, const Surroundings& around);

struct Scratch {
  bool whole = false;  ///< It keeps all of what it is given; else it judges keys like any other and keeps none.
  backend::Rules rules = backend::Rules::engine;  ///< By which it judges.
  /// Whether the SADB whose rules they are has an algorithm; empty: all. The kernel is asked itself.
  std::function<bool(const pfkey::Algorithm&)> usable = {};
};

/// An empty SADB inside the process, where no time passes. It refuses what the SADB with those rules would, and shows
/// an SA only the direction that it was given. With the kernel's rules the kernel is asked what it can do; nothing is
/// added there.
std::unique_ptr<backend::Backend> open_scratch(const Surroundings& around, Scratch kind = {});

}  // namespace ipseckey::cli
