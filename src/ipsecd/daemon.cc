// The event loop of ipsecd, one thread:
// 1. accept_waiting() accepts clients, refusal_of() decides, and admit() gives a client its Connection.
// 2. serve() flushes replies and reads requests into the Server, a few at a time, so that no client waits long
//    (daemon_clients.cc).
// 3. Packet threads call when something is due: the Server attends to limits, and acquires SAs that packets wait for.
// 4. Each turn ends with settle(): which events each affected client waits for, and the timer for the next deadline.
//    Long work (a FLUSH, many SAs that expire) is done in portions, one each turn of the loop.
#include "ipsecd/daemon.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <csignal>
#include <utility>
#include <vector>

#include "base/registers.h"
#include "base/secret_pages.h"
#include "crypto/crypto.h"
#include "ipsecd/engine_options.h"
#include "pfkey/notices.h"
#include "system/clock.h"
#include "system/errno_text.h"

namespace ipseckey::ipsecd {
namespace {

constexpr int kAcceptsAtOnce = 16;
constexpr std::uint64_t kAcceptPause = 1'000'000;  // Microseconds.
constexpr std::uint64_t kTimerAccuracy = 1'000;    // Microseconds.

// Room for the largest reply; without the privilege the system's limit applies.
void enlarge_send_buffer(int fd) {
  const int size = static_cast<int>(2 * pfkey::kMaxMessageSize);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

// The connection is closed right afterwards, so it does not matter if a reply finds no room.
void refuse(const Descriptor& fd, std::uint8_t error) {
  std::array<std::byte, pfkey::kHeaderSize> wire{};
  if (pfkey::encode(pfkey::refusal_notice(error), wire))
    ::send(fd.get(), wire.data(), wire.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

Daemon::Daemon(const Listener& listener, Log log, const Options& options)
    : listener_(listener),
      log_(std::move(log)),
      rationed_(log_),
      options_(options),
      server_(
          engine_options(local_, options_.dataplane, options_.vault),
          [this](ClientId to, Bytes wire) { return send(to, wire); }, options_.most_sas, options_.memory,
          rule_options(options_.dataplane, options_.rules_need_packets)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  in_.grow(pfkey::kMaxMessageSize + 8);  // So that a longer message is recognised by its size.
}

Daemon::~Daemon() {
  connections_.clear();
  status_socket_.reset();
  for (sd_event_source* source : {accept_source_, accept_timer_, timer_, log_timer_})
    sd_event_source_disable_unref(source);
  sd_event_unref(loop_);
}

Result<std::unique_ptr<Daemon>> Daemon::make(const Listener& listener, Log log, const Options& options) {
  std::unique_ptr<Daemon> daemon(new Daemon(listener, std::move(log), options));
  if (auto r = daemon->set_up(); !r) return std::unexpected(r.error());
  if (auto r = daemon->options_.dataplane ? daemon->attend_to_packets() : Result<void>(); !r)
    return std::unexpected(r.error());
  return daemon;
}

Result<void> Daemon::set_up() {
  const auto on_accept = [](sd_event_source*, int, std::uint32_t, void* self) {
    static_cast<Daemon*>(self)->accept_waiting();
    return 0;
  };
  const auto on_accept_timer = [](sd_event_source*, std::uint64_t, void* self) {
    return sd_event_source_set_enabled(static_cast<Daemon*>(self)->accept_source_, SD_EVENT_ON);
  };
  const auto on_timer = [](sd_event_source*, std::uint64_t, void* self) {
    auto* daemon = static_cast<Daemon*>(self);
    daemon->timer_at_.reset();
    daemon->server_.expire(system_now());
    daemon->settle();
    return 0;
  };
  const auto on_stop = [](sd_event_source*, int, std::uint32_t, void* loop) {
    return sd_event_exit(static_cast<sd_event*>(loop), 0);
  };
  const auto on_log_timer = [](sd_event_source*, std::uint64_t, void* self) {
    auto* daemon = static_cast<Daemon*>(self);
    daemon->rationed_.settle(system_now().steady);
    daemon->await_log();
    return 0;
  };
  int r = sd_event_new(&loop_);
  if (r >= 0) r = sd_event_add_io(loop_, &accept_source_, listener_.fd(), EPOLLIN, on_accept, this);
  if (r >= 0) r = sd_event_add_io(loop_, nullptr, stop_.get(), EPOLLIN, on_stop, loop_);
  if (r >= 0) r = sd_event_add_time(loop_, &accept_timer_, CLOCK_MONOTONIC, 0, kTimerAccuracy, on_accept_timer, this);
  if (r >= 0) r = sd_event_source_set_enabled(accept_timer_, SD_EVENT_OFF);
  if (r >= 0) r = sd_event_add_time(loop_, &timer_, CLOCK_MONOTONIC, 0, kTimerAccuracy, on_timer, this);
  if (r >= 0) r = sd_event_source_set_enabled(timer_, SD_EVENT_OFF);
  if (r >= 0) r = sd_event_add_time(loop_, &log_timer_, CLOCK_MONOTONIC, 0, kTimerAccuracy, on_log_timer, this);
  if (r >= 0) r = sd_event_source_set_enabled(log_timer_, SD_EVENT_OFF);
  if (r < 0) return fail(Errc::io, fmt::format("cannot set up the event loop: {}", errno_text(-r)));
  return {};
}

// The packet threads call this when packets made something due.
Result<void> Daemon::attend_to_packets() {
  for (const pfkey::Algorithm* const row : lacking())
    log_(fmt::format("SAs with {} are refused: {}", row->name(), crypto::cure(*row)));
  const auto on_call = [](sd_event_source*, int fd, std::uint32_t, void* self) {
    auto* daemon = static_cast<Daemon*>(self);
    std::uint64_t calls = 0;
    ::eventfd_read(fd, &calls);
    if (auto r = daemon->options_.dataplane->mend(); !r) daemon->give_up(std::move(r.error()));
    const Instant at = system_now();
    daemon->server_.attend(at);
    while (const auto wanted = daemon->options_.dataplane->wanted()) daemon->server_.acquire(*wanted, at);
    daemon->settle();
    return 0;
  };
  const auto on_source = [](sd_event_source*, int, std::uint32_t, void* self) {
    static_cast<Daemon*>(self)->options_.dataplane->attend_sources();
    return 0;
  };
  int r = sd_event_add_io(loop_, nullptr, options_.dataplane->call(), EPOLLIN, on_call, this);
  for (const int source : options_.dataplane->sources())
    if (r >= 0) r = sd_event_add_io(loop_, nullptr, source, EPOLLIN, on_source, this);
  if (r < 0) return fail(Errc::io, fmt::format("cannot set up the event loop: {}", errno_text(-r)));
  return {};
}

Status Daemon::status() const {
  Status s{.socket = listener_.path(),
           .sas = server_.sas(),
           .rules = server_.rules(),
           .clients = server_.clients(),
           .refusing = server_.refusing_rules(),
           .traffic = {}};
  if (options_.dataplane)
    s.traffic = Traffic{.device = options_.dataplane->device(),
                        .hook = options_.dataplane->hooked(),
                        .workers = options_.dataplane->workers(),
                        .device_made_again = options_.dataplane->device_made_again(),
                        .busy_ports = options_.dataplane->busy_ports(),
                        .keep_alives = options_.dataplane->keep_alives(),
                        .leaving = options_.dataplane->leaving(),
                        .outbound = options_.dataplane->outbound(),
                        .inbound = options_.dataplane->inbound()};
  return s;
}

Result<void> Daemon::tell_status_at(const std::string& path) {
  auto made = StatusSocket::make(path, loop_, [this] { return status(); }, options_.policy);
  if (!made) return std::unexpected(std::move(made.error()));
  status_socket_ = std::move(*made);
  return {};
}

Daemon::Restored Daemon::restore() {
  Restored done;
  if (!options_.vault) return done;
  const Instant at = system_now();
  std::size_t strange = 0;
  done.lost = options_.vault->each([&](engine::Kept&& kept) { strange += !server_.restore(std::move(kept), at); });
  done.lost += strange;
  done.sas = server_.sas();
  set_timer();
  return done;
}

Result<void> Daemon::watch_over() {
  if (const int r = sd_event_set_watchdog(loop_, 1); r < 0)
    return fail(Errc::io, fmt::format("cannot set up the watchdog: {}", errno_text(-r)));
  return {};
}

Result<void> Daemon::stop_on_signals() {
  for (const int signal : {SIGTERM, SIGINT}) {
    // Without a handler the loop ends.
    if (const int r = sd_event_add_signal(loop_, nullptr, signal, nullptr, nullptr); r < 0)
      return fail(Errc::io, fmt::format("cannot wait for signals: {}", errno_text(-r)));
  }
  return {};
}

Result<void> Daemon::run() {
  while (sd_event_get_state(loop_) != SD_EVENT_FINISHED) {
    wipe_registers();
    // One event and one portion of what is unfinished, alternately.
    const bool more = unfinished();
    if (const int r = sd_event_run(loop_, more ? 0 : UINT64_MAX); r < 0)
      return fail(Errc::io, fmt::format("the event loop failed: {}", errno_text(-r)));
    if (more) resume();
  }
  if (failure_) return std::unexpected(*failure_);
  return {};
}

void Daemon::give_up(Error error) {
  failure_ = std::move(error);
  stop();
}

void Daemon::stop() { ::eventfd_write(stop_.get(), 1); }

void Daemon::accept_waiting() {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    Descriptor fd(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) {
      admit(std::move(fd));
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return pause_accepting(errno);
    }
  }
}

void Daemon::tell(RationedLog::Kind kind, std::string line) {
  rationed_.say(kind, std::move(line), system_now().steady);
  await_log();
}

// Other kinds may be due later.
void Daemon::await_log() {
  const auto due = rationed_.deadline();
  if (!due) return;
  const auto at = std::chrono::ceil<std::chrono::microseconds>(*due).count();
  sd_event_source_set_time(log_timer_, static_cast<std::uint64_t>(at));
  sd_event_source_set_enabled(log_timer_, SD_EVENT_ONESHOT);
}

// Descriptors or memory ran out: the waiting connection would wake the loop again and again.
void Daemon::pause_accepting(int error) {
  tell(RationedLog::Kind::failure, fmt::format("cannot accept a client now: {}", errno_text(error)));
  std::uint64_t time = 0;
  sd_event_source_set_enabled(accept_source_, SD_EVENT_OFF);
  sd_event_now(loop_, CLOCK_MONOTONIC, &time);
  sd_event_source_set_time(accept_timer_, time + kAcceptPause);
  sd_event_source_set_enabled(accept_timer_, SD_EVENT_ONESHOT);
}

std::uint8_t Daemon::refusal_of(const Peer& peer) {
  if (peer.access == Access::none) {
    const bool groups = options_.policy.group || options_.policy.read_group;
    tell(RationedLog::Kind::stranger,
         fmt::format("refused process {} of user {}: only root and user {}{} are served", peer.pid, peer.uid,
                     ::geteuid(), groups ? " and members of its groups" : ""));
    return EPERM;
  }
  if (connections_.size() >= options_.clients) {
    tell(RationedLog::Kind::crowd, fmt::format("refused a client: --max-clients allows {}", options_.clients));
    return EMFILE;
  }
  const auto mine = connections_of_.find(peer.uid);
  if (peer.owner || mine == connections_of_.end() || mine->second < options_.clients_of_a_user) return 0;
  tell(RationedLog::Kind::crowd, fmt::format("refused process {} of user {}: --max-user-clients allows {}", peer.pid,
                                             peer.uid, options_.clients_of_a_user));
  return EMFILE;
}

void Daemon::admit(Descriptor fd) {
  const auto peer = peer_of(fd.get(), options_.policy);
  if (!peer) return;
  if (const std::uint8_t error = refusal_of(*peer)) return refuse(fd, error);
  enlarge_send_buffer(fd.get());
  auto connection = std::make_unique<Connection>();
  connection->daemon = this;
  connection->fd = std::move(fd);
  connection->events = EPOLLIN;
  const auto on_event = [](sd_event_source*, int, std::uint32_t events, void* data) {
    auto* c = static_cast<Connection*>(data);
    c->daemon->serve(*c, events);
    return 0;
  };
  if (const int r = sd_event_add_io(loop_, &connection->source, connection->fd.get(), connection->events, on_event,
                                    connection.get());
      r < 0)
    return tell(RationedLog::Kind::failure, fmt::format("cannot serve a client: {}", errno_text(-r)));
  connection->id = server_.open(peer->access);
  connection->uid = peer->uid;
  ++connections_of_[peer->uid];
  connections_.emplace(connection->id, std::move(connection));
}

void Daemon::set_timer() {
  const auto deadline = server_.deadline();
  if (deadline == timer_at_) return;
  timer_at_ = deadline;
  if (!deadline) {
    sd_event_source_set_enabled(timer_, SD_EVENT_OFF);
    return;
  }
  // Rounded up: a timer that fires early would find nothing due and fire again.
  const auto at = std::chrono::ceil<std::chrono::microseconds>(*deadline).count();
  sd_event_source_set_time(timer_, static_cast<std::uint64_t>(at));
  sd_event_source_set_enabled(timer_, SD_EVENT_ONESHOT);
}

}  // namespace ipseckey::ipsecd
