// How a file becomes the state of the SADB:
// 1. read_desired() runs the file against an engine of its own; what that holds is the desired state. If the file has
//    a mistake, nothing is changed.
// 2. A Turn has the lock of the SADB and its owner rows. A file is read after the lock is taken, a pipe before. A dry
//    run takes no lock.
// 3. compare() shows each SA of the SADB to the plan. A real run with --flush-first compares nothing: every SA is new.
// 4. CarryingOut lends the session to apply::carry_out(), reports what is refused, and finds the exit status.
// 5. report() prints the counts, and for a dry run or with --verbose the plan.
#include "cli/apply.h"

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <optional>

#include "api/outcome.h"
#include "apply/carry_out.h"
#include "apply/lock.h"
#include "apply/owner_rows.h"
#include "apply/plan.h"
#include "backend/sadb_place.h"
#include "cli/warnings.h"
#include "pfkey/units.h"
#include "system/held_signals.h"

namespace ipseckey::cli {
namespace {

using apply::Plan;
using Do = apply::PlannedSa::Do;

// A pipe has no name of its own.
std::string full_path(const std::string& file) {
  std::error_code none;
  if (file == "-" || (std::filesystem::exists(file, none) && !std::filesystem::is_regular_file(file, none))) return "-";
  const auto path = std::filesystem::weakly_canonical(file, none);
  return none ? file : path.string();
}

// Runs the file against an engine of its own. Its contents at the end are the desired state.
Status read_desired(Session& session, Handlers handlers, Session& desired, const ApplyRequest& request) {
  if (request.unload) return Status::ok;
  const std::string& path = request.file;
  auto file = InputFile::open(path, session.care(), request.pipes);
  if (!file) {
    session.console().complain(file.error().text);
    if (!session.settings().service) return Status::file;
    return file.error().code == Errc::denied ? Status::no_privilege : Status::bad_file;
  }
  const Status status = run_file(desired, handlers, *file, lang::Where::file, Counts::after_failure);
  if (status == Status::ok) return status;
  session.console().complain("nothing was changed");
  if (!session.settings().service) return status;
  session.console().complain(fmt::format("to see what is wrong and where, run: ipseckey -c {}", pfkey::escaped(path)));
  return Status::bad_file;
}

std::string summary(const Plan& plan, const ApplyRequest& request, const std::string& shown, bool flushed) {
  const bool dry = request.dry_run;
  std::string text = fmt::format("{}: {} {}, {} {}, {} {}, ", shown, plan.count({Do::add}), dry ? "to add" : "added",
                                 plan.count({Do::update, Do::replace}), dry ? "to change" : "changed",
                                 plan.count({Do::keep}), dry ? "to keep" : "kept");
  if (request.flush_first && !dry) {
    text += flushed ? "all others flushed" : "nothing flushed";
  } else {
    text += fmt::format("{} {}", plan.count({Do::remove}), dry ? "to remove" : "removed");
  }
  if (plan.failed() > 0) text += fmt::format(", {} failed", plan.failed());
  return text;
}

void report(Session& session, Plan& plan, const ApplyRequest& request, const std::string& name,
            const apply::CarriedOut& outcome) {
  const bool lines = request.dry_run || session.settings().verbose;
  if (!session.settings().json) {
    const std::string tail = request.dry_run       ? "; nothing was changed.\n"
                             : outcome.ended_early ? "; the rest was not done.\n"
                                                   : ".\n";
    session.console().out((lines ? apply::plan_text(plan) : "") +
                          summary(plan, request, pfkey::escaped(name), outcome.flushed) + tail);
    return;
  }
  session.console().out((lines ? apply::plan_json(plan, session.sadb_name(), name) : "") +
                        apply::summary_json(plan, session.sadb_name(), name, request.dry_run));
}

/// The lock of an apply, and the rows of owners: held from the reading of the file, so that the last one to begin has
/// the last word. Each SADB has its own.
class Turn {
 public:
  Turn(Session& session, const ApplyRequest& request) : session_(session), request_(request) {}

  /// Of the session's SADB if it is open; then it need not be called again.
  Status take() {
    const backend::Backend* const sadb = session_.opened();
    if (!place_.name.empty() || !sadb) return Status::ok;
    place_ = backend::sadb_place(*sadb);
    if (session_.owner_rows().empty() || place_.name == "memory") return Status::ok;
    rows_.emplace(session_.owner_rows());
    if (request_.dry_run) return Status::ok;
    const HeldSignals held;
    auto lock =
        apply::Lock::take(session_.owner_rows() + ".lock", place_.name, apply::Lock::kPatience, HeldSignals::fd());
    if (lock) {
      lock_.emplace(std::move(*lock));
      return Status::ok;
    }
    session_.console().complain(lock.error().text);
    return lock.error().code == Errc::timeout ? Status::busy : session_.status_for(lock.error().code);
  }

  const std::string& sadb() const { return place_.name; }
  /// nullptr: no owners are kept.
  apply::OwnerRows* rows() { return rows_ ? &*rows_ : nullptr; }

  Result<apply::OwnerRows::Holdings> holdings(const apply::Owner& owner) {
    if (!rows_) return {};
    if (lock_)
      if (auto pruned = rows_->prune(place_); !pruned) return std::unexpected(pruned.error());
    return rows_->read(owner);
  }

