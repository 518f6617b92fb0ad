// `doctor`: collects the facts about a database of rules, and prints what diagnosis.h finds in them.
#include <fmt/format.h>

#include "cli/rules/diagnosis.h"
#include "cli/rules/table.h"

namespace ipseckey::cli {
namespace {

std::string_view word(Finding::Weight weight) { return weight == Finding::Weight::problem ? "problem" : "remark"; }

std::string findings_text(const RuleDiagnosis& d, const std::vector<Finding>& all) {
  std::string text = fmt::format("{}: {} rule{}, {} SA{}\n", d.database, d.rules.size(), d.rules.size() == 1 ? "" : "s",
                                 d.sas.sas.size(), d.sas.sas.size() == 1 ? "" : "s");
  for (const Finding& f : all) {
    text += fmt::format("{}: {}: {}\n", word(f.weight), f.about, f.text);
    if (!f.cure.empty()) text += fmt::format("         {}\n", f.cure);
  }
  if (all.empty()) text += "nothing was found that may be wrong\n";
  return text;
}

JsonObject findings_json(const RuleDiagnosis& d, const std::vector<Finding>& all) {
  std::vector<JsonObject> rows;
  for (const Finding& f : all) {
    JsonObject& row = rows.emplace_back();
    row.put("weight", word(f.weight));
    row.put("about", f.about);
    row.put("text", f.text);
    if (!f.cure.empty()) row.put("cure", f.cure);
  }
  JsonObject object;
  object.put("kind", "rule-doctor");
  object.put("sadb", d.database);
  object.put("rules", std::uint64_t{d.rules.size()});
  object.put("sas", std::uint64_t{d.sas.sas.size()});
  object.put("findings", std::move(rows));
  return object;
}

// Not ok: the error has been printed.
Status find_exposed(RuleSession& session, backend::Spd& spd, RuleDiagnosis& d) {
  policy::Rules own;
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < d.rules.size(); ++i) {
    if (d.rules[i].foreign || d.rules[i].derived) continue;
    own.push_back(d.rules[i].rule);
    numbers.push_back(i);
  }
  auto exposed = spd.exposed(own);
  if (!exposed) {
    session.console().complain(exposed.error().text);
    return session.status_for(exposed.error().code);
  }
  for (backend::RuleRemark& r : *exposed) r.rule = numbers[r.rule];
  d.exposed = std::move(*exposed);
  return Status::ok;
}

}  // namespace

Status rules::doctor(RuleSession& session) {
  backend::Spd* const spd = session.spd();
  if (!spd) return session.no_spd();
  auto listed = spd->list();
  if (!listed) {
    session.console().complain(listed.error().text);
    return session.status_for(listed.error().code);
  }
  RuleDiagnosis d{session.shown_spd(), std::move(*listed), {}, {}};
  if (auto sas = session.sas()) {
    d.sas = {std::move(sas->held), sas->chooser, true, std::nullopt};
  } else {
    session.console().complain(fmt::format("warning: the SAs are not known: {}", sas.error().text));
  }
  d.dropped = spd->dropped();
  d.guards = spd->guards();
  if (const Status status = find_exposed(session, *spd, d); status != Status::ok) return status;
  if (session.world().view_policies && d.is_kernel()) d.kernel = session.world().view_policies();
  const auto all = findings(d);
  session.console().out(session.settings().json ? findings_json(d, all).line() : findings_text(d, all));
  return Status::ok;
}

}  // namespace ipseckey::cli
