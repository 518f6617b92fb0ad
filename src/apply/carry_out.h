#pragma once
/// Carries out the plan of an apply on the SADB.
#include <functional>
#include <span>

#include "apply/owner_rows.h"
#include "apply/plan.h"
#include "backend/backend.h"
#include "base/instant.h"

namespace ipseckey::apply {

/// Whose plan it is.
struct PlanFor {
  OwnerRows* rows;  ///< Rows of who owns which SA; nullptr: none are kept.
  Owner owner;
};

/// Why the rest of the plan is not carried out.
enum class Stop : std::uint8_t {
  sadb,         ///< It cannot be reached, or stopped answering.
  interrupted,  ///< A signal.
  flush,        ///< It refuses to flush its SAs (denied: this user's request).
  rows,         ///< The rows of owners cannot be read or written.
};

/// What carry_out() needs from the program: the SADB, the clock, and a way to report.
struct Program {
  /// Numbers the requests and has the SADB answer them, as Backend::call() does.
  std::function<Result<void>(std::span<pfkey::Message> requests, const backend::Backend::Reply& reply)> call;
  /// Reports the SADB's answer to a request for the SA; false: it refuses.
  std::function<bool(const PlannedSa& sa, const pfkey::Message& reply)> report;
  /// Reports that the SADB refused an SA that should replace another one, and that the other one was restored.
  std::function<void(const PlannedSa& sa)> report_restored;
  /// Reports why the rest is not done.
  std::function<void(Stop why, const Error& error)> report_stop;
  std::function<bool()> interrupted;  ///< Whether a pending signal requests the end.
  std::function<Instant()> clock;
};

struct CarriedOut {
  bool done = true;          ///< Nothing stopped it; the plan counts what the SADB refused.
  bool ended_early = false;  ///< Part of the plan was not requested; the plan counts what is known to be done.
  bool flushed = false;
};

/// Carries out, in this order: new SAs, new limits, replacements, removals, pairs, owners. SAs that stay unchanged are
/// not touched. `flush_first`: flushes all SAs before. Each refusal is reported and marked in the plan, and the rest
/// continues; it ends early only for the reasons in Stop. `desired` is the engine that holds the SAs of the file.
CarriedOut carry_out(const Program& program, Plan& plan, backend::Backend& desired, const PlanFor& whom,
                     bool flush_first);

}  // namespace ipseckey::apply
