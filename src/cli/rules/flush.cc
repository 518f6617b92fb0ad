// `-f`, `-F` and `unload`: our rules are deleted, those of the host, of a tunnel, or all. Others stay.
//
// `unload` of `auto`: each run chooses a database, and the rules may be in the other one (ipsecd was started or stopped
// since). So all those that `auto` can choose are unloaded.
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "cli/rules/change.h"
#include "cli/rules/table.h"

namespace ipseckey::cli {
namespace {

Status delete_rules(RuleSession& session) {
  const RuleOptions& o = session.options();
  RuleChange change(session);
  if (const Status status = change.begin(o.what != RuleDo::flush); status != Status::ok) return status;
  policy::Rules kept;
  if (o.what == RuleDo::flush)
    for (policy::Rule& rule : own_rules(change.held()))
      if ((rule.tunnel ? rule.tunnel->name : "") != o.settings.tunnel) kept.push_back(std::move(rule));
  return change.replace(kept, {});
}

/// A database whose state decides nothing: there is none, or this user may not read it.
struct Unopened {
  std::string place;
  Error error;
};

Status unload_everywhere(RuleSession& session) {
  std::vector<Unopened> unopened;
  Status status = Status::ok;
  std::size_t unloaded = 0;
  for (const char* const place : {"ipsecd", "kernel"}) {
    const auto probe = session.world().open_spd(place);
    const auto listed = probe ? (*probe)->list() : std::unexpected(probe.error());
    if (!listed) {
      unopened.push_back({place, listed.error()});
      continue;
    }
    RuleOptions options = session.options();
    options.settings.sadb = place;
    RuleSession one(std::move(options), session.world());
    status = worse(status, delete_rules(one));
    ++unloaded;
  }
  if (unloaded == 0) return delete_rules(session);  // It says what is missing.
  for (const Unopened& u : unopened)
    if (u.error.code != Errc::unreachable && u.error.code != Errc::unsupported)
      session.console().complain(fmt::format("warning: rules of {} stay, if there are any: {}", u.place, u.error.text));
  return status;
}

}  // namespace

Status rules::flush(RuleSession& session) {
  const bool everywhere = session.options().what == RuleDo::unload && session.settings().where() == "auto";
  return everywhere && session.world().open_spd ? unload_everywhere(session) : delete_rules(session);
}

}  // namespace ipseckey::cli
