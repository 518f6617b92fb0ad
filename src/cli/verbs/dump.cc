// `dump`: all SAs, or all of one type.
#include "cli/show.h"
#include "cli/verbs/table.h"

namespace ipseckey::cli::verbs {

Status dump(Runner& runner, const lang::Command& command) {
  Session& session = runner.session();
  Console& console = session.console();
  const bool json = session.settings().json;
  std::size_t count = 0;
  const Status status = session.walk_text(
      command.satype, kIncomplete, {},
      [&](pfkey::Message&& m, SecretText& text) {
        append_sa(session, m, text);
        if (!json) text += '\n';
      },
      [&](std::string_view text) -> Result<void> {
        console.out(text);
        if (console.out_failed()) return fail(Errc::io, console.out_error());
        return {};
      },
      count);
  if (status == Status::ok && !json) console.out(how_many(session, count, command.satype));
  return status;
}

}  // namespace ipseckey::cli::verbs
