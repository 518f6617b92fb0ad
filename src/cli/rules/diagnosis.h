#pragma once
/// What may be wrong with rules: findings from facts. Pure.
#include <string>
#include <utility>
#include <vector>

#include "backend/spd.h"
#include "cli/rules/explanation.h"
#include "kernel/policy_view.h"

namespace ipseckey::cli {

/// What was found out about one database.
struct RuleDiagnosis {
  std::string database;  ///< Harmless on a terminal.
  std::vector<backend::HeldRule> rules;
  SaSource sas;
  kernel::PolicyView kernel;
  std::pair<backend::Dropped, backend::Dropped> dropped = {};  ///< As Spd::dropped().
  std::vector<policy::Guard> guards = {};                      ///< What the host needs in clear.
  /// What other programs' rules expose; `rule` counts `rules`.
  std::vector<backend::RuleRemark> exposed = {};
  const policy::SasByPeer* by_peer = nullptr;  ///< Of these SAs; findings() sets it.

  bool is_kernel() const { return sas.chooser == policy::Chooser::kernel; }
};

/// One thing that a person should know.
struct Finding {
  enum class Weight : std::uint8_t { remark, problem } weight;
  std::string about;  ///< "rule #3", "XfrmOutNoStates", "eth0"; a word that finds it again.
  std::string text;   ///< A sentence without a full stop.
  std::string cure;   ///< What mends it; empty: nothing needs to be.
};

/// Problems first, each group in the order in which a person would look.
std::vector<Finding> findings(RuleDiagnosis d);

}  // namespace ipseckey::cli
