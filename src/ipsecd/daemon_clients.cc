// How the daemon serves clients:
// 1. serve() flushes replies and reads packets of requests for a Turn, so that no client waits long for its own.
// 2. take() gives the Server the requests of a packet. The rest is kept if the turn is over, or if the client must read
//    replies first.
// 3. settle() ends each event: packed replies leave, and each client that was affected waits for what it now needs.
// 4. After each event resume() does a portion of what is unfinished: the rests of packets, what the Server does in
//    portions, and giving the memory of removed SAs back.
#include <fmt/format.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/secret_pages.h"
#include "ipsecd/daemon.h"
#include "system/clock.h"

namespace ipseckey::ipsecd {
namespace {

std::uint32_t events_for(Wants wants) {
  return (wants.read ? std::uint32_t{EPOLLIN} : 0u) | (wants.write ? std::uint32_t{EPOLLOUT} : 0u);
}

}  // namespace

// How long one client is served before others are: a number of messages and a time. A packet is given up in its middle
// only if it is much longer.
class Daemon::Turn {
 public:
  // A change is sent to every client: with many, each message can take long.
  explicit Turn(std::size_t clients) : look_(std::max<std::size_t>(1, kLook / std::max<std::size_t>(1, clients))) {}

  bool may_read() const { return !over_ && messages_ < kMessages; }
  /// After each message.
  bool continues() {
    ++messages_;
    if (messages_ % look_ == 0) over_ = over_ || messages_ >= 4 * kMessages || std::chrono::steady_clock::now() >= end_;
    return !over_;
  }
  void end() { over_ = true; }

 private:
  static constexpr std::size_t kMessages = 128, kLook = 32;
  static constexpr std::chrono::microseconds kTime{500};

  std::size_t look_, messages_ = 0;
  bool over_ = false;
  std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + kTime;
};

void Daemon::serve(Connection& connection, std::uint32_t events) {
  if (events & EPOLLOUT) server_.flush(connection.id);
  // A client that has hung up may have left requests, which are processed.
  const bool open = !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || read(connection);
  server_.put_rules_into_force();
  server_.send_packs();
  if (!open || server_.finished(connection.id)) {
    close(connection.id);
  } else {
    touched_.push_back(connection.id);
  }
  settle();
}

bool Daemon::read(Connection& connection) {
  const Instant at = system_now();
  if (const auto deadline = server_.deadline(); deadline && *deadline <= at.steady) server_.expire(at);
  const MutableBytes buffer = in_.bytes().first(pfkey::kMaxMessageSize + 8);
  Turn turn(connections_.size());
  if (connection.rest_at < connection.rest_end) {
    // The buffer may be exchanged for another one meanwhile.
    SecretBuffer rest = std::move(connection.rest);
    const auto begin = std::exchange(connection.rest_at, 0), end = std::exchange(connection.rest_end, 0);
    take(connection, rest.bytes().subspan(begin, end - begin), turn, at);
  }
  while (turn.may_read() && connection.rest_at == connection.rest_end && server_.wants(connection.id).read) {
    const ssize_t got = ::recv(connection.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got == 0) return false;
    if (got < 0 && errno == EAGAIN) return true;
    // A client that died before it read everything first appears as a reset; its requests come after that.
    if (got < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
    if (got < 0) return false;
    const MutableBytes packet = buffer.first(static_cast<std::size_t>(got));
    take(connection, packet, turn, at);
    wipe(packet);
  }
  return true;
}

void Daemon::take(Connection& c, MutableBytes packet, Turn& turn, Instant at) {
  std::size_t done = server_.receive(c.id, packet, at);
  while (turn.continues() && done < packet.size() && server_.wants(c.id).read)
    done += server_.receive(c.id, packet.subspan(done), at);
  if (done == packet.size()) return;
  const MutableBytes left = packet.subspan(done);
  c.rest.grow(left.size());
  std::ranges::copy(left, c.rest.bytes().begin());
  c.rest_at = 0, c.rest_end = left.size();
  turn.end();
}

bool Daemon::unfinished() const { return !resumed_.empty() || server_.busy() || trims_heap(); }

void Daemon::resume() {
  if (const auto remover = server_.remover()) touched_.push_back(*remover);
  if (server_.busy()) {
    server_.work();
  } else {
    trim_heap();
  }
  for (const ClientId id : std::exchange(resumed_, {})) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    found->second->resumed = false;
    serve(*found->second, EPOLLIN);
  }
  settle();
}

Sent Daemon::send(ClientId to, Bytes wire) {
  const auto found = connections_.find(to);
  if (found == connections_.end()) return Sent::gone;
  ssize_t sent = 0;
  do sent = ::send(found->second->fd.get(), wire.data(), wire.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0) return Sent::done;
  if (errno == EMSGSIZE) return Sent::too_long;
  touched_.push_back(to);
  return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? Sent::full : Sent::gone;
}

// Once most SAs are gone. The heap can only shrink at its end; the rest of it is used again.
bool Daemon::trims_heap() const {
  constexpr std::size_t kMany = 20'000;
  return most_sas_ > kMany && server_.sas() < most_sas_ / 4;
}

// Little at a time: the kernel takes 0.1 microseconds or more for each page.
void Daemon::trim_heap() {
  constexpr std::size_t kKept = 8 << 20, kStep = 4 << 20;
  if (!trims_heap()) return;
  const std::size_t top = ::mallinfo2().keepcost;
  if (top <= kKept || ::malloc_trim(top - kStep) == 0) most_sas_ = server_.sas();
}

void Daemon::close(ClientId id) {
  server_.close(id);
  const auto found = connections_.find(id);
  if (const auto mine = connections_of_.find(found->second->uid); --mine->second == 0) connections_of_.erase(mine);
  connections_.erase(found);
  sd_event_source_set_enabled(accept_source_, SD_EVENT_ON);  // A descriptor is free again.
}

void Daemon::settle() {
  if (secrets_may_be_swapped() && !std::exchange(swap_logged_, true))
    log_(
        "some memory that holds keys cannot be locked and may be written to swap: raise RLIMIT_MEMLOCK (in the unit "
        "LimitMEMLOCK=infinity)");
  server_.send_packs();
  for (const ClientId id : std::exchange(touched_, {})) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    Connection& connection = *found->second;
    Wants wants = server_.wants(id);
    if (connection.rest_at < connection.rest_end && std::exchange(wants.read, false)) {
      if (!std::exchange(connection.resumed, true)) resumed_.push_back(id);
    }
    const std::uint32_t events = events_for(wants);
    if (events == std::exchange(connection.events, events)) continue;
    sd_event_source_set_io_events(connection.source, events);
  }
  most_sas_ = std::max(most_sas_, server_.sas());
  set_timer();
}

}  // namespace ipseckey::ipsecd
