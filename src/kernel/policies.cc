// How rules become policies of the kernel:
// 1. policy::xfrm_plan() says what they become; a rule that is refused ends it.
// 2. look() lists the kernel's policies and reads the owned record; policy_change() compares and orders the requests.
// 3. carry_out() first writes what is about to be ours, with the index 0, so that a change that is interrupted leaves
//    nothing that nobody owns. It then sends phase after phase, lists the policies again for their indexes, and writes
//    those.
// 4. If a phase fails, undo() goes back the same way.
// 5. list() shows the rules of the record with the policies that the kernel really has, and those of others as rules.
#include "kernel/policies.h"

#include <fmt/format.h>
#include <linux/xfrm.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "kernel/detail/policy_codec.h"
#include "kernel/detail/xfrm_encode.h"
#include "policy/xfrm_priorities.h"
#include "policy/xfrm_read.h"
#include "system/errno_text.h"

namespace ipseckey::kernel {
namespace {

using policy::XfrmPhase;
using policy::XfrmStep;

constexpr std::size_t kTogether = 2048;  // Requests in one exchange: a megabyte.
// Rules that nobody wrote have numbers of their own kind, the index of their policy.
constexpr std::uint32_t kNoRuleOfOurs = 0x80000000;

Error refused(int error, const std::string& text, std::string_view doing, const std::string& what) {
  if (error == EPERM)
    return {Errc::denied, "the kernel's policies may only be listed and changed with CAP_NET_ADMIN: run it as root"};
  return {error == EEXIST ? Errc::exists : Errc::io,
          fmt::format("the kernel did not {} {}: {}{} (errno {})", doing, what, text.empty() ? "" : text + ": ",
                      errno_text(error), error)};
}

struct Verb {
  std::uint16_t type;
  std::string_view words;
};
Verb verb(XfrmStep::Kind kind) {
  switch (kind) {
    case XfrmStep::Kind::add:
      return {XFRM_MSG_NEWPOLICY, "add"};
    case XfrmStep::Kind::update:
      return {XFRM_MSG_UPDPOLICY, "change"};
    case XfrmStep::Kind::remove:
      break;
  }
  return {XFRM_MSG_DELPOLICY, "remove"};
}

std::string sentence(const policy::PlanRemark& remark, std::span<const policy::Rule> rules) {
  const std::uint32_t line = rules[remark.rule].line;
  return fmt::format("{} {}: {}", line != 0 ? "line" : "rule", line != 0 ? line : remark.rule + 1, remark.message);
}

std::string sentence(const Ahead& ahead, const policy::Rule& rule) {
  const xfrm::ListedPolicy& p = ahead.policy;
  return fmt::format(
      "another program's policy comes before it, and by that one its packets are not {}: {}, index {}, priority "
      "{}; end that program, or remove the policy with `{}`",
      rule.alternatives[0].action == policy::Action::drop ? "dropped" : "protected", to_string(p.policy), p.index,
      p.policy.priority, command_to_delete(p));
}

// All that is wrong, not only what is met first.
Error refusals(const policy::XfrmPlan& plan, std::span<const policy::Rule> rules) {
  std::string text;
  for (const policy::PlanRemark& remark : plan.remarks)
    if (remark.refused) text.append(text.empty() ? "" : "; ").append(sentence(remark, rules));
  return {Errc::unsupported, text};
}

}  // namespace

Result<std::unique_ptr<KernelSpd>> KernelSpd::open(PolicyWorld world) {
  auto netlink = world.connect();
  if (!netlink) return std::unexpected(netlink.error());
  return std::unique_ptr<KernelSpd>(new KernelSpd(std::move(world), std::move(*netlink)));
}

KernelSpd::KernelSpd(PolicyWorld world, Netlink netlink)
    : world_(std::move(world)), netlink_(std::move(netlink)), owned_(world_.record) {}

Result<PresentPolicies> KernelSpd::look() {
  PresentPolicies present;
  auto owned = owned_.read(world_.place);
  if (!owned) return std::unexpected(owned.error());
  present.owned = std::move(*owned);
  NetlinkBatch batch;
  xfrm::put_policy_dump(batch);
  const auto listed = netlink_.dump(batch, [&](const NetlinkMessage& m) {
    auto policy = xfrm::policy_of(m.payload);
    if (!policy) return;
    if (policy->of_socket || policy->sub) {
      present.others.push_back(std::move(*policy));
    } else {
      const policy::XfrmPolicyName name = policy->policy.name;
      present.policies.emplace(name, std::move(*policy));
    }
  });
  if (!listed) return std::unexpected(listed.error());
  if (listed->error != 0) return std::unexpected(refused(listed->error, listed->text, "list", "its policies"));
  return present;
}

Result<std::vector<backend::RuleRemark>> KernelSpd::check(std::span<const policy::Rule> rules) {
  std::vector<backend::RuleRemark> remarks;
  const policy::XfrmPlan plan = policy::xfrm_plan(rules, world_.around);
  remarks.reserve(plan.remarks.size());
  for (const policy::PlanRemark& r : plan.remarks) remarks.push_back({r.rule, r.refused, r.message});
  return remarks;
}

Result<std::vector<backend::RuleRemark>> KernelSpd::exposed(std::span<const policy::Rule> rules) {
  std::vector<backend::RuleRemark> remarks;
  const policy::XfrmPlan plan = policy::xfrm_plan(rules, world_.around);
  // What is there can only be said to those who may see it.
  const auto present = look();
  if (plan.refused() || !present) return remarks;
  const auto change = policy_change(rules, plan, *present);
  if (!change) return remarks;  // replace() says why.
  for (const Ahead& a : change->ahead) remarks.push_back({a.rule, false, sentence(a, rules[a.rule])});
  return remarks;
}

std::vector<policy::Guard> KernelSpd::guards() {
  return policy::kernel_guards(world_.own_addresses ? world_.own_addresses() : std::vector<Address>());
}

// ---- replace

Result<void> KernelSpd::send(std::span<const XfrmStep> steps) {
  NetlinkBatch batch;
  for (const XfrmStep& step : steps) {
    if (step.kind == XfrmStep::Kind::remove) {
      xfrm::put_policy_removal(step.policy.name, 0, batch);
    } else {
      xfrm::put_policy(verb(step.kind).type, step.policy, batch);
    }
  }
  std::optional<Error> first;
  const auto sent = netlink_.exchange(
      batch, [](std::size_t, const NetlinkMessage&) {},
      [&](std::size_t at, const Netlink::Verdict& verdict) {
        const XfrmStep& step = steps[at];
        const bool gone = step.kind == XfrmStep::Kind::remove && verdict.error == ENOENT;
        if (verdict.error == 0 || gone || first) return;
        first = refused(verdict.error, verdict.text, verb(step.kind).words, to_string(step.policy));
      });
  if (!sent) return sent;
  return first ? Result<void>(std::unexpected(*std::move(first))) : Result<void>();
}

Result<void> KernelSpd::run(std::span<const XfrmPhase> phases) {
  for (const XfrmPhase& phase : phases)
    for (std::span<const XfrmStep> left = phase; !left.empty();) {
      const auto now = left.first(std::min(left.size(), kTogether));
      if (auto sent = send(now); !sent) return sent;
      left = left.subspan(now.size());
    }
  return {};
}

// What the kernel has of `both` becomes what it had, with the guards that were there; false: not all of it.
bool KernelSpd::undo(const PolicyChange& change, const Owned& both) {
  auto present = look();
  if (!present) return false;
  std::vector<policy::XfrmPolicy> now;
  for (const auto& [name, listed] : present->policies)
    if (is_guard(name) || both.policies.contains(name)) now.push_back(listed.policy);
  return run(policy::xfrm_steps(now, change.have)).has_value();
}

// The record with the indexes that the kernel gave.
Result<void> KernelSpd::record(Owned& after) {
  const auto present = look();
  if (!present) return std::unexpected(present.error());
  for (auto& [name, owner] : after.policies)
    if (const auto found = present->policies.find(name); found != present->policies.end())
      owner.index = found->second.index;
  return owned_.write(world_.place, after);
}

Result<void> KernelSpd::carry_out(PolicyChange& change, const Owned& before) {
  if (change.phases.empty()) return change.record_differs ? owned_.write(world_.place, change.after) : Result<void>();
  Owned both = change.after;
  std::set<std::uint32_t> numbers;
  for (const OwnedRule& rule : both.rules) numbers.insert(rule.index);
  for (const OwnedRule& rule : before.rules)
    if (!numbers.contains(rule.index)) both.rules.push_back(rule);
  for (const auto& [name, owner] : before.policies) both.policies.emplace(name, owner);
  if (auto written = owned_.write(world_.place, both); !written) return written;
  if (auto done = run(change.phases); !done) {
    Error why = done.error();
    const bool undone = undo(change, both);
    why.text += undone ? "; the rules are as they were"
                       : "; the rules are changed in part, and what they protected is blocked: apply them again";
    Owned now = undone ? before : both;
    if (auto kept = record(now); !kept) why.text += "; " + kept.error().text;
    return std::unexpected(std::move(why));
  }
  return record(change.after);
}

Result<backend::RuleChanges> KernelSpd::replace(std::span<const policy::Rule> rules, Extent extent) {
  if (rules.size() > policy::kMostRules)
    return fail(Errc::unsupported, fmt::format("the kernel's priorities have room for {} rules", policy::kMostRules));
  const policy::XfrmPlan plan = policy::xfrm_plan(rules, world_.around);
  if (plan.refused()) return std::unexpected(refusals(plan, rules));
  auto present = look();
  if (!present) return std::unexpected(present.error());
  auto change = policy_change(rules, plan, *present);
  if (!change) return std::unexpected(change.error());
  backend::RuleChanges changes = std::move(change->changes);
  if (extent == Extent::plan) {
    for (backend::HeldRule& rule : changes.added) rule.index = 0;
    return changes;
  }
  if (auto done = carry_out(*change, present->owned); !done) return std::unexpected(done.error());
  return changes;
}

// ---- news

namespace {

class Ear : public backend::RuleListener {
 public:
  explicit Ear(Netlink events) : events_(std::move(events)) {}

