#include "cli/apply.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "backend/apply_lock.h"
#include "backend/owned.h"
#include "backend/sadb_place.h"
#include "cli/carry_out.h"
#include "cli/held_signals.h"
#include "cli/plan.h"
#include "cli/runner.h"
#include "pfkey/units.h"

namespace cli {
namespace {

using Do = PlannedSa::Do;

// What comes through a pipe has no name of its own.
std::string full_path(const std::string& file) {
  std::error_code none;
  if (file == "-" || (std::filesystem::exists(file, none) && !std::filesystem::is_regular_file(file, none))) return "-";
  const auto path = std::filesystem::weakly_canonical(file, none);
  return none ? file : path.string();
}

// Runs the file against an engine of its own. What that holds at the end is the desired state.
Status read_desired(Session& session, Session& desired, const ApplyRequest& request) {
  if (request.unload) return Status::ok;
  const std::string& path = request.file;
  auto file = InputFile::open(path, session.care(), request.pipes);
  if (!file) {
    session.console().complain(file.error().text);
    if (!session.settings().service) return Status::file;
    return file.error().code == Errc::denied ? Status::no_privilege : Status::bad_file;
  }
  const Status status = run_file(desired, *file, lang::Where::file, Counts::after_failure);
  if (status == Status::ok) return status;
  session.console().complain("nothing was changed");
  if (!session.settings().service) return status;
  session.console().complain(fmt::format("what is wrong, and where: ipseckey -c {}", pfkey::escaped(path)));
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
            const CarriedOut& outcome) {
  const bool lines = request.dry_run || session.settings().verbose;
  if (!session.settings().json) {
    const std::string tail = request.dry_run       ? "; nothing was changed.\n"
                             : outcome.ended_early ? "; not all was done.\n"
                                                   : ".\n";
    session.console().out((lines ? plan_text(plan) : "") +
                          summary(plan, request, pfkey::escaped(name), outcome.flushed) + tail);
    return;
  }
  session.console().out((lines ? plan_json(plan, session.sadb_name(), name) : "") +
                        summary_json(plan, session.sadb_name(), name, request.dry_run));
}

/// The turn of an apply, and the rows of owners: from the reading of the file on, so that the last one to begin has
/// the last word. Each SADB has its own.
class Turn {
 public:
  Turn(Session& session, const ApplyRequest& request) : session_(session), request_(request) {}

  /// Of the session's SADB if it is open; then it need not be called again.
  Status take() {
    const backend::Backend* const sadb = session_.opened();
    if (!place_.name.empty() || !sadb) return Status::ok;
    place_ = backend::sadb_place(*sadb);
    if (session_.owned().empty() || place_.name == "memory") return Status::ok;
    owned_.emplace(session_.owned());
    if (request_.dry_run) return Status::ok;
    const HeldSignals held;
    auto lock = backend::ApplyLock::take(session_.owned() + ".lock", place_.name, backend::ApplyLock::kPatience,
                                         HeldSignals::fd());
    if (lock) {
      lock_.emplace(std::move(*lock));
      return Status::ok;
    }
    session_.console().complain(lock.error().text);
    return lock.error().code == Errc::timeout ? Status::busy : session_.status_for(lock.error().code);
  }

  const std::string& sadb() const { return place_.name; }
  /// nullptr: no owners are kept.
  backend::Owned* owned() { return owned_ ? &*owned_ : nullptr; }

  Result<backend::Owned::Holdings> holdings(const backend::Owner& owner) {
    if (!owned_) return {};
    if (lock_)
      if (auto pruned = owned_->prune(place_); !pruned) return std::unexpected(pruned.error());
    return owned_->read(owner);
  }

 private:
  Session& session_;
  const ApplyRequest& request_;
  backend::SadbPlace place_;
  std::optional<backend::Owned> owned_;
  std::optional<backend::ApplyLock> lock_;
};

std::string owner_of(const ApplyRequest& request) {
  return request.owner.empty() ? full_path(request.file) : request.owner;
}

}  // namespace

Status apply_file(Session& session, const ApplyRequest& request) {
  Session desired = session.twin();
  // What comes through a pipe may take its time; nobody waits for it.
  const bool piped = full_path(request.file) == "-";
  Status status = piped ? read_desired(session, desired, request) : Status::ok;
  if (status != Status::ok) return status;
  Turn turn(session, request);
  status = turn.take();
  if (status == Status::ok && !piped) status = read_desired(session, desired, request);
  if (status != Status::ok) return status;
  backend::Backend* const sadb = session.sadb();
  if (!sadb) return session.no_sadb();
  status = turn.take();  // One that answers only now.
  if (status != Status::ok) return status;
  const std::string name = request.file == "-" ? "<stdin>" : request.file, shown = pfkey::escaped(name);
  const backend::Owner owner{turn.sadb(), owner_of(request), session.settings().service};
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
    status = plan.compare(session, *desired.sadb(), *holdings, request.all || request.flush_first);
  if (status != Status::ok) return status;
  if (request.flush_first) plan.begin_anew();
  CarriedOut outcome;
  if (!request.dry_run)
    outcome = carry_out(session, plan, *desired.sadb(), {turn.owned(), owner, shown}, request.flush_first);
  report(session, plan, request, name, outcome);
  return outcome.status;
}

}  // namespace cli
