// ipsecd: the SADB as a daemon.
// 1. main() reads the options; carry_out() hardens the process: no dumps, no debugger, a heap for keys.
// 2. serve() takes over what the service manager holds, opens the socket and, with --tun, the device and the sockets
//    for packets.
// 3. The previous process's SAs are restored from the Vault.
// 4. It drops its privileges, then its access to files, then the system calls that serving does not need.
// 5. The Daemon runs until a signal ends it; `status` asks another ipsecd and prints its answer.
#include <fmt/format.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/harmless.h"
#include "crypto/crypto.h"
#include "ipsecd/confine.h"
#include "ipsecd/daemon.h"
#include "ipsecd/exit.h"
#include "ipsecd/inherited.h"
#include "ipsecd/options.h"
#include "ipsecd/packets/nf_tables.h"
#include "ipsecd/packets/queue.h"
#include "ipsecd/privileges.h"
#include "ipsecd/reserve.h"
#include "system/errno_text.h"
#include "system/hidden_memory.h"
#include "system/socket_path.h"
#include "system/standard_descriptors.h"
#include "system/status_client.h"

using namespace ipseckey;

namespace {

// Writes the line in one piece, and harmless for a terminal: a path may contain anything. A journal that is gone or
// does not read is not a reason to exit or to wait.
void log(std::string_view line) {
  const std::string said = text::harmless(fmt::format("ipsecd: {}\n", line));
  pollfd out{STDERR_FILENO, POLLOUT, 0};
  if (poll(&out, 1, 0) == 1) [[maybe_unused]]
    const auto done = write(STDERR_FILENO, said.data(), said.size());
}

// The reader may be gone, a file may have reached its limit, the terminal may be another session's: then output is
// lost, but the SAs are not.
void outlive_lost_output() {
  for (const int signal_number : {SIGPIPE, SIGXFSZ, SIGTTOU}) signal(signal_number, SIG_IGN);
}

// They stay pending until the event loop reads them.
void hold_ending_signals() {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
}

// Writes to standard output. Errors: io.
Result<void> say(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return {};
  return fail(Errc::io, fmt::format("cannot write standard output: {}", errno_text(errno)));
}

// This process's memory contains keys: no debugger of another user, no core dump, no files that others can read.
void harden() {
  hide_memory();
  umask(077);
}

// The reserve is used up, too. A change that was cut off may have left the SADB inconsistent: the service manager
// starts a new ipsecd, which with --keep restores the SAs as of the last answered requests.
[[noreturn]] void out_of_memory() {
  constexpr std::string_view kSaid = "ipsecd: out of memory\n";
  [[maybe_unused]] const auto said = write(STDERR_FILENO, kSaid.data(), kSaid.size());
  _exit(ipsecd::kFailed);
}

void raise(decltype(RLIMIT_NOFILE) what) {
  rlimit limit{};
  if (getrlimit(what, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(what, &limit);
}

// Each client needs a descriptor, and the usual soft limit is about the number of clients; keys are locked in memory,
// of which root may lock any amount, even if it becomes another user later.
void raise_limits() {
  raise(RLIMIT_NOFILE);
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &all) != 0) raise(RLIMIT_MEMLOCK);
}

Result<ipsecd::Listener> listener_for(const ipsecd::Options& options, std::vector<Descriptor> sockets) {
  auto handed = ipsecd::Listener::handed_over(std::move(sockets));
  if (!handed || *handed) return handed;
  if (options.socket) return ipsecd::Listener::at(*options.socket);
  return ipsecd::Listener::at_default(default_socket_path());
}

Result<std::optional<gid_t>> group_of(const std::optional<std::string>& name) {
  if (!name) return std::nullopt;
  return ipsecd::group_id(*name);
}

Result<ipsecd::Policy> policy_of(const ipsecd::Options& options) {
  const auto group = group_of(options.group);
  if (!group) return std::unexpected(group.error());
  const auto read_group = group_of(options.read_group);
  if (!read_group) return std::unexpected(read_group.error());
  return ipsecd::Policy{.group = *group, .read_group = *read_group, .strangers = ipsecd::strangers()};
}

// The vault that an earlier ipsecd left with the service manager, otherwise an empty one, which it holds from now on.
// nullptr: nothing is kept.
Result<std::unique_ptr<ipsecd::Vault>> vault_for(const ipsecd::Options& options, ipsecd::Vault::Parts kept) {
  if (!options.keep) return nullptr;
  if (!std::getenv("NOTIFY_SOCKET")) {
    log("--keep has no effect: ipsecd was not started by a service manager");
    return nullptr;
  }
  if (std::ranges::any_of(kept, [](const Descriptor& part) { return static_cast<bool>(part); })) {
    auto vault = ipsecd::Vault::take_over(std::move(kept), log);
    if (vault) return vault;
    log(fmt::format("{}: starting without SAs", vault.error().text));
  }
  auto vault = ipsecd::Vault::make(log);
  if (vault) ipsecd::lay_up(**vault);
  return vault;
}

void restore(ipsecd::Daemon& daemon) {
  const auto [sas, lost] = daemon.restore();
  if (sas > 0) log(fmt::format("restored {} SA{} from before the restart", sas, sas == 1 ? "" : "s"));
  if (lost > 0)
    log(fmt::format("{} SA{} could not be read and {} lost", lost, lost == 1 ? "" : "s", lost == 1 ? "is" : "are"));
}

// The device that the previous ipsecd left, otherwise a new one; the service manager holds it from now on if `keep`.
Result<ipsecd::Tun> tun_for(const ipsecd::DataplaneOptions& options, std::vector<Descriptor> held, bool keep) {
  if (!held.empty()) {
    auto tun =
        ipsecd::Tun::take_over(options.device, std::move(held), options.workers, options.inner_mtu(), options.offload);
    if (tun) return tun;
    log(fmt::format("{}: creating a new one", tun.error().text));
    ipsecd::give_up_queues();
  }
  auto tun = ipsecd::Tun::make(options.device, options.workers, options.inner_mtu(), options.offload);
  if (tun && keep) ipsecd::lay_up(*tun);
  return tun;
}

traffic::IcmpErrors icmp_errors(const ipsecd::Options& options) {
  using traffic::IcmpErrors;
  const std::string said = options.icmp.value_or("quoted");
  return said == "own" ? IcmpErrors::own : said == "both" ? IcmpErrors::both : IcmpErrors::quoted;
}

ipsecd::RawWay raw_way(const ipsecd::Options& options) {
  using ipsecd::RawWay;
  const std::string said = options.raw_way.value_or("auto");
  return said == "packet" ? RawWay::packet : said == "socket" ? RawWay::socket : RawWay::automatic;
}

std::uint16_t first_queue(const ipsecd::Options& options) {
  constexpr unsigned kUsual = 50;  // ESP's number.
  return static_cast<std::uint16_t>(options.queue.value_or(kUsual));
}

// nullptr: none was requested.
Result<std::unique_ptr<ipsecd::Dataplane>> dataplane_for(const ipsecd::Options& options, ipsecd::Vault* vault,
                                                         std::vector<Descriptor> held) {
  traffic::SaNumbersSource numbers;
  if (vault) numbers = [vault](const engine::SaId& id) { return vault->numbers_of(id); };
  if (!options.tun && !std::exchange(held, {}).empty()) ipsecd::give_up_queues();
  if (!options.tun && !options.hook) return nullptr;
  const ipsecd::DataplaneOptions wanted{
      .device = options.tun.value_or(""),
      .hook = options.hook ? std::optional(first_queue(options)) : std::nullopt,
      .workers = options.workers.value_or(1),
      .mtu = options.mtu.value_or(1500),
      .mark = options.mark.value_or(0),
      .nat_follow = options.nat_follow,
      .beside_ike = options.beside_ike,
      .offload = !options.no_offload,
      .path_reports = !options.no_path_reports,
      .numbers = std::move(numbers),
      .same_source = options.source == "same",
      .unruled = options.got_secure == "drop" ? traffic::Unruled::drop : traffic::Unruled::accept,
      .icmp_in_clear = options.icmp_clear != "drop",
      .raw_way = raw_way(options),
      .mss_clamp = options.mss_clamp,
      .icmp_errors = icmp_errors(options)};
  if (!options.tun) return ipsecd::Dataplane::make(wanted, std::nullopt, log);
  auto tun = tun_for(wanted, std::move(held), vault != nullptr);
  if (!tun) return std::unexpected(std::move(tun.error()));
  return ipsecd::Dataplane::make(wanted, std::move(*tun), log);
}

// Call before threads start. Returns whether files may be removed afterwards: the sockets' files, if Landlock prevents
// the removal of others. Without it they remain if root serves, and the next ipsecd replaces them.
bool shut_off_files(const std::string& status_path) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const std::string folder = std::filesystem::path(status_path).parent_path();
  const std::array folders = {folder.empty() ? std::string(".") : folder};
  const auto done = ipsecd::wall_in(folders);
  if (!done && done.error().code != Errc::unsupported) log(done.error().text);
  return done || geteuid() != 0;
}

