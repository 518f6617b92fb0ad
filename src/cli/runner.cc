#include "cli/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "lang/request.h"

namespace cli {

using lang::Verb;

Runner::Runner(Session& session, std::string name, lang::Where where, std::size_t batch, TextOf text_of)
    : session_(session),
      name_(std::move(name)),
      where_(where),
      batch_(session.settings().stop_on_error ? 1 : batch),
      text_of_(std::move(text_of)),
      parser_(session.names()) {}

void Runner::count_failure(Status status) {
  ++failed_;
  status_ = worse(status_, status);
  if (session_.settings().stop_on_error && !name_.empty()) ended_early_ = true;
}

std::string Runner::rendered(const lang::Fault& fault, const lang::Line& line) {
  if (fault.severity == lang::Severity::warning) ++warnings_;
  std::string text;
  lang::render(fault, text_of_(line), {name_, line.number}, session_.console().marks(), text);
  return text;
}

void Runner::fault(std::uint32_t line, std::string_view message) {
  ++commands_;
  count_failure(Status::failed);
  session_.console().err(fmt::format("{}:{}: error: {}\n", name_, line, message));
}

void Runner::warning(std::uint32_t line, std::string_view message) {
  ++warnings_;
  session_.console().err(fmt::format("{}:{}: warning: {}\n", name_, line, message));
}

bool Runner::feed(const lang::Line& line) {
  auto command = parser_.parse(text_of_(line), where_);
  const bool wrong = lang::has_errors(parser_.faults());
  if (!command && !wrong) return true;
  ++commands_;
  if (wrong && !flush()) return false;  // Outcomes come in the order of the lines.
  std::string said;
  for (const lang::Fault& f : parser_.faults()) said += rendered(f, line);
  if (wrong) {
    session_.console().err(said);
    if (!name_.empty())
      session_.console().err(
          fmt::format("{}:{}: Parse error on line {}. The command was not used.\n", name_, line.number, line.number));
    count_failure(Status::failed);
    return may_go_on();
  }
  if (!reservations_.empty() && (command->spec.auth_key || command->spec.encrypt_key)) {
    for (const std::string& r : reservations_) ++warnings_, session_.console().complain("warning: " + r);
    reservations_.clear();
  }
  const bool sends = command->row->operands == lang::Operands::extensions || command->row->verb == Verb::flush;
  if (!sends) {
    if (!flush()) return false;
    session_.console().err(said);
    return run_now(*command, line);
  }
  queue(std::move(*command), line, std::move(said));
  return queued_.size() < batch_ || flush();
}

void Runner::queue(lang::Command&& command, const lang::Line& line, std::string said) {
  Queued entry{line, messages_.size(), 0, false, std::move(said)};
  lang::to_messages(
      std::move(command), session_.names(),
      [&](lang::Objection&& o) {
        entry.bad = true;
        entry.said += rendered(parser_.place(o.about, o.severity, std::move(o.message)), line);
      },
      [&](pfkey::Message&& m) {
        targets_.push_back({queued_.size(),
                            {m.satype, m.sa ? m.sa->spi : 0, m.dst ? m.dst->address : Address{}, session_.is_check()}});
        messages_.push_back(std::move(m));
      });
  entry.count = messages_.size() - entry.first;
  queued_.push_back(std::move(entry));
}

void Runner::say_up_to(std::size_t queued) {
  for (; told_ < queued; ++told_)
    if (!queued_[told_].said.empty()) session_.console().err(queued_[told_].said);
}

bool Runner::flush() {
  if (queued_.empty()) return may_go_on();
  if (!messages_.empty()) {
    backend::Backend* const sadb = session_.sadb();
    if (!sadb) {
      say_up_to(queued_.size());
      count_failure(Status::no_sadb);
      ended_early_ = true;
      return false;
    }
    answered_.assign(messages_.size(), false);
    for (pfkey::Message& m : messages_) session_.prepare(m);
    const auto called =
        sadb->call(messages_, [&](std::size_t i, pfkey::Message&& reply) { handle_reply(i, std::move(reply)); });
    if (!called) lost(called.error());
  }
  say_up_to(queued_.size());
  for (const Queued& q : queued_)
    if (q.bad) count_failure(Status::failed);
  told_ = 0;
  queued_.clear();
  messages_.clear();
  targets_.clear();
  return may_go_on();
}

void Runner::handle_reply(std::size_t index, pfkey::Message&& reply) {
  answered_[index] = true;
  const Target& target = targets_[index];
  Queued& q = queued_[target.queued];
  say_up_to(target.queued + 1);
  const Outcome outcome = outcome_of(reply, target.asked);
  if (!outcome.ok) {
    q.bad = true;
    const auto fault = lang::place(text_of_(q.line), outcome.about, lang::Severity::error, outcome.text);
    session_.console().err(rendered(fault, q.line));
    return;
  }
  if (session_.is_check()) return;
  if (reply.type == pfkey::Type::get) {
    std::string text;
    pfkey::print_sa(reply, session_.print_options(), text);
    session_.console().out(text);
    wipe(std::as_writable_bytes(std::span(text)));
  } else if (q.count > 1) {
    session_.console().out(done_text(reply.type, target.asked) +
                           '\n');  // A name with many addresses: each one is told.
  }
}

// The SADB went away in the middle: what was answered stands, the rest was perhaps done, perhaps not.
void Runner::lost(const Error& error) {
  const auto first = static_cast<std::size_t>(std::ranges::find(answered_, false) - answered_.begin());
  for (Queued& q : queued_) {
    if (q.first + q.count <= first || q.count == 0) continue;
    if (!ended_early_ && !name_.empty())
      session_.console().err(
          fmt::format("{}:{}: error: no answer to this command; what follows it was not run\n", name_, q.line.number));
    ended_early_ = true;
    q.bad = true;
  }
  session_.console().complain(error.text);
  status_ = worse(status_, status_of(error.code));
  ended_early_ = true;
  session_.lose_sadb();
}

bool Runner::run_now(const lang::Command& command, const lang::Line&) {
  Status status = Status::ok;
  switch (command.row->verb) {
    case Verb::dump:
      status = session_.dump(command.satype);
      break;
    case Verb::save:
      status = session_.save(command.satype, command.operand);
      break;
    case Verb::load:
      status = session_.load(command.operand, lang::Where::file);
      break;
    case Verb::monitor:
      status = session_.monitor(true);
      break;
    case Verb::passive_monitor:
      status = session_.monitor(false);
      break;
    case Verb::help:
      status = session_.help(command.operand);
      break;
    case Verb::quit:
      ended_early_ = true;
      return false;
    case Verb::add:
    case Verb::update:
    case Verb::update_pair:
    case Verb::del:
    case Verb::delete_pair:
    case Verb::get:
    case Verb::flush:
      break;  // Messages; queue() has them.
  }
  if (status != Status::ok) count_failure(status);
  return may_go_on();
}

namespace {

constexpr std::size_t kBatch = 256;

void say_counts(Session& session, const Runner& runner, const std::string& name) {
  const std::size_t good = runner.commands() - std::min(runner.failed(), runner.commands());
  std::string text = fmt::format("{}: {} of {} command{} {}", name, good, runner.commands(),
                                 runner.commands() == 1 ? "" : "s", session.is_check() ? "valid" : "succeeded");
  if (runner.warnings() > 0)
    text += fmt::format(", {} warning{}", runner.warnings(), runner.warnings() == 1 ? "" : "s");
  text += ".\n";
  if (runner.status() == Status::ok) {
    session.console().out(text);
  } else {
    session.console().err(text);
  }
}

}  // namespace

Status run_file(Session& session, InputFile& file, lang::Where where) {
  lang::LineReader reader([&](MutableBytes out) { return file.read(out); });
  Runner runner(session, file.name(), where, kBatch, [&](const lang::Line& line) { return reader.text(line); });
  runner.set_reservations(file.reservations());
  Status status = Status::ok;
  bool more = true;
  std::size_t queued = 0;
  while (more) {
    const auto line = reader.next();
    if (!line) {
      more = runner.flush();
      session.console().complain(fmt::format("{}: {}", file.name(), line.error().text));
      status = line.error().code == Errc::syntax ? Status::failed : status_of(line.error().code);
      break;
    }
    if (!*line) break;
    switch ((*line)->kind) {
      case lang::Line::Kind::command:
        more = runner.feed(**line);
        break;
      case lang::Line::Kind::too_long:
        more = runner.flush();
        runner.fault((*line)->number, fmt::format("the command is longer than {} bytes", lang::LineReader::kLongest));
        break;
      case lang::Line::Kind::swallowed:
        runner.warning((*line)->number, "this command belongs to the comment above, which ends in a backslash");
        break;
    }
    if (++queued % kBatch == 0 && more) {
      more = runner.flush();
      reader.release(**line);
    }
  }
  if (more) runner.flush();
  status = worse(status, runner.status());
  if (where == lang::Where::file) say_counts(session, runner, file.name());
  return status;
}

Status run_text(Session& session, std::string_view text, lang::Where where, bool* quit) {
  const lang::Line line{lang::Line::Kind::command, 1, 0, static_cast<std::uint32_t>(text.size())};
  Runner runner(session, "", where, 1, [&](const lang::Line&) { return text; });
  runner.feed(line);
  if (quit) *quit = runner.ended_early() && runner.status() == Status::ok;
  return runner.status();
}

}  // namespace cli
