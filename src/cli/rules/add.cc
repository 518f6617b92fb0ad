// `-a FILE` and `apply FILE`: the rules of a file join those that are held, or replace them.
// 1. kept_rules() are those of ours that remain: all for -a, none for apply, those that -f or -F leave.
// 2. join() puts the file's rules behind them, and orders all by their kinds unless the file has an order of its own.
//    A rule that is held already is left out; one about the same packets with another action is an error.
// 3. inspect() says what is odd, what the database cannot do, and what its SAs make of the new rules. With one error
//    nothing is changed.
#include <fmt/format.h>

#include <algorithm>

#include "cli/rules/change.h"
#include "cli/rules/findings.h"
#include "cli/rules/table.h"
#include "pfkey/units.h"
#include "policy/guards.h"

namespace ipseckey::cli {
namespace {

using policy::Order;
using policy::Rule;
using policy::Rules;
using table::Severity;

bool in_class_order(const Rules& rules) {
  return std::ranges::is_sorted(rules, [](const Rule& a, const Rule& b) { return boost(a) > boost(b); });
}

bool keeps_none(const RuleOptions& o) { return o.what == RuleDo::apply || o.flush_all; }

std::vector<const backend::HeldRule*> kept_rules(const RuleSession& session,
                                                 const std::vector<backend::HeldRule>& held) {
  const RuleOptions& o = session.options();
  std::vector<const backend::HeldRule*> kept;
  if (keeps_none(o)) return kept;
  for (const backend::HeldRule& h : held) {
    const bool flushed =
        o.flush &&
        (o.settings.tunnel.empty() ? !h.rule.tunnel : h.rule.tunnel && h.rule.tunnel->name == o.settings.tunnel);
    if (!h.foreign && !h.derived && !flushed) kept.push_back(&h);
  }
  return kept;
}

// The rules of the file that are new; faults for those that contradict what is held.
Rules new_rules(RuleFile& file, const std::vector<const backend::HeldRule*>& kept) {
  Rules all;
  for (const backend::HeldRule* const h : kept) all.push_back(h->rule);
  const std::size_t first_new = all.size();
  for (const Rule& rule : file.policy().rules) all.push_back(rule);
  std::vector<bool> repeated(all.size());
  for (const auto& [first, second] : duplicates(all)) {
    if (first >= first_new || second < first_new) continue;
    const std::uint32_t index = kept[first]->index;
    repeated[second] = true;
    if (all[first] == all[second]) {
      file.say(all[second], Severity::warning, fmt::format("it is held already, with index {}, and ignored", index));
    } else {
      file.say(all[second], Severity::error,
               fmt::format("the rule with index {} is about the same packets, with another action", index));
    }
  }
  Rules fresh;
  for (std::size_t i = first_new; i < all.size(); ++i)
    if (!repeated[i]) fresh.push_back(all[i]);
  return fresh;
}

// In the order in which they are tried from now on. nullopt: they cannot be joined, and a fault says why.
std::optional<Rules> join(RuleFile& file, Rules kept, const Rules& fresh) {
  const bool by_file = file.policy().order == Order::file;
  if (!by_file && !in_class_order(kept) && !fresh.empty()) {
    file.say(
        fresh[0], Severity::error,
        "the rules that are held have an order of their own: put the line `order file` at the head of this file to "
        "add its rules behind them, or replace them with apply");
    return std::nullopt;
  }
  kept.insert(kept.end(), fresh.begin(), fresh.end());
  if (by_file) return kept;
  Rules ordered;
  for (const std::size_t number : order(kept, Order::classes)) ordered.push_back(kept[number]);
  return ordered;
}

// Guards come first, where they are needed. Returns those that were added.
Rules guard(Rules& tried, std::span<const policy::Guard> guards) {
  Rules added;
  for (const policy::Unguarded& u : unguarded(tried, order(tried, Order::file), guards))
    added.push_back(guards[u.guard].rule);
  tried.insert(tried.begin(), added.begin(), added.end());
  return added;
}

// Not ok: the database does not answer.
Status inspect(RuleSession& session, RuleFile& file, const Rules& fresh, const Rules& tried) {
  backend::Spd& spd = *session.spd();
  find_oddities(file, tried, Order::file, spd.guards(), false);
  auto asked = ask_database(file, fresh, spd);
  if (asked) asked = find_exposed(file, tried, spd, session.settings().force);
  if (!asked) {
    session.console().complain(asked.error().text);
    return session.status_for(asked.error().code);
  }
  const auto sas = session.sas();
  if (sas) {
    judge_rules(file, fresh, *sas, session.settings().force);
  } else if (!session.settings().quiet) {
    session.console().complain(fmt::format("warning: the rules were not compared with SAs: {}", sas.error().text));
  }
  return Status::ok;
}

}  // namespace

Status rules::add(RuleSession& session) {
  const std::string& path = session.options().argument;
  RuleFile file;
  // A pipe may take its time, so it is read before the lock is taken.
  Status status = path == "-" ? file.read(session, path) : Status::ok;
  RuleChange change(session);
  if (status == Status::ok) status = change.begin(keeps_none(session.options()));
  if (status == Status::ok && path != "-") status = file.read(session, path);
  if (status != Status::ok) return status;
  const auto kept = kept_rules(session, change.held());
  const Rules fresh = new_rules(file, kept);
  Rules before;
  for (const backend::HeldRule* const h : kept) before.emplace_back(h->rule).line = 0;  // It is not of this file.
  auto tried = join(file, std::move(before), fresh);
  if (tried) {
    Rules inspected = fresh;
    if (session.settings().guards)
      for (Rule& added : guard(*tried, session.spd()->guards())) inspected.push_back(std::move(added));
    status = inspect(session, file, inspected, *tried);
    if (status != Status::ok) return status;
  }
  if (file.errors() > 0) return file.refuse(session);
  file.print(session, false);
  return change.replace(*tried, file.name());
}

}  // namespace ipseckey::cli
