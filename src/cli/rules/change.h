#pragma once
/// Changing the rules that a database holds: one at a time, all or nothing, and what was changed is printed.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apply/lock.h"
#include "cli/rules/file.h"
#include "cli/rules/session.h"

namespace ipseckey::cli {

/// Ours, in the order in which they are tried.
policy::Rules own_rules(const std::vector<backend::HeldRule>& held);

/// A change of the rules, from the lock to the report.
class RuleChange {
 public:
  explicit RuleChange(RuleSession& session) : session_(session) {}

  /// Takes the lock, opens the database and lists its rules. `whole`: the change does not depend on the rules that are
  /// held, so that it is possible although the database does not know them. Not ok: the error has been printed.
  Status begin(bool whole = false);
  const std::vector<backend::HeldRule>& held() const { return held_; }

  /// Makes these our rules, or with --dry-run finds out what that would change, and prints it. `about`: the file that
  /// they are from; empty: none.
  Status replace(const policy::Rules& rules, const std::string& about);

 private:
  void report(const backend::RuleChanges& changes, const std::string& about);

  RuleSession& session_;
  std::optional<apply::Lock> lock_;
  std::vector<backend::HeldRule> held_;
};

}  // namespace ipseckey::cli
