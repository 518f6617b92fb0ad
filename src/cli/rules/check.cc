// `-c FILE` and `check FILE`: everything that is wrong with a file, or odd. No database is needed; one that --sadb
// names is asked what it cannot do, and its SAs are compared with the rules.
#include <fmt/format.h>

#include <utility>

#include "cli/rules/findings.h"
#include "cli/rules/table.h"
#include "pfkey/units.h"
#include "policy/guards.h"
#include "policylang/write.h"

namespace ipseckey::cli {
namespace {

using policy::Rules;

// What --guards would add to the file.
std::string missing_guards(const Rules& rules, policy::Order by, std::span<const policy::Guard> guards) {
  std::string text;
  std::string_view last;
  for (const policy::Unguarded& u : unguarded(rules, order(rules, by), guards)) {
    const auto& [rule, packets] = guards[u.guard];
    if (std::exchange(last, packets) != packets) text += fmt::format("# {}\n", packets);
    text += policylang::write_rule(rule) + "\n";
  }
  return text;
}

Status compare_with_database(RuleSession& session, RuleFile& file, const Rules& tried, backend::Spd* spd) {
  if (!spd) return session.no_spd();
  auto asked = ask_database(file, tried, *spd);
  if (asked) asked = find_exposed(file, tried, *spd, session.settings().force);
  const auto sas = session.sas();
  if (asked && sas) judge_rules(file, tried, *sas, session.settings().force);
  if (asked && sas) return Status::ok;
  const Error& error = asked ? sas.error() : asked.error();
  session.console().complain(error.text);
  return session.status_for(error.code);
}

std::string plural(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

Status rules::check(RuleSession& session) {
  RuleFile file;
  Status status = file.read(session, session.options().argument);
  if (status != Status::ok) return status;
  const policylang::PolicyFile& policy = file.policy();
  const bool compares = !session.settings().sadb.empty();
  backend::Spd* const spd = compares ? session.spd() : nullptr;
  const std::vector<policy::Guard> guards = spd ? spd->guards() : policy::guards();
  find_oddities(file, policy.rules, policy.order, guards, true);
  Rules tried;
  for (const std::size_t number : order(policy.rules, policy.order)) tried.push_back(policy.rules[number]);
  if (compares) status = compare_with_database(session, file, tried, spd);
  const std::size_t errors = file.errors(), warnings = file.warnings();
  file.print(session, true);
  if (session.settings().guards) session.console().out(missing_guards(policy.rules, policy.order, guards));
  if (!session.settings().json)
    session.console().out(fmt::format("{}: {}, {}; {}, {}; nothing was changed.\n", pfkey::escaped(file.name()),
                                      policy.entries == 1 ? "1 entry" : fmt::format("{} entries", policy.entries),
                                      plural(policy.rules.size(), "rule"), plural(errors, "error"),
                                      plural(warnings, "warning")));
  return worse(status, errors == 0 ? Status::ok : session.wrong_file());
}

}  // namespace ipseckey::cli