 private:
  Session& session_;
  const ApplyRequest& request_;
  backend::SadbPlace place_;
  std::optional<apply::OwnerRows> rows_;
  std::optional<apply::Lock> lock_;
};

std::string owner_of(const ApplyRequest& request) {
  return request.owner.empty() ? full_path(request.file) : request.owner;
}

// Compares the plan with every SA of the SADB.
Status compare(Session& session, Plan& plan, const Plan::Against& against) {
  std::size_t count = 0;
  const Status status = session.walk(
      pfkey::SaType::unspec, "nothing was changed",
      [&](pfkey::Message&& held) { return plan.compare(std::move(held), against); }, count);
  if (status == Status::ok) plan.compare_pairs();
  return status;
}

/// What carrying out a plan needs from this session, and the resulting exit status.
class CarryingOut {
 public:
  CarryingOut(Session& session, const std::string& shown) : session_(session), shown_(shown) {}

  apply::CarriedOut run(Plan& plan, const apply::PlanFor& whom, Session& desired, bool flush_first) {
    const apply::Program program{
        .call = [this](auto requests, const auto& reply) { return call(requests, reply); },
        .report = [this](const auto& sa, const auto& reply) { return report(sa, reply); },
        .report_restored =
            [this](const auto& sa) { say(fmt::format("the old {} was restored", apply::text_of(sa.name))); },
        .report_stop = [this](apply::Stop why, const Error& error) { stopped(why, error); },
        .interrupted = [this] { return held_.one_came(); },
        .clock = [this] { return session_.now(); },
    };
    const auto outcome = apply::carry_out(program, plan, *desired.sadb(), whom, flush_first);
    if (!outcome.done && status_ == Status::ok) status_ = Status::failed;
    if (plan.failed() > 0) status_ = worse(status_, Status::failed);
    session_.console().err(warnings_.rest(shown_));
    return outcome;
  }
  Status status() const { return status_; }

 private:
  void say(std::string_view text) { session_.console().err(fmt::format("{}: {}\n", shown_, text)); }

  Result<void> call(std::span<pfkey::Message> requests, const backend::Backend::Reply& reply) {
    backend::Backend* const sadb = session_.sadb();
    if (!sadb) {
      status_ = worse(status_, session_.no_sadb());
      return fail(Errc::unreachable, "the rest was not done");
    }
    for (pfkey::Message& request : requests) session_.prepare(request);
    auto called = sadb->call(requests, reply);
    if (called) return called;
    session_.lose_sadb();
    status_ = worse(status_, session_.status_for(called.error().code));
    return called;
  }

  bool report(const apply::PlannedSa& sa, const pfkey::Message& reply) {
    const api::Outcome outcome = api::outcome_of(reply, {sa.name.satype, sa.name.spi, sa.name.dst, false});
    if (!outcome.ok || (!outcome.text.empty() && warnings_.shows({lang::Severity::warning, 0, 0, outcome.text}, 0)))
      say(fmt::format("{}: {}: {}", outcome.ok ? "warning" : "error", apply::text_of(sa.name), outcome.text));
    if (session_.settings().service && (reply.error == EPERM || reply.error == EACCES))
      status_ = worse(status_, Status::no_privilege);
    return outcome.ok;
  }

  void stopped(apply::Stop why, const Error& error) {
    const bool interrupted = why == apply::Stop::interrupted;
    session_.console().complain(interrupted ? fmt::format("{}: interrupted", shown_) : error.text);
    if (why == apply::Stop::sadb) return;  // See call().
    if (why == apply::Stop::flush && error.code == Errc::denied) status_ = session_.status_for(Errc::denied);
    status_ = worse(status_, why == apply::Stop::rows ? Status::file : Status::failed);
  }

  Session& session_;
  const std::string& shown_;
  const HeldSignals held_;
  Warnings warnings_;
  Status status_ = Status::ok;
};

}  // namespace

Status apply_file(Session& session, Handlers handlers, const ApplyRequest& request) {
  Session desired = session.twin();
  // A pipe may take its time, so it is read before the lock is taken.
  const bool piped = full_path(request.file) == "-";
  Status status = piped ? read_desired(session, handlers, desired, request) : Status::ok;
  if (status != Status::ok) return status;
  Turn turn(session, request);
  status = turn.take();
  if (status == Status::ok && !piped) status = read_desired(session, handlers, desired, request);
  if (status != Status::ok) return status;
  backend::Backend* const sadb = session.sadb();
  if (!sadb) return session.no_sadb();
  status = turn.take();  // A SADB that answers only now.
  if (status != Status::ok) return status;
  const std::string name = request.file == "-" ? "<stdin>" : request.file, shown = pfkey::escaped(name);
  const apply::Owner owner{turn.sadb(), owner_of(request), session.settings().service};
  const auto holdings = turn.holdings(owner);
  if (!holdings) {
    session.console().complain(holdings.error().text);
    return Status::file;
  }
  Plan plan(sadb->names_by_mark());
  if (auto wanted = plan.want(*desired.sadb()); !wanted) {
    session.console().complain(wanted.error().text);
    return Status::failed;
  }
  if (!request.flush_first || request.dry_run)
    status =
        compare(session, plan,
                {*desired.sadb(), *holdings, request.all || request.flush_first, seconds_since_1970(session.now())});
  if (status != Status::ok) return status;
  if (request.flush_first) plan.begin_anew();
  apply::CarriedOut outcome;
  if (!request.dry_run) {
    CarryingOut carrying_out(session, shown);
    outcome = carrying_out.run(plan, {turn.rows(), owner}, desired, request.flush_first);
    status = carrying_out.status();
  }
  report(session, plan, request, name, outcome);
  return status;
}

}  // namespace ipseckey::cli
