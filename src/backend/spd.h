#pragma once
/// The interface between the command ipsecconf and a database of rules: that of an ipsecd, or the policies of a kernel.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "policy/guards.h"
#include "policy/rule.h"
#include "policy/xfrm_policy.h"

namespace ipseckey::backend {

/// One of the kernel's policies that a rule became.
struct KernelPolicy {
  std::string direction;                            ///< "out", "in" or "fwd".
  std::uint32_t index = 0;                          ///< The kernel's name for it.
  std::uint32_t priority = 0;                       ///< The smallest is tried first.
  std::string text;                                 ///< Its selector and templates, for people.
  std::uint64_t last_used = 0;                      ///< Seconds since 1970; 0: never.
  std::optional<policy::XfrmPolicyName> name = {};  ///< Which packets it is about, in the kernel's terms.
};

/// Packets that were dropped.
struct Dropped {
  std::uint64_t packets = 0;
  std::string why;  ///< Of a rule: why the last one was; else all causes, with their numbers. For people.
  bool operator==(const Dropped&) const = default;
};

/// A rule as a database holds it.
struct HeldRule {
  std::uint32_t index = 0;  ///< Names it as long as it is held; not 0.
  policy::Rule rule;
  bool foreign = false;                ///< Another program's: it is shown, and never changed.
  bool derived = false;                ///< The database made it for other rules: it is not one to be replaced or kept.
  std::vector<std::string> remarks;    ///< What the rule cannot say about it.
  bool partial = false;                ///< It is about some packets of its policy only; a remark says which.
  bool demands_more = false;           ///< It demands more of its SAs than the rule can say; a remark says what.
  std::vector<KernelPolicy> policies;  ///< Empty if the database is not a kernel.
  Dropped dropped_out, dropped_in;     ///< By it, since it is held; a kernel does not count this by rule.
};

/// What a database would do with a rule that it does not hold yet.
struct RuleRemark {
  std::size_t rule = 0;  ///< Its number in the span that was given.
  bool refused = false;  ///< The rule cannot be held; else it can, but not all of it is as one might expect.
  std::string message;   ///< Without a full stop.
};

/// What replace() changed, or would change. Numbers of rules, not of the kernel's policies.
struct RuleChanges {
  std::vector<HeldRule> added;  ///< With the indexes that they have now; 0 if nothing was changed.
  std::vector<HeldRule> removed;
  std::size_t kept = 0;
};

/// News of one database of rules, of which it must not outlive the Spd.
class RuleListener {
 public:
  virtual ~RuleListener() = default;
  /// For poll(POLLIN): readable when changed() has news, be it an error.
  virtual int descriptor() const = 0;
  /// Whether rules may have changed since the last call, by whoever, or have dropped packets. Never blocks. An Error:
  /// no more news will come.
  virtual Result<bool> changed() = 0;
};

/// The rules of one database. It begins without any: then packets go as they went before.
class Spd {
 public:
  enum class Extent : std::uint8_t { plan, carry_out };

  virtual ~Spd() = default;

  /// As Backend::name().
  virtual std::string name() const = 0;

  /// All rules, the first to be tried first; those of other programs where the database tries them.
  virtual Result<std::vector<HeldRule>> list() = 0;
  /// What was dropped as it left, and as it came in, by rules or for other causes, when list() was last called. A
  /// kernel has counters of its own (kernel/policy_view.h).
  virtual std::pair<Dropped, Dropped> dropped() const { return {}; }

  /// What the database cannot do with the rules, and what it does otherwise than they say. Changes nothing.
  virtual Result<std::vector<RuleRemark>> check(std::span<const policy::Rule> rules) = 0;

  /// Those of the rules, were they all that it holds, whose packets meet another program's rule first, and are clear by
  /// that one: a remark for each, which is not `refused`. Nobody else's rules are there, or can be seen: none.
  virtual Result<std::vector<RuleRemark>> exposed(std::span<const policy::Rule> /*rules*/) {
    return std::vector<RuleRemark>();
  }

  /// What a host needs in clear and the database does not let pass by itself.
  virtual std::vector<policy::Guard> guards() { return policy::guards(); }

  /// Makes these the rules that it holds, tried in this order. A rule that is held already stays as it is, with its
  /// index; no packet that a rule of before and of after protects is sent or accepted in clear meanwhile. Errors:
  /// unsupported (a rule is refused), exists (another program's is in the way), denied, io, unreachable; then the rules
  /// are as they were, or the message says which ones are not.
  virtual Result<RuleChanges> replace(std::span<const policy::Rule> rules, Extent extent) = 0;

  /// Whether rules can be added and removed one by one. Error exists: what is in force is not known yet, as after a
  /// restart: only replace() by a whole set is right.
  virtual Result<void> extensible() { return {}; }

  /// From now on, changes are news. Errors: unsupported (this database gives none), denied, io.
  virtual Result<std::unique_ptr<RuleListener>> listen() {
    return fail(Errc::unsupported, name() + " gives no news of its rules");
  }
};

}  // namespace ipseckey::backend
