// How a source of commands is run:
// 1. run_file() cuts a file into lines and feeds them to a Runner, one after another (cli/run_file.cc).
// 2. feed() parses. A line that is wrong is reported once the outcomes of those above it have been.
// 3. A command that is messages is queued with them; before any other the queue is sent, then its handler is called.
// 4. advance() settles the batch that was sent before, and sends the queue; flush() settles that, too. `targets` joins
//    each reply to its line, and outcomes come in the order of lines.
#include "cli/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "cli/show.h"
#include "lang/corrected_command.h"
#include "lang/request.h"

namespace ipseckey::cli {

using lang::Severity;

Runner::Runner(Session& session, Handlers handlers, std::string name, lang::Where where, std::size_t batch,
               TextOf text_of)
    : session_(session),
      handlers_(handlers),
      reporter_(session.settings(), std::move(name), session.console().marks(), session.typed().warnings),
      where_(where),
      batch_(session.settings().stop_on_error ? 1 : batch),
      text_of_(std::move(text_of)),
      names_(session.names_beside(reporter_.name())),
      host_(session.host()),
      parser_(names_) {
  if (session.settings().fresh_keys || (!reporter_.is_file() && session.typed().fresh)) parser_.keys_are_fresh();
}

void Runner::keys_are_fresh() {
  parser_.keys_are_fresh();
  if (!reporter_.is_file()) session_.typed().fresh = true;
}

void Runner::expect(std::uint64_t bytes) {
  constexpr std::uint64_t kLeast = 192, kMost = 1 << 22;  // Bytes of a command with two keys; commands.
  key_reuse_.expect(std::min(bytes / kLeast, kMost));
}

void Runner::count_failure(Status status) {
  ++failed_;
  status_ = worse(status_, status);
  if (session_.settings().stop_on_error && reporter_.is_file()) ended_early_ = true;
}

void Runner::stop() {
  flush();
  ended_early_ = true;
}

bool Runner::unreadable(std::uint32_t line, std::string message) {
  if (!flush()) return false;
  return refuse_unread(reporter_.fault(Severity::error, line, std::move(message)));
}

bool Runner::unreadable(std::span<const lang::SourceFault> faults) {
  if (!flush()) return false;
  std::string said;
  for (const lang::SourceFault& fault : faults) said += reporter_.fault(Severity::error, fault);
  return refuse_unread(said);
}

bool Runner::refuse_unread(std::string_view said) {
  ++commands_;
  session_.console().err(said);
  count_failure(Status::failed);
  return may_go_on();
}

void Runner::warning(std::uint32_t line, std::string message) {
  const std::string said = reporter_.fault(Severity::warning, line, std::move(message));
  if (reporter_.severity(Severity::warning) == Severity::error) status_ = worse(status_, Status::failed);
  session_.console().err(said);
}

// Outcomes come in the order of the lines, so what is queued goes first.
bool Runner::left_out(std::uint32_t line, std::string message) {
  return flush() && may_leave_out(reporter_.fault(Severity::warning, line, std::move(message)));
}

bool Runner::left_out(std::span<const lang::SourceFault> faults) {
  if (!flush()) return false;
  std::string said;
  for (const lang::SourceFault& fault : faults) said += reporter_.fault(Severity::warning, fault);
  return may_leave_out(said);
}

bool Runner::may_leave_out(std::string_view said) {
  if (reporter_.severity(Severity::warning) == Severity::error) return refuse_unread(said);
  session_.console().err(said);
  return true;
}

bool Runner::feed(const lang::Line& line) {
  auto command = parser_.parse(text_of_(line), where_);
  if (!command && parser_.faults().empty()) return true;
  ++commands_;
  std::string said;
  bool wrong = !command;
  const auto say = [&](const lang::Fault& fault) {
    wrong = wrong || reporter_.severity(fault.severity) == Severity::error;
    said += reporter_.fault(fault, text_of_(line), line);
  };
  for (const lang::Fault& f : parser_.faults()) say(f);
  if (command && !reporter_.is_file())
    if (auto o = session_.typed().keys.look_at(*command)) say(parser_.place(std::move(*o)));
  const auto given = command && reporter_.is_file() ? key_reuse_.note(*command, line.number) : std::nullopt;
  if (wrong && given)
    if (auto o = key_reuse_.look_for(*given)) say(parser_.place(std::move(*o)));
  if (wrong) return refuse(line, said);

  if (!reservations_.empty()) say_reservations(*command);
  if (const Handler handler = handlers_[static_cast<std::size_t>(command->row->verb)].handler) {
    if (!flush()) return false;
    session_.console().err(said);
    return carry_out(handler, *command);
  }
  queue(std::move(*command), line, std::move(said), given);
  return queue_.queued.size() < batch_ || (batch_ > 1 ? advance() : flush());
}

std::string Runner::not_used(const lang::Line& line) const {
  return fmt::format("{}:{}: Parse error on line {}. The command was ignored.\n", reporter_.shown(), line.number,
                     line.number);
}

// Outcomes come in the order of the lines, so what is queued goes first.
bool Runner::refuse(const lang::Line& line, std::string_view said) {
  if (!flush()) return false;
  session_.console().err(said);
  if (reporter_.is_file()) session_.console().err(not_used(line));
  count_failure(Status::failed);
  return may_go_on();
}

void Runner::say_reservations(const lang::Command& command) {
  if (!command.spec.auth_key && !command.spec.encrypt_key) return;
  for (std::string& r : reservations_) warning(0, std::move(r));
  reservations_.clear();
}

void Runner::queue(lang::Command&& command, const lang::Line& line, std::string said,
                   const std::optional<KeyReuse::Given>& given) {
  Queued entry{line, 0, false, std::move(said)};
  const std::size_t before = queue_.messages.size();
  lang::to_messages(
      std::move(command), names_,
      [&](lang::Objection&& o) {
        entry.bad = true;
        entry.said += reporter_.fault(parser_.place(std::move(o)), text_of_(line), line);
      },
      queue_.messages);
  look_at_host(entry, before);
  if (auto o = given ? key_reuse_.look_for(*given) : std::nullopt) {
    const bool refused = reporter_.severity(o->severity) == Severity::error;
    entry.said += reporter_.fault(parser_.place(std::move(*o)), text_of_(line), line);
    if (refused) entry.said += not_used(line), drop(entry, before);
  }
  for (const pfkey::Message& m : std::span(queue_.messages).subspan(before))
    queue_.targets.push_back(
        {queue_.queued.size(),
         {m.satype, m.sa ? m.sa->spi : 0, m.dst ? m.dst->address : Address{}, session_.is_check()}});
  entry.messages = queue_.messages.size() - before;
  queue_.queued.push_back(std::move(entry));
}

// If both ends are elsewhere, that is mostly true of a whole file, so the warning is printed once.
void Runner::look_at_host(Queued& entry, std::size_t before) {
  const bool refuses = reporter_.severity(Severity::warning) == Severity::error;
  bool refused = false;
  for (const pfkey::Message& m : std::span(queue_.messages).subspan(before)) {
    auto o = runs_the_wrong_way(m, host_);
    if (!o && (o = is_elsewhere(m, host_)) && !refuses) host_.forwards = nullptr;
    if (!o) continue;
    entry.said += reporter_.fault(parser_.place(std::move(*o)), text_of_(entry.line), entry.line);
    refused = refuses;
  }
  if (refused) drop(entry, before);
}

void Runner::drop(Queued& entry, std::size_t before) {
  entry.bad = true;
  queue_.messages.erase(queue_.messages.begin() + static_cast<std::ptrdiff_t>(before), queue_.messages.end());
}

void Runner::Batch::clear() {
  queued.clear(), messages.clear(), targets.clear(), answered.clear();
  told = 0, called = false;
}

void Runner::say_up_to(std::size_t queued) {
  std::string all;  // One write for all that wait: a file may have a warning in each line.
  for (; sent_.told < queued; ++sent_.told) all += sent_.queued[sent_.told].said;
  if (!all.empty()) session_.console().err(all);
}

bool Runner::flush() {
  if (settle() && advance()) settle();
  return may_go_on();
}

bool Runner::advance() {
  if (queue_.queued.empty()) return may_go_on();
  if (!settle()) return false;
  std::swap(queue_, sent_);
  if (!sent_.messages.empty()) send();
  return may_go_on();
}

// Awaits the replies of what was sent, and reports what is left to report.
bool Runner::settle() {
  if (sent_.queued.empty()) return may_go_on();
  if (sent_.called)
    if (const auto finished = session_.sadb()->finish(); !finished) lost(finished.error());
  say_up_to(sent_.queued.size());
  for (const Queued& q : sent_.queued)
    if (q.bad) count_failure(Status::failed);
  settled_ = sent_.queued.back().line;
  sent_.clear();
  if (may_go_on()) return true;
  commands_ -= queue_.queued.size();  // They are not run.
  queue_.clear();
  return false;
}

void Runner::send() {
  backend::Backend* const sadb = session_.sadb();
  if (!sadb) {
    for (Queued& q : sent_.queued) q.bad = true;
    status_ = worse(status_, session_.no_sadb());
    ended_early_ = true;
    settle();
    return;
  }
  sent_.answered.assign(sent_.messages.size(), false);
  for (pfkey::Message& m : sent_.messages) session_.prepare(m);
  const auto called = sadb->start(sent_.messages, on_reply_);
  sent_.called = called.has_value();
  if (called) return;
  lost(called.error());
  settle();
}

void Runner::handle_reply(std::size_t index, pfkey::Message&& reply) {
  sent_.answered[index] = true;
  const Target& target = sent_.targets[index];
  Queued& q = sent_.queued[target.queued];
  api::Outcome outcome = api::outcome_of(reply, target.asked);
  const bool silent = outcome.ok && outcome.text.empty() && reply.type != pfkey::Type::get && q.messages == 1;
  if (!silent) say_up_to(target.queued + 1);
  if (!outcome.ok) {
    q.bad = true;
    if (outcome.ends_swapped && !reporter_.is_json(q.line))
      if (const auto mended = lang::with_ends_swapped(text_of_(q.line))) outcome.text += ": " + *mended;
    const auto fault = lang::place(text_of_(q.line), {Severity::error, outcome.about, std::move(outcome.text)});
    session_.console().err(reporter_.fault(fault, text_of_(q.line), q.line));
    return;
  }
  if (!outcome.text.empty()) {
    const auto remark = lang::place(text_of_(q.line), {Severity::warning, outcome.about, std::move(outcome.text)});
    session_.console().err(reporter_.fault(remark, text_of_(q.line), q.line));
  }
  if (session_.is_check()) return;
  if (reply.type == pfkey::Type::get) {
    show_sa(session_, reply);
  } else if (q.messages > 1 && !session_.settings().json) {
    // Each address of a name is reported.
    session_.console().out(api::done_text(reply.type, target.asked) + '\n');
  }
}

// The SADB closed the connection: answered commands are done; whether the others were done is unknown.
void Runner::lost(const Error& error) {
  std::size_t unanswered = 0;
  for (std::size_t i = sent_.answered.size(); i-- > 0;)
    if (!sent_.answered[i]) sent_.queued[sent_.targets[i].queued].bad = true, ++unanswered;
  const auto first = std::ranges::find(sent_.answered, false) - sent_.answered.begin();
  if (unanswered > 0 && reporter_.is_file()) {
    say_up_to(sent_.targets[static_cast<std::size_t>(first)].queued);
    const Queued& q = sent_.queued[sent_.targets[static_cast<std::size_t>(first)].queued];
    session_.console().err(reporter_.fault(
        Severity::error, q.line.number,
        fmt::format(
            "no answer to this command{}; the rest was not run",
            unanswered > 1 ? fmt::format(" and {} after it, which may have been carried out", unanswered - 1) : "")));
  }
  session_.console().complain(error.text);
  status_ = worse(status_, status_of(error.code));
  ended_early_ = true;
  session_.lose_sadb();
}

bool Runner::carry_out(Handler handler, const lang::Command& command) {
  if (const Status status = handler(*this, command); status != Status::ok) count_failure(status);
  return may_go_on();
}

}  // namespace ipseckey::cli