Result<void> serve(const ipsecd::Options& options) {
  outlive_lost_output();
  hold_ending_signals();
  auto handed = ipsecd::inherited();
  auto policy = policy_of(options);
  if (!policy) return std::unexpected(policy.error());
  auto listener = listener_for(options, std::move(handed.sockets));
  if (!listener) return std::unexpected(listener.error());
  if (auto r = listener->let_in(*policy); !r) return r;
  if (!policy->group) policy->group = listener->group_of_file();
  const auto vault = vault_for(options, std::move(handed.kept));
  if (!vault) return std::unexpected(vault.error());
  const auto dataplane = dataplane_for(options, vault->get(), std::move(handed.queues));
  if (!dataplane) return std::unexpected(dataplane.error());
  const auto daemon = ipsecd::Daemon::make(*listener, log,
                                           {.dataplane = dataplane->get(),
                                            .policy = *policy,
                                            .clients = options.clients.value_or(1024),
                                            .clients_of_a_user = options.user_clients.value_or(64),
                                            .most_sas = options.sas,
                                            .vault = vault->get(),
                                            .memory = ipsecd::reserve::ready,
                                            .rules_need_packets = true});
  if (!daemon) return std::unexpected(daemon.error());
  if (auto r = (*daemon)->tell_status_at(status_path(listener->path())); !r) log(r.error().text);
  if (auto r = (*daemon)->stop_on_signals(); !r) return r;
  if (auto r = (*daemon)->watch_over(); !r) log(r.error().text);
  restore(**daemon);
  if (options.user) {
    if (auto r = ipsecd::become(*options.user); !r) return r;
    harden();  // A change of user makes a process dumpable again.
  } else {
    ipsecd::keep_two_capabilities();
  }
  const bool may_remove = shut_off_files(status_path(listener->path()));
  if (*dataplane) (*dataplane)->start();
  if (auto r = ipsecd::confine(may_remove); !r) log(r.error().text);
  std::string what = listener->path();
  if (options.tun || options.hook)
    what += fmt::format(", packets through {}{}", options.tun.value_or(""),
                        !options.hook ? ""
                        : options.tun ? " and netfilter"
                                      : "netfilter");
  log(fmt::format("serving {}", what));
  sd_notify(0, fmt::format("READY=1\nSTATUS=serving {}", what).c_str());
  auto ended = (*daemon)->run();
  sd_notify(0, "STOPPING=1");
  return ended;
}

