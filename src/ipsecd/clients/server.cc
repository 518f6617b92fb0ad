// Requests in, replies and notices out:
// 1. receive() decodes a message; malformed ones are rejected, and those that this client may not make, or for which
//    there is no room, are refused (forbids()).
//    PF_POLICY comes over the same socket; receive_policy() does the same for it with the RuleBook. Answers about
//    single rules wait for put_rules_into_force(), once for many.
// 2. The Keysock handles the rest and names, for each message, the clients that receive it.
// 3. deliver() gives replies precedence: notices for a client that reads too slowly are counted and dropped, and a gap
//    notice follows.
// 4. post() encodes and sends; messages for which the socket has no room wait in the client's Outbox.
// 5. flush() sends waiting messages, and continues a DUMP while there is room; wants() tells the event loop what to
//    wait for.
#include "ipsecd/clients/server.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "engine/reply.h"
#include "pfkey/notices.h"
#include "pfpolicy/codec.h"

namespace ipseckey::ipsecd {
namespace {

using pfkey::Message;
using Kind = Outbox::Kind;

constexpr int kDumpedAtOnce = 64;  // SAs of a DUMP before other clients are served.

// The sender of a request is owed its replies; the other messages that the request causes are notices like any other.
Kind kind_for_sender(const Message& m, const Message& request) {
  const bool reply = m.seq == request.seq && m.pid == request.pid;
  return reply || m.error != 0 ? Kind::reply : Kind::broadcast;
}

Message too_long_reply(const Message& m) {
  Message instead = m.header();
  instead.error = EMSGSIZE;
  return instead;
}

}  // namespace

Server::Server(engine::Options options, Send send, std::optional<std::size_t> most_sas, Memory memory,
               engine::RuleBookOptions rules)
    : keysock_(std::move(options)),
      rules_(std::move(rules)),
      send_(std::move(send)),
      most_sas_(most_sas),
      memory_(std::move(memory)) {
  scratch_.grow(pfkey::kMaxMessageSize);
}

ClientId Server::open(Access access) {
  const ClientId id = keysock_.open();
  clients_[id].access = access;
  return id;
}

void Server::close(ClientId id) {
  keysock_.close(id);
  rules_.close(id);
  clients_.erase(id);
}

bool Server::has_memory() {
  if (memory_()) {
    sas_without_memory_.reset();
    return true;
  }
  if (!sas_without_memory_) sas_without_memory_ = sas();
  return sas() < *sas_without_memory_;
}

engine::Check Server::forbids(const Client& client, const Message& request) {
  if (client.access != Access::all && !readers_may(request))
    return engine::Refusal{EPERM, pfkey::Diagnostic::none,
                           "members of the read group may only get, dump and listen for changes (passive_monitor)"};
  const bool adds = request.type == pfkey::Type::add || request.type == pfkey::Type::getspi;
  if (adds && most_sas_ && sas() >= *most_sas_)
    return engine::Refusal{ENOBUFS, pfkey::Diagnostic::none,
                           "the SADB is full: it holds the number of SAs that --max-sas allows"};
  if (adds && !has_memory())
    return engine::Refusal{ENOMEM, pfkey::Diagnostic::none, "not enough memory for another SA"};
  return std::nullopt;
}

void Server::receive(ClientId id, Bytes wire, Instant now) {
  if (!wire.empty() && wire[0] == std::byte{pfpolicy::kVersion}) return receive_policy(id, wire, now);
  put_rules_into_force();
  clients_.at(id).for_rules = false;
  auto request = pfkey::decode(wire);
  const Client& client = clients_.at(id);
  if (!request) {
    const pfkey::Malformed& why = request.error();
    // A reader's refused request is not announced to anybody.
    if (client.access != Access::all)
      return deliver(id, engine::error_reply(why.header, {why.error, why.diagnostic}), Kind::reply);
    return keysock_.reject(id, why, [&](ClientId to, Message&& m) {
      deliver(to, std::move(m), to == id ? Kind::reply : Kind::broadcast);
    });
  }
  if (const auto why = forbids(client, *request)) return deliver(id, engine::error_reply(*request, *why), Kind::reply);
  const Message header = request->header();
  keysock_.handle(id, std::move(*request), now, [&](ClientId to, Message&& m) {
    const Kind kind = to == id ? kind_for_sender(m, header) : Kind::broadcast;
    deliver(to, std::move(m), kind);
  });
}

// As with SAs: a change needs memory, and readers make none.
void Server::receive_policy(ClientId id, Bytes wire, Instant now) {
  using pfpolicy::Diagnostic;
  clients_.at(id).for_rules = true;
  const auto request = pfpolicy::decode(wire);
  if (!request) {
    const pfpolicy::Malformed& why = request.error();
    return answer_policy_in_order(id, engine::refused(why.header, why.error, why.diagnostic));
  }
  if (clients_.at(id).access != Access::all && !engine::only_reads(*request))
    return answer_policy_in_order(
        id, engine::refused(*request, EPERM, Diagnostic::none, "members of the read group may only list rules"));
  if (request->type == pfpolicy::Type::addrule && !memory_())
    return answer_policy_in_order(id, engine::refused(*request, ENOMEM, Diagnostic::no_memory));
  bool granted = false;
  rules_.handle(id, *request, now, [&](pfpolicy::Message&& m) {
    granted = m.error == 0;
    answer_policy_in_order(id, std::move(m));
  });
  if (request->type == pfpolicy::Type::watch && granted) watch(id, now);
}

void Server::watch(ClientId id, Instant now) {
  if (!std::exchange(clients_.at(id).watches, true) && !next_look_) next_look_ = now.steady + kDropsEvery;
}

// A client's answers come in the order of its requests.
void Server::answer_policy_in_order(ClientId id, pfpolicy::Message&& m) {
  if (unsettled_.empty() && !rules_.unsettled()) return answer_policy(id, m);
  unsettled_.emplace_back(id, std::move(m));
}

void Server::put_rules_into_force() {
  rules_.put_into_force();
  for (const auto& [id, m] : std::exchange(unsettled_, {}))
    if (clients_.contains(id)) answer_policy(id, rules_.settled(m));
  if (std::exchange(told_version_, rules_.version()) != rules_.version()) tell_watchers();
}

// A notice only says that there is something new: one is enough for a client that reads slowly.
void Server::tell_watchers() {
  for (auto& [id, client] : clients_)
    if (client.watches) tell_watcher(id, client);
}

void Server::tell_watcher(ClientId id, Client& client) {
  client.owed = !client.outbox.empty() || dumping(id);
  if (!client.owed) answer_policy(id, rules_.notice());
}

void Server::look_at_drops(Instant now) {
  if (!next_look_ || *next_look_ > now.steady) return;
  const bool watched = std::ranges::any_of(clients_, [](const auto& entry) { return entry.second.watches; });
  next_look_ = watched ? std::optional(now.steady + kDropsEvery) : std::nullopt;
  std::uint64_t drops = 0;
  for (const auto& rule : rules_.refusing()) drops += rule.out.packets + rule.in.packets;
  if (std::exchange(told_drops_, drops) != drops) tell_watchers();
}

std::optional<std::chrono::nanoseconds> Server::deadline() const {
  const auto of_sas = keysock_.deadline();
  return of_sas && next_look_ ? std::min(*of_sas, *next_look_) : of_sas ? of_sas : next_look_;
}

void Server::answer_policy(ClientId id, const pfpolicy::Message& m) {
  Client& client = clients_.at(id);
  if (client.gone) return;
  const auto size = pfpolicy::encode(m, scratch_.bytes());
  if (!size) return;  // Rules that were decoded fit.
  static_cast<void>(post_bytes(id, client, scratch_.bytes().first(*size), Kind::reply));
}

void Server::flush(ClientId id) {
  Client& client = clients_.at(id);
  send_waiting(id, client);
  for (int i = 0; i < kDumpedAtOnce && !client.gone && keysock_.dumping(id) && client.outbox.has_room(Kind::reply); ++i)
    keysock_.next_dumped(
        id, [&](ClientId to, Message&& m) { deliver(to, std::move(m), to == id ? Kind::reply : Kind::broadcast); });
  for (int i = 0; i < kDumpedAtOnce && !client.gone && rules_.dumping(id) && client.outbox.has_room(Kind::reply); ++i)
    answer_policy(id, rules_.next_dumped(id));
}

Wants Server::wants(ClientId id) const {
  const Client& client = clients_.at(id);
  const bool dumping = this->dumping(id);
  // Requests behind a DUMP wait for its end: one walk at a time, and replies in the order of the requests.
  return {.read = !dumping && client.outbox.has_room(Kind::reply),
          .write = !client.gone && (dumping || !client.outbox.empty())};
}

bool Server::finished(ClientId id) const { return clients_.at(id).gone && dumping(id); }

void Server::expire(Instant now) {
  look_at_drops(now);
  keysock_.expire(now, [&](ClientId to, Message&& m) { deliver(to, std::move(m), Kind::broadcast); });
}

void Server::attend(Instant now) {
  keysock_.attend(now, [&](ClientId to, Message&& m) { deliver(to, std::move(m), Kind::broadcast); });
}

void Server::acquire(const engine::Wanted& wanted, Instant now) {
  keysock_.acquire(wanted, now, [&](ClientId to, Message&& m) { deliver(to, std::move(m), Kind::broadcast); });
}

void Server::deliver(ClientId to, Message&& m, Kind kind) {
  const auto found = clients_.find(to);
  if (found == clients_.end() || found->second.gone) return;
  Client& client = found->second;
  if (kind == Kind::broadcast && client.for_rules) return;
  // After a gap, notices resume only when there is plenty of room: otherwise there would be a gap notice for each
  // message.
  const bool room = client.lost == 0 ? client.outbox.has_room(kind) : client.outbox.half_empty();
  if (kind == Kind::broadcast && !room) {
    ++client.lost;
    return;
  }
  note_gap(to, client);
  if (client.access != Access::all) hide_keys(m);
  post(to, client, std::move(m), kind);
}

Sent Server::post_bytes(ClientId to, Client& client, Bytes wire, Kind kind) {
  const Sent sent = client.outbox.empty() ? send_(to, wire) : Sent::full;
  if (sent == Sent::full) client.outbox.put(wire, kind);
  if (sent == Sent::gone) {
    client.gone = true;
    client.outbox.clear();
  }
  return sent;
}

void Server::post(ClientId to, Client& client, Message&& m, Kind kind) {
  const auto size = pfkey::encode(m, scratch_.bytes());
  Sent sent = Sent::too_long;
  if (size) {
    const MutableBytes wire = scratch_.bytes().first(*size);
    sent = post_bytes(to, client, wire, kind);
    wipe(wire);
  } else {
    wipe(scratch_.bytes());
  }
  if (sent == Sent::too_long && m.error != EMSGSIZE) {
    // The sender must get an answer, even an incomplete one.
    post(to, client, too_long_reply(m), kind);
  }
}

void Server::note_gap(ClientId to, Client& client) {
  if (client.lost == 0) return;
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  const auto lost = static_cast<std::uint32_t>(std::min(client.lost, kMost));
  client.lost = 0;
  post(to, client, pfkey::gap_notice(lost), Kind::broadcast);
}

// Only a send reveals that a message is too long for the socket; its replacement contains none of its keys.
Sent Server::send_front(ClientId id, const Outbox& outbox) {
  const Sent sent = send_(id, outbox.front());
  if (sent != Sent::too_long) return sent;
  const auto whole = pfkey::decode(outbox.front());
  if (!whole || whole->error == EMSGSIZE) return sent;
  const auto size = pfkey::encode(too_long_reply(*whole), scratch_.bytes());
  return size ? send_(id, scratch_.bytes().first(*size)) : sent;
}

void Server::send_waiting(ClientId id, Client& client) {
  while (!client.outbox.empty() && !client.gone) {
    const Sent sent = send_front(id, client.outbox);
    if (sent == Sent::full) break;
    if (sent == Sent::gone) {
      client.gone = true;
      client.outbox.clear();
      return;
    }
    client.outbox.pop();
  }
  if (client.outbox.half_empty()) note_gap(id, client);
  if (client.owed) tell_watcher(id, client);
}

}  // namespace ipseckey::ipsecd
