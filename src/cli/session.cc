#include "cli/session.h"

#include <fmt/format.h>

#include <cerrno>

#include "cli/algorithms.h"
#include "cli/doctor.h"
#include "cli/files.h"
#include "cli/runner.h"
#include "lang/help.h"
#include "lang/save.h"
#include "pfkey/json.h"
#include "pfkey/names.h"
#include "system/held_signals.h"

namespace cli {
namespace {

constexpr std::size_t kTextOfOne = 4096;  // Bytes; most SAs fit, so nothing moves.
constexpr std::string_view kIncomplete = "the list is not complete";

}  // namespace

Session::Session(Settings settings, World world) : settings_(std::move(settings)), world_(std::move(world)) {}

lang::Names Session::names_beside(const std::string& file) const {
  lang::Names names = world_.names;
  names.key_text = [folder = KeyFolder{file, world_.credentials, care()}](const std::string& reference) {
    return read_key_file(reference, folder);
  };
  return names;
}

backend::Backend* Session::sadb() {
  if (sadb_) return sadb_.get();
  auto opened = world_.open(settings_.sadb);
  if (!opened) {
    console().complain(opened.error().text);
    no_sadb_ =
        opened.error().code == Errc::syntax ? Status::usage : worse(Status::no_sadb, status_for(opened.error().code));
    return nullptr;
  }
  sadb_ = std::move(*opened);
  return sadb_.get();
}

HostFacts Session::host() const {
  const std::string& where = settings_.sadb;
  const bool here = where == "kernel" || where == "ipsecd" || (where == "auto" && !check_);
  HostFacts facts = world_.host ? world_.host() : HostFacts();
  if (!here) facts.forwards = nullptr;
  return facts;
}

void Session::use_scratch_sadb(Scratch kind) {
  check_ = true;
  sadb_ = world_.open_scratch(std::move(kind));
}

Session Session::twin() {
  if (!sadb_)  // If there is none, that is said when it is needed.
    if (auto opened = world_.open(settings_.sadb)) sadb_ = std::move(*opened);
  Session twin(settings_, world_);
  twin.settings_.verbose = twin.settings_.stop_on_error = false;
  Scratch kind{.whole = true, .rules = sadb_ ? sadb_->rules() : backend::Rules::engine};
  if (sadb_ && kind.rules == backend::Rules::engine) kind.usable = usable_in(*sadb_, world_.pid);
  twin.use_scratch_sadb(std::move(kind));
  return twin;
}

Status Session::status_for(Errc code) const {
  return settings_.service && code == Errc::denied ? Status::no_privilege : status_of(code);
}

void Session::prepare(pfkey::Message& message) {
  if (++seq_ == 0) ++seq_;  // A DUMP's end has seq 0.
  message.seq = seq_;
  message.pid = world_.pid;
  if (!settings_.verbose || check_) return;
  SecretText text;
  text.reserve(kTextOfOne);
  text = fmt::format("Sending to {}:\n", shown_sadb());
  pfkey::print_message(message, print_options(), text);
  console().out(text);
}

pfkey::PrintOptions Session::print_options() const {
  pfkey::PrintOptions options;
  options.paranoid = settings_.paranoid;
  options.verbose = settings_.verbose;
  options.numeric = settings_.numeric;
  if (!settings_.numeric) {
    options.host_name = world_.host_name;
    options.protocol_name = world_.protocol_name;
  }
  options.now = world_.clock();
  return options;
}

// Sends a DUMP and hands out each SA. What `each` refuses ends the walk, and so does a signal: then the connection is
// given up, or the SADB tells the rest to nobody. One message says what was wrong, and what follows from it.
Status Session::walk(pfkey::SaType type, std::string_view consequence,
                     absl::FunctionRef<Result<void>(pfkey::Message&&)> each, std::size_t& count) {
  const HeldSignals held;
  backend::Backend* const backend = sadb();
  if (!backend) return no_sadb_;
  pfkey::Message request;
  request.type = pfkey::Type::dump;
  request.satype = type;
  prepare(request);
  Result<void> accepted;
  constexpr std::size_t kLookEvery = 64;
  constexpr std::size_t kMost = std::size_t{1} << 24;  // No SADB has so many; one that never ends fills memory or disk.
  const auto answered = backend->call({&request, 1}, [&](std::size_t, pfkey::Message&& m) {
    if (m.error != 0) {
      const bool denied = settings_.service && (m.error == EPERM || m.error == EACCES);
      accepted = fail(denied ? Errc::denied : Errc::invalid,
                      fmt::format("the SADB refuses to list its SAs: {}", pfkey::refusal_text(m)));
    } else if (m.sa && accepted) {
      const bool stop = ++count % kLookEvery == 0 && held.one_came();
      accepted = stop            ? fail(Errc::io, "interrupted")
                 : count > kMost ? fail(Errc::malformed, fmt::format("the SADB lists more than {} SAs", kMost))
                                 : each(std::move(m));
    }
  });
  if (!answered) {
    accepted = std::unexpected(answered.error());
    if (held.one_came()) accepted.error().text = "interrupted";
    lose_sadb();
  }
  if (accepted) return Status::ok;
  if (!console().out_failed())  // That is told once, at the end.
    console().complain(fmt::format("{}; {}", accepted.error().text, consequence));
  return status_for(accepted.error().code);
}

void Session::show(const pfkey::Message& sa) {
  SecretText text;
  text.reserve(kTextOfOne);
  if (settings_.json) {
    pfkey::json_sa(sa, {.sadb = sadb_name(), .paranoid = settings_.paranoid, .now = world_.clock()}, text);
  } else {
    pfkey::PrintOptions options = print_options();
    options.idles = sadb_ && sadb_->idles();
    pfkey::print_sa(sa, options, text);
  }
  console().out(text);
}

Status Session::dump(pfkey::SaType type) {
  std::size_t count = 0;
  const Status status = walk(
      type, kIncomplete,
      [&](pfkey::Message&& m) -> Result<void> {
        show(m);
        if (!settings_.json) console().out("\n");
        if (console().out_failed()) return fail(Errc::io, console().out_error());
        return {};
      },
      count);
  if (status != Status::ok || settings_.json) return status;
  const std::string kind = type == pfkey::SaType::unspec ? "" : fmt::format("{} ", lang::satype_word(type));
  console().out(count == 0 ? fmt::format("There are no {}SAs in {}.\n", kind, shown_sadb())
                           : fmt::format("{} {}SA{} in {}.\n", count, kind, count == 1 ? "" : "s", shown_sadb()));
  return Status::ok;
}

Status Session::save(pfkey::SaType type, const std::string& path) {
  if (!sadb()) return no_sadb_;
  if (path.empty() || path == "-")
    return save_to(type, kIncomplete, [&](std::string_view text) -> Result<void> {
      console().out(text);
      if (console().out_failed()) return fail(Errc::io, console().out_error());
      return {};
    });
  const HeldSignals held;  // They end the process when nothing is left to clean up.
  auto file = OutputFile::create(path);
  if (!file) {
    console().complain(file.error().text);
    return Status::file;
  }
  bool whole = false;
  const Status status = save_to(
      type, fmt::format("{} was not written", pfkey::escaped(path)),
      [&](std::string_view text) { return file->write(text); }, &whole);
  if (!whole) return status;
  const auto done = file->commit();
  if (done) return status;
  console().complain(done.error().text);
  return Status::file;
}

Status Session::save_to(pfkey::SaType type, std::string_view consequence,
                        absl::FunctionRef<Result<void>(std::string_view)> write, bool* whole) {
  lang::Saver saver(settings_.paranoid);
  SecretText text;
  text.reserve(kTextOfOne);
  text = saver.header();
  auto written = write(text);
  std::size_t count = 0;
  const Status status = walk(
      type, consequence,
      [&](pfkey::Message&& m) {
        if (!written) return written;
        text.clear();
        saver.write(std::move(m), text);
        return written = write(text);
      },
      count);
  const bool nothing = saver.left_out() > 0 && saver.left_out() == count;
  if (whole) *whole = status == Status::ok && !nothing;
  if (status != Status::ok || saver.left_out() == 0) return status;
  console().complain(nothing ? fmt::format("{}: nothing saved", saver.reason())
                             : fmt::format("{} of {} SAs are not saved; a comment in the place of each says why",
                                           saver.left_out(), count));
  return Status::failed;
}

Status Session::load(const std::string& path, lang::Where where, Pipes pipes) {
  auto file = InputFile::open(path, care(), pipes);
  if (!file) {
    console().complain(file.error().text);
    return settings_.service && file.error().code != Errc::denied ? Status::bad_file
           : settings_.service                                    ? Status::no_privilege
                                                                  : Status::file;
  }
  // A file is for a SADB; whether one answers is better known before its first line.
  if (where == lang::Where::file && !sadb()) return no_sadb_;
  return run_file(*this, *file, where);
}

// Without keys: a listener hears other people's.
void Session::show_heard(const pfkey::Message& m) {
  SecretText text;
  if (settings_.json) {
    pfkey::json_message(m, {.sadb = sadb_name(), .keys = false, .now = world_.clock()}, text);
  } else {
    pfkey::PrintOptions options = print_options();
    options.timestamp = true;
    options.keys = false;
    pfkey::print_message(m, options, text);
    text += '\n';
  }
  console().out(text);
}

Status Session::monitor(bool promiscuous) {
  backend::Backend* const backend = sadb();
  if (!backend) return no_sadb_;
  const HeldSignals held(HeldSignals::Ignored::count_too);
  console().err(fmt::format("{} monitoring of {}; interrupt (Ctrl-C) to end.\n", promiscuous ? "Active" : "Passive",
                            shown_sadb()));
  const auto heard = backend->listen(promiscuous, HeldSignals::fd(), [&](pfkey::Message&& m) {
    show_heard(m);
    return !console().out_failed();
  });
  held.forget();
  if (heard) return Status::ok;
  console().complain(heard.error().text);
  lose_sadb();
  return status_of(heard.error().code);
}

Status Session::doctor() {
  const auto picked = world_.open("auto");
  Diagnosis d{world_.view_kernel(), picked ? (*picked)->name() : "", ""};
  d.why = !picked                ? picked.error().text
          : d.picked == "kernel" ? "no ipsecd answers on its default socket, and this kernel has ESP or AH"
                                 : "it answers on its default socket";
  console().out(settings_.json ? doctor_json(d) : doctor_screen(d));
  return d.usable() ? Status::ok : Status::no_sadb;
}

Status Session::genkey(const lang::Command& command) {
  const auto out = [&](std::string_view line) { console().out(line); };
  const auto made = command.algorithm
                        ? generate_key(*command.algorithm, command.bits, settings_.paranoid, world_.random, out)
                        : generate_words(settings_.paranoid, world_.random, out);
  if (made) return Status::ok;
  console().complain(made.error().text);
  return Status::failed;
}

Status Session::help(const std::string& topic) {
  const std::string text = topic.empty() ? lang::help_overview() : lang::help_topic(topic);
  if (!text.empty()) {
    console().out(text);
    return Status::ok;
  }
  console().complain("there is no help on that; `help` lists the commands, `help attr` the extensions");
  return Status::failed;
}

}  // namespace cli
