#pragma once
/// What an `apply` does to the SADB once its plan stands.
#include <string>

#include "backend/backend.h"
#include "backend/owned.h"
#include "cli/plan.h"
#include "cli/session.h"
#include "cli/status.h"

namespace cli {

/// Whose plan it is.
struct PlanFor {
  backend::Owned* owned;  ///< Rows of who owns which SA; nullptr: none are kept.
  backend::Owner owner;
  std::string shown;  ///< The file as messages name it.
};

struct CarriedOut {
  Status status = Status::ok;
  bool ended_early = false;  ///< Some of the plan was not even asked for; the plan counts what is known to be done.
  bool flushed = false;
};

/// New SAs, new limits, replacements, removals, pairs, owners, in this order: new before old, and nothing that stays is
/// touched. `flush_first`: all that is there goes before. Each refusal is said and marked in the plan, and the rest
/// goes on; only a lost SADB or a signal ends it early. `desired` is the engine that holds what the file lists.
CarriedOut carry_out(Session& session, Plan& plan, backend::Backend& desired, const PlanFor& whom, bool flush_first);

}  // namespace cli