Result<void> print_status(const ipsecd::Options& options) {
  const std::string path = status_path(options.socket.value_or(default_socket_path()));
  const auto reply = ask_status(path, options.json ? "json" : "text");
  if (!reply) return std::unexpected(reply.error());
  return say(*reply);
}

// The former ipsecd may have had any number of threads; the name of its tables does not depend on it, nor that it read
// the first queue. If one still does, its rules are in force.
Result<void> unhook(const ipsecd::Options& options) {
  const std::uint16_t first = first_queue(options);
  auto tables = ipsecd::NfTables::make({.first = first});
  if (!tables) return std::unexpected(std::move(tables.error()));
  const auto queue = ipsecd::Queue::make(first, {});
  if (!queue && queue.error().code == Errc::exists)
    return fail(Errc::exists, fmt::format("a program reads netfilter's queue {}: an ipsecd runs, and its rules stay in "
                                          "force; unload them (ipsecconf unload), or end it first",
                                          first));
  if (!queue) return std::unexpected(queue.error());
  return tables->replace({});
}

Result<void> carry_out(const ipsecd::Options& options) {
  using Do = ipsecd::Options::Do;
  switch (options.what) {
    case Do::help:
      return say(ipsecd::help_text());
    case Do::version:
      return say("ipsecd " IPSECKEY_VERSION "\n");
    case Do::serve:
    case Do::status:
    case Do::unhook:
      break;
  }
  harden();
  raise_limits();
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());  // Daemon gives memory back, in small portions.
  if (!crypto::use_secret_heap()) return fail(Errc::unsupported, "the cryptographic library is in use already");
  if (options.what == Do::unhook) return unhook(options);
  return options.what == Do::status ? print_status(options) : serve(options);
}

}  // namespace

int main(int argc, char** argv) {
  if (!hold_standard_descriptors()) return ipsecd::kFailed;
  ipsecd::reserve::hold(out_of_memory);
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  const auto options = ipsecd::parse_options(words);
  if (!options) {
    log(options.error().text);
    return ipsecd::kUsage;
  }
  if (const auto done = carry_out(*options); !done) {
    log(done.error().text);
    return ipsecd::kFailed;
  }
  return ipsecd::kEnded;
}
