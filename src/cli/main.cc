// ipseckey: manually manipulate an IPsec Security Association Database.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "cli/names.h"
#include "cli/runner.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "lang/words.h"

namespace {

using cli::Status;

// Keys are in this process' memory: no core dump, no other user's debugger.
void harden() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);  // A reader that goes away is an error of writing.
}

// The shell has cut the words already; quoting keeps them as they are.
std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ' ';
    lang::write_quoted(word, text);
  }
  return text;
}

Status run(const cli::Options& options) {
  using Do = cli::Options::Do;
  cli::Session session(options.settings, cli::system_names());
  Status status = Status::ok;
  switch (options.what) {
    case Do::help:
      session.console().out(cli::usage());
      break;
    case Do::version:
      session.console().out(fmt::format("ipseckey {}\n", IPSECKEY_VERSION));
      break;
    case Do::check:
      session.use_scratch_sadb();
      [[fallthrough]];
    case Do::load:
      status = session.load(options.file, lang::Where::file);
      break;
    case Do::save:
      status = session.save(pfkey::SaType::unspec, options.file);
      break;
    case Do::command:
      status = cli::run_text(session, joined(options.operands), lang::Where::shell);
      break;
    case Do::interact:
      status = isatty(STDIN_FILENO) ? cli::interact(session) : session.load("-", lang::Where::prompt);
      break;
  }
  if (!session.console().out_failed()) return status;
  session.console().complain(session.console().out_error());
  return cli::worse(status, Status::file);
}

}  // namespace

int main(int argc, char** argv) {
  harden();
  auto options = cli::parse_options({argv + 1, argv + argc}, std::getenv("IPSECKEY_SADB"));
  if (!options) {
    fmt::print(stderr, "ipseckey: {}\nTry `ipseckey --help`.\n", options.error().text);
    return static_cast<int>(Status::usage);
  }
  return static_cast<int>(run(*options));
}
