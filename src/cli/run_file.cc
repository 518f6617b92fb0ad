// A file of commands, or a single one, is run by a Runner:
// 1. The source cuts the file into lines; feed_from() gives each to the Runner, or reports why it is none.
// 2. After each batch of lines the text of those that are settled is released, and a signal is noticed.
// 3. The counts come last, as text or as a report.
#include <fmt/format.h>

#include <algorithm>

#include "cli/runner.h"
#include "lang/lines.h"
#include "system/held_signals.h"

namespace ipseckey::cli {
namespace {

// How many commands wait for one another's replies: enough that a socket is written to seldom. A check has no socket,
// and a few messages stay in the processor's cache.
constexpr std::size_t kBatch = 256, kCheckBatch = 16;

void say_counts(Session& session, Runner& runner, Status status) {
  const Reporter& reporter = runner.reporter();
  const std::size_t good = runner.commands() - std::min(runner.failed(), runner.commands());
  std::string text = fmt::format("{}: {} of {} command{} {}", reporter.shown(), good, runner.commands(),
                                 runner.commands() == 1 ? "" : "s", session.is_check() ? "valid" : "succeeded");
  if (reporter.warnings() > 0)
    text += fmt::format(", {} warning{}", reporter.warnings(), reporter.warnings() == 1 ? "" : "s");
  text += runner.ended_early() ? "; the rest was not run.\n" : ".\n";
  if (status == Status::ok && !session.settings().json) {
    session.console().out(text);
  } else {
    session.console().err(text);
  }
  if (!session.settings().json) return;
  const auto kind = session.is_check() ? pfkey::Report::Kind::check : pfkey::Report::Kind::load;
  std::string line;
  pfkey::json_report({kind, session.sadb_name(), reporter.name(), runner.commands(), good, runner.commands() - good,
                      runner.reporter().take_faults()},
                     line);
  session.console().out(line);
}

// Handles a line, whether or not it is a command. False: nothing more must be run.
bool feed_from(Runner& runner, const lang::Source& source, const lang::Line& line) {
  switch (line.kind) {
    case lang::Line::Kind::command:
      return runner.feed(line);
    case lang::Line::Kind::too_long:
      return runner.unreadable(line.number, lang::reason(line.kind));
    case lang::Line::Kind::swallowed:
      return runner.left_out(line.number, lang::reason(line.kind));
    case lang::Line::Kind::faulty:
      return runner.unreadable(source.faults());
    case lang::Line::Kind::broken_off:
      runner.unreadable(source.faults());
      runner.stop();
      return false;
    case lang::Line::Kind::left_out:
      return runner.left_out(source.faults());
    case lang::Line::Kind::nothing:
      break;
  }
  return true;
}

Result<std::unique_ptr<lang::Source>> source_of(InputFile& file, lang::Where where) {
  auto fill = [&file](MutableBytes out) { return file.read(out); };
  if (where == lang::Where::prompt) return std::make_unique<lang::LineReader>(fill);
  return lang::open_source(fill);
}

}  // namespace

Status run_file(Session& session, Handlers handlers, InputFile& file, lang::Where where, Counts counts) {
  const HeldSignals held;
  auto opened = source_of(file, where);  // It reads how the file begins, which can fail as any reading can.
  lang::Source* const source = opened ? opened->get() : nullptr;
  Runner runner(session, handlers, file.name(), where, session.is_check() ? kCheckBatch : kBatch,
                [&](const lang::Line& line) { return source->text(line); });
  runner.reporter().set_places([&](const lang::Line& line, std::uint32_t at) { return source->place(line, at); });
  runner.set_reservations(file.reservations());
  runner.expect(file.size());
  Status status = Status::ok;
  bool more = true;
  std::uint64_t released = 0;  // Offset in the file; what is kept behind it fills memory.
  for (std::size_t lines = 1; more; ++lines) {
    const auto line = source ? source->next() : std::unexpected(std::move(opened.error()));
    if (!line) {
      runner.stop();
      session.console().complain(fmt::format("{}: {}", file.shown(), line.error().text));
      status = line.error().code == Errc::syntax ? Status::failed : status_of(line.error().code);
      break;
    }
    if (!*line) break;
    more = feed_from(runner, *source, **line);
    if (more && (*line)->start > released + lang::Source::kLongest) {
      more = runner.flush();
      source->release(**line);
      released = (*line)->start;
    } else if (more && lines % kBatch == 0) {
      more = runner.advance();
      if (const auto& settled = runner.settled(); settled && settled->start > released) {
        source->release(*settled);
        released = settled->start;
      }
    }
    if (more && (lines % kBatch == 0 || where == lang::Where::prompt) && held.one_came()) {
      runner.stop();
      session.console().complain(fmt::format("{}: interrupted", file.shown()));
      status = Status::failed;
      more = false;
    }
  }
  runner.flush();
  session.console().err(runner.reporter().rest());
  status = worse(status, runner.status());
  if ((where == lang::Where::file && counts == Counts::always) || status != Status::ok)
    say_counts(session, runner, status);
  return status;
}

Status run_text(Session& session, Handlers handlers, std::string_view text, lang::Where where, bool* quit) {
  const lang::Line line{lang::Line::Kind::command, 1, 0, static_cast<std::uint32_t>(text.size())};
  Runner runner(session, handlers, "", where, 1, [&](const lang::Line&) { return text; });
  runner.feed(line);
  if (quit) *quit = runner.has_quit();
  return runner.status();
}

}  // namespace ipseckey::cli
