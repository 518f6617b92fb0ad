#include "cli/verbs/load.h"

#include "cli/verbs/table.h"

namespace ipseckey::cli {

Status load_file(Session& session, Handlers handlers, const std::string& path, lang::Where where, Pipes pipes) {
  auto file = InputFile::open(path, session.care(), pipes);
  if (!file) {
    session.console().complain(file.error().text);
    if (!session.settings().service) return Status::file;
    return file.error().code == Errc::denied ? Status::no_privilege : Status::bad_file;
  }
  // A file needs a SADB; find out whether one answers before its first line.
  if (where == lang::Where::file && !session.sadb()) return session.no_sadb();
  return run_file(session, handlers, *file, where);
}

Status verbs::load(Runner& runner, const lang::Command& command) {
  return load_file(runner.session(), runner.handlers(), command.operand, lang::Where::file, Pipes::named);
}

}  // namespace ipseckey::cli
