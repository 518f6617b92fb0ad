#pragma once
/// Runs the commands of one source, one after another: parse, send in batches, report each outcome at its line. A batch
/// is parsed while the SADB works on the one before.
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/outcome.h"
#include "cli/files.h"
#include "cli/key_reuse.h"
#include "cli/reporter.h"
#include "cli/session.h"
#include "cli/status.h"
#include "lang/parse.h"
#include "lang/source.h"

namespace ipseckey::cli {

class Runner;

/// Carries out a command that is more than messages and their replies. Errors have been printed when it returns.
using Handler = Status (*)(Runner& runner, const lang::Command& command);
/// The command is messages and their replies: the runner sends them, in batches.
inline constexpr Handler kMessages = nullptr;

struct VerbHandler {
  lang::Verb verb;
  Handler handler;
};
/// One for each verb, in its order: cli/verbs/table.h. The runner is given them and knows none.
using Handlers = std::span<const VerbHandler, lang::kVerbs>;

class Runner {
 public:
  /// The text of a line that has not been flushed yet.
  using TextOf = std::function<std::string_view(const lang::Line&)>;

  /// `name`: the file's, for messages; empty at the prompt and for the shell. `batch`: how many commands wait for one
  /// another's replies; more than one: the next ones are parsed meanwhile.
  Runner(Session& session, Handlers handlers, std::string name, lang::Where where, std::size_t batch, TextOf text_of);

  // For handlers.
  Session& session() { return session_; }
  Handlers handlers() const { return handlers_; }
  /// Nothing that comes after this command is run.
  void quit() { quit_ = true; }
  /// The keys that follow in this source (at the prompt: in this session) have never been used.
  void keys_are_fresh();

  /// A hint: how many bytes of commands to expect.
  void expect(std::uint64_t bytes);
  /// Runs or queues the command of a line. False: nothing more must be run (quit, --stop-on-error, a lost SADB).
  bool feed(const lang::Line& line);
  /// Sends the queued messages and reports the replies. False as above.
  bool flush();
  /// Sends the queued messages once those before them have their replies, which it reports. False as above.
  bool advance();
  /// The last command whose outcome is reported, of those that were queued: its text is not used again.
  const std::optional<lang::Line>& settled() const { return settled_; }

  /// The rest of the source is not run; what is queued is.
  void stop();
  /// A command that could not even be read. False as above.
  bool unreadable(std::uint32_t line, std::string message);
  bool unreadable(std::span<const lang::SourceFault> faults);
  /// A warning about what is not run: where warnings are errors, a command that fails. False as above.
  bool left_out(std::uint32_t line, std::string message);
  bool left_out(std::span<const lang::SourceFault> faults);
  /// Said once, before the first command that has a key in it.
  void set_reservations(std::vector<std::string> reservations) { reservations_ = std::move(reservations); }

  std::size_t commands() const { return commands_; }
  std::size_t failed() const { return failed_; }
  Status status() const { return status_; }
  bool has_quit() const { return quit_; }
  bool ended_early() const { return ended_early_; }
  Reporter& reporter() { return reporter_; }

 private:
  struct Queued {
    lang::Line line;
    std::size_t messages = 0;
    bool bad = false;
    std::string said = {};  // Warnings and objections, to be shown in the order of the lines.
  };
  struct Target {
    std::size_t queued;  // Whose message it is.
    api::Asked asked;
  };
  struct Batch {
    std::vector<Queued> queued;
    std::vector<pfkey::Message> messages;
    std::vector<Target> targets;  // One for each message.
    std::vector<bool> answered;
    std::size_t told = 0;  // How many of queued have had their messages printed.
    bool called = false;   // Its replies come with the SADB's finish() at the latest.

    void clear();
  };

  bool refuse(const lang::Line& line, std::string_view said);
  void say_reservations(const lang::Command& command);
  void look_at_host(Queued& entry, std::size_t before);
  void queue(lang::Command&& command, const lang::Line& line, std::string said,
             const std::optional<KeyReuse::Given>& given);
  void drop(Queued& entry, std::size_t before);
  std::string not_used(const lang::Line& line) const;
  bool carry_out(Handler handler, const lang::Command& command);
  bool settle();
  void send();
  void handle_reply(std::size_t index, pfkey::Message&& reply);
  void lost(const Error& error);
  void say_up_to(std::size_t queued);
  bool refuse_unread(std::string_view said);
  bool may_leave_out(std::string_view said);
  void warning(std::uint32_t line, std::string message);
  void count_failure(Status status);
  bool may_go_on() const { return !ended_early_ && !quit_; }

  Session& session_;
  Handlers handlers_;
  Reporter reporter_;
  lang::Where where_;
  std::size_t batch_;
  TextOf text_of_;
  lang::Names names_;
  HostFacts host_;
  lang::Parser parser_;
  KeyReuse key_reuse_;
  Batch queue_, sent_;  // What is collected, and what the SADB works on.
  backend::Backend::Reply on_reply_ = [this](std::size_t i, pfkey::Message&& m) { handle_reply(i, std::move(m)); };
  std::optional<lang::Line> settled_;
  std::vector<std::string> reservations_;
  std::size_t commands_ = 0, failed_ = 0;
  Status status_ = Status::ok;
  bool ended_early_ = false;
  bool quit_ = false;
};

/// When the counts of a file are printed. For piped input (Where::prompt) it is always only after a failure.
enum class Counts : bool { always, after_failure };

/// Runs or checks (Session::is_check) a whole file and says how many commands were good.
Status run_file(Session& session, Handlers handlers, InputFile& file, lang::Where where,
                Counts counts = Counts::always);

/// One command of the shell or the prompt. `quit`: whether it was the one that ends the session.
Status run_text(Session& session, Handlers handlers, std::string_view text, lang::Where where, bool* quit = nullptr);

}  // namespace ipseckey::cli
