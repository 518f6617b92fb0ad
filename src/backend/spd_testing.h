#pragma once
/// A database of rules for tests, in memory: it keeps rules and does nothing with them.
#include <algorithm>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/spd.h"

namespace ipseckey::backend::testing {

/// What such a database holds; it lasts longer than those who are connected to it.
struct RuleStore {
  std::string name = "kernel";
  std::vector<HeldRule> held = {};
  std::uint32_t next = 1;  ///< The index of the next rule.
  /// What check() says; empty: nothing.
  std::function<std::vector<RuleRemark>(std::span<const policy::Rule>)> remarks = {};
  /// What a kernel makes of a rule; empty: the database is none.
  std::function<std::vector<KernelPolicy>(const HeldRule&)> policies = {};
  std::function<void()> meanwhile = {};  ///< Happens once, when somebody listens; then Ctrl-C ends the listening.
  Result<void> refusal = {};             ///< Of list() and replace(), if it is an error.
};

/// A connection to it. Foreign rules are tried first.
class HeldSpd : public Spd {
 public:
  explicit HeldSpd(RuleStore& store) : store_(store) {}

  std::string name() const override { return store_.name; }

  Result<std::vector<HeldRule>> list() override {
    if (!store_.refusal) return std::unexpected(store_.refusal.error());
    return store_.held;
  }

  Result<std::vector<RuleRemark>> check(std::span<const policy::Rule> rules) override {
    return store_.remarks ? store_.remarks(rules) : std::vector<RuleRemark>();
  }

  Result<RuleChanges> replace(std::span<const policy::Rule> rules, Extent extent) override {
    if (!store_.refusal) return std::unexpected(store_.refusal.error());
    RuleChanges changes;
    std::vector<HeldRule> before = store_.held, after;
    std::uint32_t next = store_.next;
    for (const HeldRule& h : before)
      if (h.foreign) after.push_back(h);
    std::erase_if(before, [](const HeldRule& h) { return h.foreign; });
    for (const policy::Rule& rule : rules) {
      const auto at = std::find_if(before.begin(), before.end(), [&](const HeldRule& h) { return h.rule == rule; });
      if (at != before.end()) {
        after.push_back(std::move(*at));
        before.erase(at);
        ++changes.kept;
        continue;
      }
      HeldRule& fresh = after.emplace_back();
      fresh.rule = rule;
      if (extent == Extent::carry_out) fresh.index = next++;
      if (store_.policies) fresh.policies = store_.policies(fresh);
      changes.added.push_back(fresh);
    }
    changes.removed = std::move(before);
    if (extent == Extent::plan) return changes;
    store_.held = std::move(after);
    store_.next = next;
    return changes;
  }

  Result<std::unique_ptr<RuleListener>> listen() override { return std::make_unique<Ear>(store_); }

 private:
  class Ear : public RuleListener {
   public:
    explicit Ear(RuleStore& store) : store_(store) {}
    int descriptor() const override { return -1; }  // There is nothing to wait for: all of it has happened.
    Result<bool> changed() override {
      if (const auto events = std::exchange(store_.meanwhile, {})) events();
      std::raise(SIGINT);
      return true;
    }

   private:
    RuleStore& store_;
  };

  RuleStore& store_;
};

}  // namespace ipseckey::backend::testing
