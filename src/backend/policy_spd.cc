// How rules are listed, checked and replaced:
// 1. list() is one DUMP.
// 2. gather() puts rules into an empty standby set: FLUSH takes it, one ADDRULE each. Their order travels as priority.
//    Refusals are collected.
// 3. check() gathers, and gives the set up. replace() gathers, and if nothing was refused, sends FLIP, even if the
//    rules are held already: what carries them out may have lost them.
// 4. extensible() asks for a copy of the rules by CLONE, which is refused if they are not known.
#include "backend/policy_spd.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <map>

#include "pfkey/units.h"
#include "pfpolicy/convert.h"
#include "system/errno_text.h"

namespace ipseckey::backend {
namespace {

using pfpolicy::Message;
using Rules = pfpolicy::Spd;
using pfpolicy::Type;
using policy::Rule;

Message request(Type type, Rules spd) {
  Message m;
  m.type = type, m.spd = spd;
  m.tunnel = pfpolicy::Text{};  // The rules of the host and of all tunnels.
  return m;
}

// What a person reads about a refusal.
std::string reason(const Message& m) {
  if (m.remark) return pfkey::escaped(m.remark->text);
  if (m.diagnostic != pfpolicy::Diagnostic::none) return std::string(sentence(m.diagnostic));
  return errno_text(m.error);
}

Error refusal(const Message& m) {
  const Errc code = m.error == EPERM                         ? Errc::denied
                    : m.error == EEXIST || m.error == EAGAIN ? Errc::exists
                    : m.error == EBUSY                       ? Errc::timeout
                                                             : Errc::unsupported;
  return {code, fmt::format("the database of rules refuses: {}", reason(m))};
}

std::string of_line(const Rule& rule, std::string_view what) {
  return rule.line ? fmt::format("the rule in line {}: {}", rule.line, what) : std::string(what);
}

// What would change, and the numbers of the rules that are added.
struct Plan {
  RuleChanges changes;
  std::vector<std::size_t> added;
};
Plan plan(std::span<const Rule> rules, std::vector<HeldRule> held) {
  std::multimap<policy::Selector, HeldRule> left;
  for (HeldRule& h : held) {
    policy::Selector selector = h.rule.selector;
    left.emplace(selector, std::move(h));
  }
  Plan p;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const auto [first, last] = left.equal_range(rules[i].selector);
    const auto found = std::find_if(first, last, [&](const auto& entry) { return entry.second.rule == rules[i]; });
    if (found != last) {
      ++p.changes.kept;
      left.erase(found);
      continue;
    }
    HeldRule fresh;
    fresh.rule = rules[i];
    p.changes.added.push_back(std::move(fresh));
    p.added.push_back(i);
  }
  for (auto& [selector, h] : left) p.changes.removed.push_back(std::move(h));
  std::ranges::sort(p.changes.removed, {}, &HeldRule::index);
  return p;
}

}  // namespace

/// The standby set as it was gathered.
struct PolicySpd::Trial {
  std::vector<RuleRemark> refused;
  std::vector<std::uint64_t> indexes;  ///< Of the rules; 0: it was refused.
  std::optional<Error> first;          ///< Why the first was refused.
  std::string unseen;                  ///< Which packets the rules will not see; empty: they see all.
};

Result<std::string> PolicySpd::idle() {
  std::string why;
  const Message dump = request(Type::dump, Rules::active);
  const auto take = [&](std::size_t, Message&& m) {
    if (m.error == 0 && m.diagnostic == pfpolicy::Diagnostic::not_obeyed) why = reason(m);
  };
  if (auto done = exchange({&dump, 1}, take); !done) return std::unexpected(std::move(done.error()));
  return why;
}

Result<std::vector<HeldRule>> PolicySpd::list() {
  std::vector<HeldRule> rules;
  std::optional<Error> wrong;
  const Message dump = request(Type::dump, Rules::active);
  const auto take = [&](std::size_t, Message&& m) {
    if (m.error != 0) wrong = refusal(m);
    const auto dropped = [](const std::optional<pfpolicy::Dropped>& d) {
      return d ? Dropped{d->packets, pfkey::escaped(d->why)} : Dropped{};
    };
    if (m.ruleset) dropped_ = {dropped(m.dropped_out), dropped(m.dropped_in)};
    if (m.error != 0 || !m.rule) return;
    auto rule = pfpolicy::to_rule(m);
    if (!rule) {
      wrong = Error{Errc::malformed,
                    fmt::format("the database of rules sent no rule: {}", sentence(rule.error().diagnostic))};
      return;
    }
    HeldRule held;
    held.index = static_cast<std::uint32_t>(m.rule->index);
    held.rule = std::move(*rule);
    held.dropped_out = dropped(m.dropped_out), held.dropped_in = dropped(m.dropped_in);
    rules.push_back(std::move(held));
  };
  if (auto done = exchange({&dump, 1}, take); !done) return std::unexpected(std::move(done.error()));
  if (wrong) return std::unexpected(std::move(*wrong));
  return rules;
}

