// `-f`, `-F` and `unload`: our rules are deleted, those of the host, of a tunnel, or all. Others stay.
#include "cli/rules/change.h"
#include "cli/rules/table.h"

namespace ipseckey::cli {

Status rules::flush(RuleSession& session) {
  const RuleOptions& o = session.options();
  RuleChange change(session);
  if (const Status status = change.begin(o.what != RuleDo::flush); status != Status::ok) return status;
  policy::Rules kept;
  if (o.what == RuleDo::flush)
    for (policy::Rule& rule : own_rules(change.held()))
      if ((rule.tunnel ? rule.tunnel->name : "") != o.settings.tunnel) kept.push_back(std::move(rule));
  return change.replace(kept, {});
}

}  // namespace ipseckey::cli
