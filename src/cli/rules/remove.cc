// `-d INDEX`: one of our rules is deleted. `-r FILE`: those that a file has. If one of them is not held, nothing is
// deleted.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "cli/rules/change.h"
#include "cli/rules/table.h"
#include "pfkey/units.h"
#include "table/numbers.h"

namespace ipseckey::cli {
namespace {

using backend::HeldRule;
using table::Severity;

// INDEX, or TUNNEL,INDEX.
struct Wanted {
  std::string tunnel;
  std::uint32_t index;
};

Result<Wanted> wanted(const RuleSession& session) {
  const std::string& text = session.options().argument;
  const auto comma = text.rfind(',');
  Wanted w{comma == std::string::npos ? session.settings().tunnel : text.substr(0, comma), 0};
  bool too_big = false;
  const auto index = table::parse_number(text.substr(comma == std::string::npos ? 0 : comma + 1), too_big);
  if (!index || *index == 0 || *index > UINT32_MAX)
    return fail(Errc::syntax,
                fmt::format("-d needs an INDEX, as -L prints it, or TUNNEL,INDEX: {} is neither", shown_word(text)));
  w.index = static_cast<std::uint32_t>(*index);
  return w;
}

// Why there is no such rule of ours; empty: there is one.
std::string lacking(const std::vector<HeldRule>& held, const Wanted& w) {
  const auto found = std::ranges::find(held, w.index, &HeldRule::index);
  if (found == held.end()) return fmt::format("there is no rule with index {}; -L lists them", w.index);
  if (found->foreign) return fmt::format("the rule with index {} is another program's, and is not changed", w.index);
  if (found->derived) return fmt::format("the rule with index {} was made for others, and goes with them", w.index);
  const std::string tunnel = found->rule.tunnel ? found->rule.tunnel->name : "";
  if (w.tunnel.empty() || w.tunnel == tunnel) return {};
  return fmt::format("the rule with index {} is not of the tunnel {}", w.index, shown_word(w.tunnel));
}

Status remove_one(RuleSession& session) {
  const auto asked = wanted(session);
  if (!asked) {
    session.console().complain(asked.error().text);
    return Status::usage;
  }
  RuleChange change(session);
  if (const Status status = change.begin(); status != Status::ok) return status;
  if (const std::string why = lacking(change.held(), *asked); !why.empty()) {
    session.console().complain(why);
    return Status::failed;
  }
  policy::Rules kept;
  for (const HeldRule& h : change.held())
    if (!h.foreign && !h.derived && h.index != asked->index) kept.push_back(h.rule);
  return change.replace(kept, {});
}

Status remove_those_of_a_file(RuleSession& session) {
  RuleFile file;
  RuleChange change(session);
  Status status = file.read(session, session.options().argument);
  if (status == Status::ok) status = change.begin();
  if (status != Status::ok) return status;
  policy::Rules kept = own_rules(change.held());
  for (const policy::Rule& rule : file.policy().rules) {
    const auto found = std::ranges::find(kept, rule);
    if (found == kept.end()) {
      file.say(rule, Severity::error, "this rule is not held");
    } else {
      kept.erase(found);
    }
  }
  if (file.errors() > 0) return file.refuse(session);
  file.print(session, false);
  return change.replace(kept, file.name());
}

}  // namespace

Status rules::remove(RuleSession& session) {
  return session.options().what == RuleDo::remove ? remove_one(session) : remove_those_of_a_file(session);
}

}  // namespace ipseckey::cli