// The standby set is this client's afterwards, unless it is refused. The remark is what the database says about all
// rules.
Result<std::string> PolicySpd::take(const Message& request, bool for_rules) {
  std::optional<Error> wrong;
  std::string unseen;
  for (unsigned tries = 0;; ++tries) {
    bool busy = false;
    const auto taken = [&](std::size_t, Message&& m) {
      busy = busy || m.error == EBUSY;
      const bool idle = m.diagnostic == pfpolicy::Diagnostic::not_obeyed && for_rules;
      if (m.error != 0 || idle) wrong = refusal(m);
      if (m.error == 0 && m.remark) unseen = reason(m);
    };
    if (auto done = exchange({&request, 1}, taken); !done) return std::unexpected(std::move(done.error()));
    if (!busy || !wait(tries)) break;
    wrong.reset();
  }
  if (wrong) return std::unexpected(std::move(*wrong));
  return unseen;
}

Result<void> PolicySpd::extensible() {
  auto taken = take(request(Type::clone, Rules::standby), true);
  release();
  if (!taken) return std::unexpected(std::move(taken.error()));
  return {};
}

Result<PolicySpd::Trial> PolicySpd::gather(std::span<const Rule> rules) {
  auto unseen = take(request(Type::flush, Rules::standby), !rules.empty());
  if (!unseen) return std::unexpected(std::move(unseen.error()));
  std::vector<Message> requests;
  std::uint32_t priority = std::numeric_limits<std::uint32_t>::max();
  for (const Rule& rule : rules) {
    Message m = pfpolicy::from_rule(rule, priority--);
    m.type = Type::addrule, m.spd = Rules::standby;
    requests.push_back(std::move(m));
  }
  Trial trial;
  trial.unseen = std::move(*unseen);
  trial.indexes.resize(rules.size());
  const auto added = [&](std::size_t number, Message&& m) {
    if (m.error == 0 && m.rule) {
      trial.indexes[number] = m.rule->index;
      return;
    }
    trial.refused.push_back({.rule = number, .refused = true, .message = reason(m)});
    if (trial.first) return;
    trial.first = refusal(m);
    trial.first->text = of_line(rules[number], reason(m));
  };
  if (auto done = exchange(requests, added); !done) return std::unexpected(std::move(done.error()));
  return trial;
}

Result<std::vector<RuleRemark>> PolicySpd::check(std::span<const Rule> rules) {
  auto trial = gather(rules);
  release();
  if (!trial) return std::unexpected(std::move(trial.error()));
  if (!rules.empty() && !trial->unseen.empty())
    trial->refused.insert(trial->refused.begin(), {.rule = 0, .refused = false, .message = std::move(trial->unseen)});
  return std::move(trial->refused);
}

Result<RuleChanges> PolicySpd::replace(std::span<const Rule> rules, Extent extent) {
  auto held = list();
  if (!held) return std::unexpected(std::move(held.error()));
  auto [changes, added] = plan(rules, std::move(*held));
  auto trial = gather(rules);
  if (!trial || trial->first || extent == Extent::plan) {
    release();
    if (!trial) return std::unexpected(std::move(trial.error()));
    if (trial->first) return std::unexpected(std::move(*trial->first));
    return changes;
  }
  std::optional<Error> wrong;
  const Message flip = request(Type::flip, Rules::standby);
  const auto flipped = [&](std::size_t, Message&& m) {
    if (m.error != 0) wrong = refusal(m);
  };
  if (auto done = exchange({&flip, 1}, flipped); !done) return std::unexpected(std::move(done.error()));
  if (wrong) {
    release();
    return std::unexpected(std::move(*wrong));
  }
  for (std::size_t i = 0; i < added.size(); ++i)
    changes.added[i].index = static_cast<std::uint32_t>(trial->indexes[added[i]]);
  return changes;
}

}  // namespace ipseckey::backend
