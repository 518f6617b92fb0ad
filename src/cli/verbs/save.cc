#include "cli/verbs/save.h"

#include <fmt/format.h>

#include "cli/files.h"
#include "cli/verbs/table.h"
#include "lang/save.h"
#include "pfkey/units.h"
#include "system/held_signals.h"

namespace ipseckey::cli {
namespace {

// `whole`: whether what was written is a file to keep; then the status may still say that SAs were left out.
Status write_sas(Session& session, pfkey::SaType type, std::string_view consequence,
                 absl::FunctionRef<Result<void>(std::string_view)> write, bool* whole = nullptr) {
  lang::Saver saver(lang::kCommandFormat, session.settings().paranoid);
  std::size_t count = 0;
  const Status status = session.walk_text(
      type, consequence, saver.header(), [&](pfkey::Message&& m, SecretText& text) { saver.write(std::move(m), text); },
      write, count);
  const bool nothing = saver.left_out() > 0 && saver.left_out() == count;
  if (whole) *whole = status == Status::ok && !nothing;
  if (status != Status::ok || saver.left_out() == 0) return status;
  session.console().complain(
      nothing ? fmt::format("{}: nothing saved", saver.reason())
              : fmt::format("{} of {} SAs were not saved; a comment in the output gives the reason for each",
                            saver.left_out(), count));
  return Status::failed;
}

}  // namespace

Status save_file(Session& session, pfkey::SaType type, const std::string& path) {
  Console& console = session.console();
  if (!session.sadb()) return session.no_sadb();
  if (path.empty() || path == "-")
    return write_sas(session, type, kIncomplete, [&](std::string_view text) -> Result<void> {
      console.out(text);
      if (console.out_failed()) return fail(Errc::io, console.out_error());
      return {};
    });
  const HeldSignals held;  // They end the process when nothing is left to clean up.
  auto file = OutputFile::create(path);
  if (!file) {
    console.complain(file.error().text);
    return Status::file;
  }
  bool whole = false;
  const Status status = write_sas(
      session, type, fmt::format("{} was not written", pfkey::escaped(path)),
      [&](std::string_view text) { return file->write(text); }, &whole);
  if (!whole) return status;
  const auto done = file->commit();
  if (done) return status;
  console.complain(done.error().text);
  return Status::file;
}

Status verbs::save(Runner& runner, const lang::Command& command) {
  return save_file(runner.session(), command.satype, command.operand);
}

}  // namespace ipseckey::cli
