// `monitor` and `passive_monitor`: the messages that listeners hear, without keys: they are other people's.
#include <fmt/format.h>

#include "cli/verbs/table.h"
#include "pfkey/json.h"
#include "system/held_signals.h"

namespace cli::verbs {
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

}  // namespace

Status monitor(Runner& runner, const lang::Command& command) {
  Session& session = runner.session();
  const bool promiscuous = command.row->verb == lang::Verb::monitor;
  backend::Backend* const sadb = session.sadb();
  if (!sadb) return session.no_sadb();
  const HeldSignals held(HeldSignals::Ignored::count_too);
  session.console().err(fmt::format("{} monitoring of {}; interrupt (Ctrl-C) to end.\n",
                                    promiscuous ? "Active" : "Passive", session.shown_sadb()));
  const auto heard = sadb->listen(promiscuous, HeldSignals::fd(), [&](pfkey::Message&& m) {
    show(session, m);
    return !session.console().out_failed();
  });
  held.forget();
  if (heard) return Status::ok;
  session.console().complain(heard.error().text);
  session.lose_sadb();
  return status_of(heard.error().code);
}

}  // namespace cli::verbs
