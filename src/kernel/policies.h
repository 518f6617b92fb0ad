#pragma once
/// The Linux kernel as the database of rules: its policies, by XFRM netlink.
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/spd.h"
#include "kernel/detail/owned_rules.h"
#include "kernel/detail/policy_change.h"
#include "kernel/netlink.h"
#include "kernel/policy_world.h"
#include "policy/xfrm_plan.h"
#include "policy/xfrm_steps.h"

namespace ipseckey::kernel {

/// Only policies that are in the owned record are ever changed. There must be one replace() at a time: its caller
/// locks.
class KernelSpd : public backend::Spd {
 public:
  /// Errors: unsupported (no XFRM), denied, io.
  static Result<std::unique_ptr<KernelSpd>> open(PolicyWorld world);

  std::string name() const override { return "kernel"; }
  Result<std::vector<backend::HeldRule>> list() override;
  Result<std::vector<backend::RuleRemark>> check(std::span<const policy::Rule> rules) override;
  Result<std::vector<backend::RuleRemark>> exposed(std::span<const policy::Rule> rules) override;
  std::vector<policy::Guard> guards() override;
  /// The policies of `added` have no index yet. If it fails in the middle, what was changed is changed
  /// back; the guards stay if that fails, too.
  Result<backend::RuleChanges> replace(std::span<const policy::Rule> rules, Extent extent) override;
  Result<std::unique_ptr<backend::RuleListener>> listen() override;

 private:
  KernelSpd(PolicyWorld world, Netlink netlink);

  Result<PresentPolicies> look();
  Result<void> carry_out(PolicyChange& change, const Owned& before);
  Result<void> run(std::span<const policy::XfrmPhase> phases);
  Result<void> send(std::span<const policy::XfrmStep> steps);
  bool undo(const PolicyChange& change, const Owned& both);
  Result<void> record(Owned& after);

  PolicyWorld world_;
  Netlink netlink_;
  OwnedRules owned_;
};

}  // namespace ipseckey::kernel
