#include "cli/session.h"

#include <fmt/format.h>

#include <cerrno>

#include "cli/algorithms.h"
#include "pfkey/names.h"
#include "system/held_signals.h"

namespace ipseckey::cli {

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

void Session::use_scratch_sadb(api::Scratch kind) {
  check_ = true;
  sadb_ = world_.open_scratch(std::move(kind));
}

Session Session::twin() {
  if (!sadb_)  // If there is none, that is reported when one is needed.
    if (auto opened = world_.open(settings_.sadb)) sadb_ = std::move(*opened);
  Session twin(settings_, world_);
  twin.settings_.verbose = twin.settings_.stop_on_error = false;
  api::Scratch kind{.whole = true, .rules = sadb_ ? sadb_->rules() : backend::Rules::engine};
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

// Sends a DUMP and passes on each SA. An error of `each` ends the walk, and so does a signal: then the connection is
// given up, or the SADB tells the rest to nobody. One message says what was wrong, and what follows from it.
Status Session::walk(pfkey::SaType type, std::string_view consequence,
                     absl::FunctionRef<Result<void>(pfkey::Message&&)> each, absl::FunctionRef<Result<void>()> finish,
                     std::size_t& count) {
  const HeldSignals held;
  backend::Backend* const backend = sadb();
  if (!backend) return no_sadb_;
  pfkey::Message request;
  request.type = pfkey::Type::dump;
  request.satype = type;
  prepare(request);
  Result<void> accepted;
  constexpr std::size_t kLookEvery = 64;
  constexpr std::size_t kMost = std::size_t{1} << 24;  // No SADB has more; a list that never ends fills memory or disk.
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
  if (auto finished = finish(); accepted && !finished) accepted = std::move(finished);
  if (accepted) return Status::ok;
  if (!console().out_failed())  // That is reported once, at the end.
    console().complain(fmt::format("{}; {}", accepted.error().text, consequence));
  return status_for(accepted.error().code);
}

Status Session::walk_text(pfkey::SaType type, std::string_view consequence, std::string_view begin,
                          absl::FunctionRef<void(pfkey::Message&&, SecretText&)> append,
                          absl::FunctionRef<Result<void>(std::string_view)> write, std::size_t& count) {
  SecretText text;
  text.reserve(kTextOfMany + kTextOfOne);
  text += begin;
  Result<void> written;
  const auto write_out = [&]() -> Result<void> {
    if (written && !text.empty()) written = write(text);
    text.clear();
    return written;
  };
  const auto each = [&](pfkey::Message&& m) {
    append(std::move(m), text);
    return text.size() < kTextOfMany ? written : write_out();
  };
  return walk(type, consequence, each, write_out, count);
}

}  // namespace ipseckey::cli
