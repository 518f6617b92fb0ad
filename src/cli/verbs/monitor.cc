// `monitor` and `passive_monitor`: the messages that listeners hear, without keys: they are other people's.
#include <fmt/format.h>
#include <poll.h>

#include <cerrno>

#include "base/registers.h"
#include "cli/verbs/table.h"
#include "pfkey/json.h"
#include "system/errno_text.h"
#include "system/held_signals.h"

namespace ipseckey::cli::verbs {
namespace {

void show(Session& session, const pfkey::Message& m) {
  SecretText text;
  if (session.settings().json) {
    pfkey::json_message(m, {.sadb = session.sadb_name(), .keys = false, .now = session.now()}, text);
  } else {
    pfkey::PrintOptions options = session.print_options();
    options.timestamp = true;
    options.keys = false;
    pfkey::print_message(m, options, text);
    text += '\n';
  }
  session.console().out(text);
}

// Waits for news. False: a signal came first.
Result<bool> wait_for(const backend::Listener& news, const Session& session) {
  pollfd waiting[] = {{news.descriptor(), POLLIN, 0}, {HeldSignals::fd(), POLLIN, 0}};
  wipe_registers();
  if (::poll(waiting, std::size(waiting), -1) < 0 && errno != EINTR)
    return fail(Errc::io, fmt::format("cannot wait for {}: {}", session.shown_sadb(), errno_text(errno)));
  return waiting[1].revents == 0;
}

// Shows messages until a signal comes or the reader of our output closes it.
Result<void> follow(Session& session, backend::Backend& sadb, bool promiscuous) {
  const auto news = sadb.listen(promiscuous);
  if (!news) return std::unexpected(news.error());
  Result<bool> more = true;
  while (more && *more) {
    const auto heard = (*news)->next([&](pfkey::Message&& m) {
      if (!session.console().out_failed()) show(session, m);
    });
    if (!heard) return heard;
    if (session.console().out_failed()) break;
    more = wait_for(**news, session);
  }
  if (!more) return std::unexpected(more.error());
  return (*news)->end();
}

}  // namespace

Status monitor(Runner& runner, const lang::Command& command) {
  Session& session = runner.session();
  const bool promiscuous = command.row->verb == lang::Verb::monitor;
  backend::Backend* const sadb = session.sadb();
  if (!sadb) return session.no_sadb();
  const HeldSignals held(HeldSignals::Ignored::count_too);
  session.console().err(fmt::format("{} monitoring of {}; interrupt (Ctrl-C) to end.\n",
                                    promiscuous ? "Active" : "Passive", session.shown_sadb()));
  const auto heard = follow(session, *sadb, promiscuous);
  held.forget();
  if (heard) return Status::ok;
  session.console().complain(heard.error().text);
  session.lose_sadb();
  return status_of(heard.error().code);
}

}  // namespace ipseckey::cli::verbs
