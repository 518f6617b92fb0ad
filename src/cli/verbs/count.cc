// `count`: how many SAs there are of each type and state. Their keys are dropped unread.
#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/json.h"
#include "cli/show.h"
#include "cli/verbs/table.h"
#include "pfkey/names.h"

namespace ipseckey::cli::verbs {
namespace {

using Tally = std::map<std::pair<pfkey::SaType, pfkey::State>, std::uint64_t>;

std::string for_a_person(const Tally& tally) {
  std::string text;
  for (const auto& [kind, sas] : tally)
    text += fmt::format("{:<5}{:<17}{:>9}\n", lang::satype_word(kind.first), pfkey::name(kind.second), sas);
  return text;
}

std::string for_a_program(const Tally& tally, std::size_t total, pfkey::SaType asked, const std::string& sadb) {
  std::vector<JsonObject> counts;
  for (const auto& [kind, sas] : tally) {
    JsonObject& row = counts.emplace_back();
    row.put("satype", lang::satype_word(kind.first));
    row.put("state", pfkey::name(kind.second));
    row.put("sas", sas);
  }
  JsonObject object;
  object.put("kind", "count");
  object.put("sadb", sadb);
  object.put("satype", lang::satype_word(asked));
  object.put("total", total);
  object.put("counts", std::move(counts));
  return object.line();
}

}  // namespace

Status count(Runner& runner, const lang::Command& command) {
  Session& session = runner.session();
  Tally tally;
  std::size_t total = 0;
  const Status status = session.walk(
      command.satype, "nothing was counted",
      [&](pfkey::Message&& m) -> Result<void> {
        ++tally[{m.satype, m.sa->state}];
        return {};
      },
      total);
  if (status != Status::ok) return status;
  session.console().out(session.settings().json ? for_a_program(tally, total, command.satype, session.sadb_name())
                                                : for_a_person(tally) + how_many(session, total, command.satype));
  return Status::ok;
}

}  // namespace ipseckey::cli::verbs
