// `monitor`: waits for news of the database (backend::RuleListener). When the change is over, it lists the rules again
// and prints the differences: rules, and packets that they have dropped.
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "cli/rules/show.h"
#include "cli/rules/table.h"
#include "system/errno_text.h"
#include "system/held_signals.h"

namespace ipseckey::cli {
namespace {

using backend::HeldRule;
using Held = std::map<std::uint32_t, HeldRule>;  // By index.

Result<Held> held_by(backend::Spd& spd) {
  auto listed = spd.list();
  if (!listed) return std::unexpected(listed.error());
  Held held;
  for (HeldRule& h : *listed) held.emplace(h.index, std::move(h));
  return held;
}

void show(RuleSession& session, std::string_view action, const HeldRule& h) {
  if (!session.settings().json) return session.console().out(change_line(action, h));
  JsonObject row = rule_json(h, session.spd_name(), "rule-event");
  row.put("time", seconds_since_1970(session.world().clock()));
  row.put("action", action);
  session.console().out(row.line());
}

// A rule with the same index that says something else is another rule.
void show_changes(RuleSession& session, const Held& before, const Held& after) {
  const auto lacks = [](const Held& held, const HeldRule& h) {
    const auto at = held.find(h.index);
    return at == held.end() || !(at->second.rule == h.rule);
  };
  for (const auto& [index, h] : before)
    if (lacks(after, h)) show(session, "remove", h);
  for (const auto& [index, h] : after)
    if (lacks(before, h)) show(session, "add", h);
}

// Packets that a rule has dropped since.
void show_drops(RuleSession& session, const Held& before, const Held& after) {
  for (const auto& [index, h] : after) {
    const auto old = before.find(index);
    for (const auto& [way, member] :
         {std::pair("out", &HeldRule::dropped_out), std::pair("in", &HeldRule::dropped_in)}) {
      const backend::Dropped& now = h.*member;
      const std::uint64_t known = old == before.end() ? 0 : (old->second.*member).packets;
      if (now.packets <= known) continue;
      if (!session.settings().json) {
        session.console().out(drop_line(h, way, now.packets - known, now.why));
        continue;
      }
      JsonObject row = rule_json(h, session.spd_name(), "rule-event");
      row.put("time", seconds_since_1970(session.world().clock()));
      row.put("action", "drop");
      row.put("direction", way);
      row.put("packets", now.packets - known);
      row.put("why", now.why);
      session.console().out(row.line());
    }
  }
}

// False: a signal came first.
Result<bool> wait_for(const backend::RuleListener& news) {
  std::array<pollfd, 2> waiting{{{news.descriptor(), POLLIN, 0}, {HeldSignals::fd(), POLLIN, 0}}};
  if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR)
    return fail(Errc::io, fmt::format("cannot wait for news: {}", errno_text(errno)));
  return waiting[1].revents == 0;
}

Result<void> follow(RuleSession& session, backend::Spd& spd) {
  const auto news = spd.listen();
  if (!news) return std::unexpected(news.error());
  auto before = held_by(spd);
  if (!before) return std::unexpected(before.error());
  Result<bool> more = true;
  while (more && *more && !session.console().out_failed()) {
    const auto changed = (*news)->changed();
    if (!changed) return std::unexpected(changed.error());
    if (*changed) {
      const auto quiet =
          session.lock();  // A change is over when its lock is free. If it stays taken, the news is early.
      auto after = held_by(spd);
      if (!after) return std::unexpected(after.error());
      show_changes(session, *before, *after);
      show_drops(session, *before, *after);
      before = std::move(after);
    }
    more = wait_for(**news);
  }
  if (!more) return std::unexpected(more.error());
  return {};
}

}  // namespace

Status rules::monitor(RuleSession& session) {
  backend::Spd* const spd = session.spd();
  if (!spd) return session.no_spd();
  const HeldSignals held(HeldSignals::Ignored::count_too);
  session.console().err(fmt::format("Monitoring the rules of {}; interrupt (Ctrl-C) to end.\n", session.shown_spd()));
  const auto heard = follow(session, *spd);
  held.forget();
  if (heard) return Status::ok;
  session.console().complain(heard.error().text);
  return session.status_for(heard.error().code);
}

}  // namespace ipseckey::cli