  int descriptor() const override { return events_.descriptor(); }
  Result<bool> changed() override {
    bool any = false;
    const auto heard = events_.hear_all([&](const NetlinkMessage&) { any = true; });
    if (!heard) return std::unexpected(heard.error());
    return any || *heard == Netlink::Heard::lost;
  }

 private:
  Netlink events_;
};

}  // namespace

Result<std::unique_ptr<backend::RuleListener>> KernelSpd::listen() {
  auto events = world_.hear ? world_.hear() : Result<Netlink>(fail(Errc::unsupported, "nobody can listen here"));
  if (!events) return std::unexpected(events.error());
  return std::make_unique<Ear>(std::move(*events));
}

// ---- list

namespace {

void remark(const xfrm::ListedPolicy& p, std::vector<std::string>& remarks) {
  if (p.of_socket) remarks.emplace_back("it is one program's own, for a socket, and comes before all others");
  if (p.sub) remarks.emplace_back("it is in the second table (ptype sub), which is asked before the first");
  if (p.expires) remarks.emplace_back("it ends after a time");
  if (p.offloaded) remarks.emplace_back("a network card does it, before those of the kernel are asked");
  if (p.labelled) remarks.emplace_back("it is about packets with a security label only");
  if (p.decodes_icmp) remarks.emplace_back("ICMP errors are also looked up by the packet that they quote");
}

backend::HeldRule foreign(const xfrm::ListedPolicy& p, const PresentPolicies& present) {
  policy::ReadRule read = policy::read_xfrm(p.policy);
  backend::HeldRule rule;
  rule.index = kNoRuleOfOurs | p.index, rule.rule = std::move(read.rule), rule.remarks = std::move(read.remarks);
  rule.partial = p.of_socket || p.sub || p.labelled, rule.demands_more = read.demands_more;
  remark(p, rule.remarks);
  rule.policies.push_back(shown(p.policy, p.index, p.last_used));
  rule.foreign = true;
  if (present.owner(p)) {
    rule.foreign = false, rule.derived = true;
    rule.remarks = {"it keeps ::1 reachable, as other rules are about it, too"};
  } else if (is_guard(p.policy.name)) {
    rule.foreign = false, rule.derived = true;
    rule.remarks = {"a guard that an interrupted change has left: apply the rules again, or unload them"};
  }
  return rule;
}

struct Placed {
  std::uint64_t at;  // Sockets first, then by priority.
  backend::HeldRule rule;
};

}  // namespace

Result<std::vector<backend::HeldRule>> KernelSpd::list() {
  const auto present = look();
  if (!present) return std::unexpected(present.error());
  std::map<std::uint32_t, backend::HeldRule> ours;
  for (const OwnedRule& owned : present->owned.rules) {
    backend::HeldRule& held = ours[owned.index];
    held.index = owned.index, held.rule = owned.rule;
  }
  std::vector<Placed> placed;
  for (const xfrm::ListedPolicy& p : present->others) placed.push_back({0, foreign(p, *present)});
  for (const auto& [name, p] : present->policies) {
    const OwnedPolicy* const owner = present->owner(p);
    const auto held = owner ? ours.find(owner->rule) : ours.end();
    if (held == ours.end()) {
      placed.push_back({p.policy.priority + std::uint64_t{1}, foreign(p, *present)});
    } else {
      held->second.policies.push_back(shown(p.policy, p.index, p.last_used));
    }
  }
  std::uint64_t last = 0;  // A rule without policies is listed behind the one before it.
  for (const OwnedRule& owned : present->owned.rules) {
    backend::HeldRule& held = ours[owned.index];
    if (held.policies.empty())
      held.remarks.emplace_back(
          "the kernel does not have its policies, or has them for an earlier rule: if it should, "
          "apply the rules again");
    else
      last = held.policies[0].priority + std::uint64_t{1};
    placed.push_back({last, std::move(held)});
  }
  std::ranges::stable_sort(placed, {}, &Placed::at);
  std::vector<backend::HeldRule> rules;
  rules.reserve(placed.size());
  for (Placed& p : placed) rules.push_back(std::move(p.rule));
  return rules;
}

}  // namespace ipseckey::kernel
