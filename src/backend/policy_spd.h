#pragma once
/// A database of rules that speaks PF_POLICY: the steps of each operation, whoever carries the messages.
#include <absl/functional/function_ref.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend/spd.h"
#include "pfpolicy/message.h"

namespace ipseckey::backend {

/// replace() is atomic: the rules are gathered in the standby set, which belongs to this client meanwhile, and come
/// into force with one FLIP. If another client is changing rules, it waits a moment for it.
class PolicySpd : public Spd {
 public:
  Result<std::vector<HeldRule>> list() override;
  std::pair<Dropped, Dropped> dropped() const override { return dropped_; }
  Result<std::vector<RuleRemark>> check(std::span<const policy::Rule> rules) override;
  Result<RuleChanges> replace(std::span<const policy::Rule> rules, Extent extent) override;
  Result<void> extensible() override;
  /// It is not asked about what a host sends to itself.
  std::vector<policy::Guard> guards() override { return policy::guards_beside_loopback(); }
  /// Why nothing would obey rules of this database, and what mends that; empty: they are obeyed.
  Result<std::string> idle();

 protected:
  /// Called with the number of the request and one of its replies; a DUMP has several.
  using Reply = absl::FunctionRef<void(std::size_t, pfpolicy::Message&&)>;
  /// Sends all requests and calls back for each reply. After an error, none of them may be answered any more.
  virtual Result<void> exchange(std::span<const pfpolicy::Message> requests, Reply reply) = 0;
  /// Gives the standby set up.
  virtual void release() = 0;
  /// Waits a moment before another try; false: it has waited long enough.
  virtual bool wait(unsigned tries) = 0;

 private:
  struct Trial;
  Result<std::string> take(const pfpolicy::Message& request, bool for_rules);
  Result<Trial> gather(std::span<const policy::Rule> rules);

  std::pair<Dropped, Dropped> dropped_;
};

}  // namespace ipseckey::backend
