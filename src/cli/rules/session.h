#pragma once
/// One run of ipsecconf: its options, its world, its database of rules.
#include <absl/functional/function_ref.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apply/lock.h"
#include "backend/spd.h"
#include "cli/rule_options.h"
#include "cli/session.h"
#include "policy/serving.h"

namespace ipseckey::cli {

class RuleSession {
 public:
  RuleSession(RuleOptions options, World world) : options_(std::move(options)), world_(std::move(world)) {}

  const RuleOptions& options() const { return options_; }
  const RuleSettings& settings() const { return options_.settings; }
  const World& world() const { return world_; }
  Console& console() { return world_.console; }

  /// The database of rules, opened at the first call. nullptr: the error has been printed, no_spd() is the status.
  backend::Spd* spd();
  Status no_spd() const { return no_spd_; }
  /// Its name for people and programs; the words that chose it while it is not open.
  std::string spd_name() const { return spd_ ? spd_->name() : settings().where(); }
  std::string shown_spd() const;  ///< Harmless on a terminal.

  /// The SAs of the same place, and how it chooses among them. Without keys.
  struct Sas {
    std::vector<policy::HeldSa> held;
    policy::Chooser chooser = policy::Chooser::exact;
  };
  Result<Sas> sas() const;
  /// Passes on each SA of the same place, as a reply to DUMP; returns how it chooses among them.
  Result<policy::Chooser> each_sa(absl::FunctionRef<void(const pfkey::Message&)> each) const;

  /// Waits until nobody else is changing the rules, and keeps others from it. Absent: it needs no lock (`memory`, a
  /// user without a place for locks). Errors: those of apply::Lock::take().
  Result<std::optional<apply::Lock>> lock() const;

  Care care() const { return settings().service ? Care::refuse : Care::warn; }
  /// What an error means for the exit status.
  Status status_for(Errc code) const;
  /// A file that is wrong.
  Status wrong_file() const { return settings().service ? Status::bad_file : Status::failed; }

 private:
  RuleOptions options_;
  World world_;
  std::unique_ptr<backend::Spd> spd_;
  Status no_spd_ = Status::no_sadb;
};

}  // namespace ipseckey::cli
