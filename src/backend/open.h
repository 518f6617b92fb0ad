#pragma once
/// From the words that name a SADB (`--sadb=WHERE`, IPSECKEY_SADB) to the SADB.
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "backend/backend.h"
#include "base/instant.h"

namespace backend {

/// What the choice depends on beside the words.
struct Surroundings {
  std::string socket;              ///< The default socket of ipsecd, for `ipsecd` and `auto`.
  std::function<Instant()> clock;  ///< For `memory` and `kernel`.
  /// For `auto`: why the kernel is no SADB, with the cure; empty: it has ESP or AH.
  std::function<std::string()> kernel_lacks = {};
  int stop_fd = -1;  ///< For `ipsecd`: as of Socket::connect().
};

/// This process': its user's default socket and the system's clocks.
Surroundings surroundings();

/// The words that open() knows; `ipsecd` also with a colon and a path.
inline constexpr std::string_view kPlaces = "ipsecd kernel memory auto";

/// Opens the SADB that `where` names: `ipsecd`, `ipsecd:PATH`, `kernel`, `memory` or `auto`. Errors say what is missing
/// and how to mend it: syntax (no such word), unreachable, denied, unsupported, timeout, io.
Result<std::unique_ptr<Backend>> open(std::string_view where, const Surroundings& around);

struct Scratch {
  bool whole = false;          ///< It keeps all of what it is given; else it judges keys like any other and keeps none.
  bool names_by_mark = false;  ///< As Backend has it.
};

/// An empty engine inside the process, where no time passes.
std::unique_ptr<Backend> open_scratch(const Surroundings& around, Scratch kind = {});

}  // namespace backend
