#include "cli/rules/change.h"

#include <fmt/format.h>

#include "cli/rules/show.h"
#include "pfkey/units.h"
#include "system/held_signals.h"

namespace ipseckey::cli {

policy::Rules own_rules(const std::vector<backend::HeldRule>& held) {
  policy::Rules rules;
  for (const backend::HeldRule& h : held)
    if (!h.foreign && !h.derived) rules.push_back(h.rule);
  return rules;
}

Status RuleChange::begin(bool whole) {
  Console& console = session_.console();
  backend::Spd* const spd = session_.spd();
  if (!spd) return session_.no_spd();
  if (!session_.settings().dry_run) {
    auto lock = session_.lock();
    if (!lock) {
      console.complain(lock.error().text);
      return lock.error().code == Errc::timeout ? Status::busy : session_.status_for(lock.error().code);
    }
    lock_ = std::move(*lock);
  }
  if (const auto r = whole ? Result<void>() : spd->extensible(); !r) {
    console.complain(r.error().text);
    return session_.status_for(r.error().code);
  }
  auto listed = spd->list();
  if (!listed) {
    console.complain(listed.error().text);
    return session_.status_for(listed.error().code);
  }
  held_ = std::move(*listed);
  return Status::ok;
}

Status RuleChange::replace(const policy::Rules& rules, const std::string& about) {
  using Extent = backend::Spd::Extent;
  const HeldSignals held;  // Half a change would be worse than none.
  const auto changes = session_.spd()->replace(rules, session_.settings().dry_run ? Extent::plan : Extent::carry_out);
  if (!changes) {
    session_.console().complain(changes.error().text);
    return session_.status_for(changes.error().code);
  }
  report(*changes, about);
  return Status::ok;
}

void RuleChange::report(const backend::RuleChanges& changes, const std::string& about) {
  const RuleSettings& settings = session_.settings();
  const bool dry = settings.dry_run;
  std::string text;
  const auto each = [&](std::string_view action, const std::vector<backend::HeldRule>& some) {
    if (!dry && !settings.verbose) return;
    for (const backend::HeldRule& h : some) {
      if (settings.json) {
        JsonObject row = rule_json(h, session_.spd_name(), "rule-plan");
        row.put("action", action);
        text += row.line();
      } else {
        text += change_line(action, h);
      }
    }
  };
  each("remove", changes.removed);
  each("add", changes.added);
  if (settings.json) {
    JsonObject sum;
    sum.put("kind", "rule-apply");
    sum.put("sadb", session_.spd_name());
    if (!about.empty()) sum.put("file", about);
    sum.put("dry_run", dry);
    sum.put("add", std::uint64_t{changes.added.size()});
    sum.put("remove", std::uint64_t{changes.removed.size()});
    sum.put("keep", std::uint64_t{changes.kept});
    text += sum.line();
  } else {
    text += fmt::format("{}: {} {}, {} {}, {} {}{}.\n", about.empty() ? session_.shown_spd() : pfkey::escaped(about),
                        changes.added.size(), dry ? "to add" : "added", changes.removed.size(),
                        dry ? "to remove" : "removed", changes.kept, dry ? "to keep" : "kept",
                        dry ? "; nothing was changed" : "");
  }
  session_.console().out(text);
}

}  // namespace ipseckey::cli
