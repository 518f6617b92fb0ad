// Without a command our rules are listed, with `-l` those of the host or of a tunnel, with `-L` and `list` all, those
// of other programs too. The output is a file of rules.
#include <fmt/format.h>

#include "cli/rules/show.h"
#include "cli/rules/table.h"
#include "pfkey/units.h"

namespace ipseckey::cli {
namespace {

bool is_wanted(const backend::HeldRule& h, const RuleOptions& o) {
  const std::string tunnel = h.rule.tunnel ? h.rule.tunnel->name : "";
  if (o.what == RuleDo::show && (h.foreign || h.derived)) return false;
  if (!o.settings.tunnel.empty()) return tunnel == o.settings.tunnel;
  return o.what != RuleDo::list || tunnel.empty();
}

}  // namespace

Status rules::list(RuleSession& session) {
  const RuleOptions& o = session.options();
  backend::Spd* const spd = session.spd();
  if (!spd) return session.no_spd();
  const auto held = spd->list();
  if (!held) {
    session.console().complain(held.error().text);
    return session.status_for(held.error().code);
  }
  std::vector<backend::HeldRule> some;
  for (const backend::HeldRule& h : *held)
    if (is_wanted(h, o)) some.push_back(h);
  if (!o.settings.json) {
    const auto now = static_cast<std::uint64_t>(seconds_since_1970(session.world().clock()));
    session.console().out(rules_text(some, o.settings.verbose, now));
    return Status::ok;
  }
  for (const backend::HeldRule& h : some) session.console().out(rule_json(h, session.spd_name(), "rule").line());
  return Status::ok;
}

}  // namespace ipseckey::cli
