#include "cli/program.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/algorithms.h"
#include "cli/apply.h"
#include "cli/prompt/terminal.h"
#include "cli/rules/program.h"
#include "cli/verbs/load.h"
#include "cli/verbs/save.h"
#include "cli/verbs/table.h"
#include "lang/language.h"

namespace ipseckey::cli {
namespace {

// The shell has cut the words already; quoting keeps them as they are.
std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ' ';
    lang::write_quoted(word, text);
  }
  return text;
}

Status run(Session& session, const Options& options) {
  using Do = Options::Do;
  switch (options.what) {
    case Do::help:
      session.console().out(usage());
      return Status::ok;
    case Do::version:
      session.console().out(fmt::format("ipseckey {}\n", IPSECKEY_VERSION));
      return Status::ok;
    case Do::check:
      session.use_scratch_sadb(
          {.rules = session.settings().sadb == "kernel" ? backend::Rules::kernel : backend::Rules::engine});
      return load_file(session, kHandlers, options.file, lang::Where::file);
    case Do::load:
      if (options.settings.service)
        return apply_file(session, kHandlers, {.file = options.file, .flush_first = true, .pipes = Pipes::named});
      return load_file(session, kHandlers, options.file, lang::Where::file, Pipes::named);
    case Do::save:
      return save_file(session, pfkey::SaType::unspec, options.file);
    case Do::command:
      return run_text(session, kHandlers, joined(options.operands), lang::Where::shell);
    case Do::interact:
      if (options.settings.service) {
        session.console().complain("--service works only with -f FILE, apply FILE and unload FILE");
        return Status::usage;
      }
      return isatty(STDIN_FILENO) == 1 ? interact(session, kHandlers)
                                       : load_file(session, kHandlers, "-", lang::Where::prompt);
  }
  return Status::usage;
}

// The standard output that could not be written is an error like any other, and is reported once.
Status closed(Console& console, Status status) {
  if (!console.out_failed()) return status;
  if (!console.reader_gone()) console.complain(console.out_error());
  return worse(status, Status::file);
}

}  // namespace

Status run_program(Invocation invocation, World world) {
  const std::string name = invocation.name.substr(invocation.name.rfind('/') + 1);
  if (name == "ipsecconf") {
    Console& console = world.console;
    return closed(console, run_rules_program(std::move(invocation), std::move(world)));
  }
  const auto options = parse_options(std::move(invocation.arguments), invocation.sadb);
  if (!options) {
    world.console.complain(fmt::format("{}\nTry `ipseckey --help`.", options.error().text));
    return Status::usage;
  }
  Session session(options->settings, std::move(world));
  const bool algorithms = name == "ipsecalgs";
  const bool asks = options->what == Options::Do::help || options->what == Options::Do::version;
  if (algorithms && !asks && options->what != Options::Do::interact) {
    session.console().complain("ipsecalgs takes only options, but not -f, -c or -s.\nTry `ipsecalgs --help`.");
    return Status::usage;
  }
  return closed(session.console(), algorithms && !asks ? show_algorithms(session) : run(session, *options));
}

}  // namespace ipseckey::cli
