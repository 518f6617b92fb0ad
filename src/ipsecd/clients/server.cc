// Requests in, replies and notices out:
// 1. receive() decodes the first message of a packet; malformed ones are rejected, and those that this client may not
//    make, or for which there is no room, are refused (forbids()).
//    PF_POLICY comes over the same socket; receive_policy() does the same for it with the RuleBook. Answers about
//    single rules wait for put_rules_into_force(), once for many.
// 2. The Keysock handles the rest and names, for each message, the clients that receive it.
// 3. deliver() gives replies precedence: notices for a client that reads too slowly are counted and dropped, and a gap
//    notice follows.
// 4. post() encodes and sends; messages for which the socket has no room wait in the client's Outbox. So do those of a
//    client that takes several in one packet: until send_packs(), or until they fill a packet.
// 5. flush() sends waiting messages, and continues a DUMP while there is room; wants() tells the event loop what to
//    wait for.
#include "ipsecd/clients/server.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "engine/reply.h"
#include "pfkey/notices.h"
#include "pfkey/packs.h"
#include "pfpolicy/codec.h"

namespace ipseckey::ipsecd {
namespace {

using pfkey::Message;
using Kind = Outbox::Kind;

constexpr int kDumpedAtOnce = 64;  // SAs of a DUMP before other clients are served.
constexpr std::size_t kRemovedAtOnce = 256, kExpiredAtOnce = 128;

// The sender of a request is owed its replies; the other messages that the request causes are notices like any other.
Kind kind_for_sender(const Message& m, const Message& request) {
  const bool reply = m.seq == request.seq && m.pid == request.pid;
  return reply || m.error != 0 ? Kind::reply : Kind::broadcast;
}

engine::Options deferring(engine::Options options) {
  options.defers_removals = true;
  return options;
}

Message too_long_reply(const Message& m) {
  Message instead = m.header();
  instead.error = EMSGSIZE;
  return instead;
}

}  // namespace

Server::Server(engine::Options options, Send send, std::optional<std::size_t> most_sas, Memory memory,
               engine::RuleBookOptions rules)
    : keysock_(deferring(std::move(options))),
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

std::size_t Server::receive(ClientId id, Bytes packet, Instant now) {
  namespace packs = pfkey::packs;
  Client& client = clients_.at(id);
  client.packs = client.packs || packs::mark_of(packet) == packs::kClient;
  const std::size_t size = client.packs ? packs::first_size(packet) : packet.size();
  if (size < packet.size() && packet.size() > packs::kMost) {
    refuse_packet(id, packet.first(size));
    return packet.size();
  }
  receive_one(id, packet.first(size), now);
  return size;
}

// By one answer, to the first request in it. So what waits of a packet is bounded.
void Server::refuse_packet(ClientId id, Bytes first) {
  clients_.at(id).for_rules = first[0] == std::byte{pfpolicy::kVersion};
  if (clients_.at(id).for_rules) {
    const auto request = pfpolicy::decode(first);
    const pfpolicy::Message header = request ? request->header() : request.error().header;
    return answer_policy_in_order(id, engine::refused(header, EMSGSIZE, pfpolicy::Diagnostic::none));
  }
  put_rules_into_force();
  const auto request = pfkey::decode(first);
  Message header = request ? request->header() : request.error().header.header();
  reject(id, {EMSGSIZE, pfkey::Diagnostic::none, {}, std::move(header)});
}

// A reader's refused request is not announced to anybody.
void Server::reject(ClientId id, const pfkey::Malformed& why) {
  if (clients_.at(id).access != Access::all)
    return deliver(id, engine::error_reply(why.header, {why.error, why.diagnostic}), Kind::reply);
  keysock_.reject(
      id, why, [&](ClientId to, Message&& m) { deliver(to, std::move(m), to == id ? Kind::reply : Kind::broadcast); });
}

void Server::receive_one(ClientId id, Bytes wire, Instant now) {
  if (!wire.empty() && wire[0] == std::byte{pfpolicy::kVersion}) return receive_policy(id, wire, now);
  put_rules_into_force();
  Client& client = clients_.at(id);
  client.for_rules = false;
  auto request = pfkey::decode(wire);
  if (!request) return reject(id, request.error());
  request->diagnostic = 0;
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
  auto request = pfpolicy::decode(wire);
  if (!request) {
    const pfpolicy::Malformed& why = request.error();
    return answer_policy_in_order(id, engine::refused(why.header, why.error, why.diagnostic));
  }
  request->diagnostic = Diagnostic::none;
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
  client.full = false;
  send_waiting(id, client);
  const auto more = [&](int dumped) {
    return dumped < kDumpedAtOnce && !client.gone && client.outbox.has_room(Kind::reply);
  };
  for (int i = 0; more(i) && keysock_.dumping(id); ++i)
    keysock_.next_dumped(
        id, [&](ClientId to, Message&& m) { deliver(to, std::move(m), to == id ? Kind::reply : Kind::broadcast); });
  for (int i = 0; more(i) && rules_.dumping(id); ++i) answer_policy(id, rules_.next_dumped(id));
}

void Server::send_packs() {
  for (std::size_t i = 0; i < packing_.size(); ++i) {  // A gap notice may add one.
    const auto found = clients_.find(packing_[i]);
    if (found == clients_.end()) continue;
    found->second.packing = false;
    if (!found->second.full) send_waiting(packing_[i], found->second);
  }
  packing_.clear();
}

Wants Server::wants(ClientId id) const {
  const Client& client = clients_.at(id);
  const bool dumping = this->dumping(id);
  // Requests behind a DUMP or a FLUSH wait for its end: one walk at a time, and replies in the order of the requests.
  return {.read = !dumping && !keysock_.removing(id) && client.outbox.has_room(Kind::reply),
          .write = !client.gone && (dumping || !client.outbox.empty())};
}

bool Server::finished(ClientId id) const { return clients_.at(id).gone && dumping(id); }

void Server::expire(Instant now) {
  look_at_drops(now);
  keysock_.expire(now, [&](ClientId to, Message&& m) { deliver(to, std::move(m), Kind::broadcast); }, kExpiredAtOnce);
}

void Server::work() {
  const auto sender = remover();
  if (!sender) return keysock_.engine().release_spare();
  keysock_.remove_some(kRemovedAtOnce, [&](ClientId to, Message&& m) {
    deliver(to, std::move(m), to == sender ? Kind::reply : Kind::broadcast);
  });
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

// A client that takes packets gets its messages at the end of this turn, or when they fill a packet.
void Server::pack(ClientId to, Client& client, MutableBytes wire, Kind kind) {
  constexpr std::size_t kErrorAt = 2;
  if (wire[kErrorAt] == std::byte{0}) pfkey::packs::set_mark(wire, pfkey::packs::kServer);
  client.outbox.put(wire, kind);
  if (!std::exchange(client.packing, true)) packing_.push_back(to);
  const bool filled = client.outbox.bytes() >= pfkey::packs::kFull || !client.outbox.has_room(kind);
  if (filled && !client.full) send_waiting(to, client);
}

Sent Server::post_bytes(ClientId to, Client& client, MutableBytes wire, Kind kind) {
  if (client.packs) {
    pack(to, client, wire, kind);
    return Sent::done;
  }
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

// Sends the first packet; returns the number of its messages that are done with, 0: the socket is full or the client is
// gone. Only a send reveals that a message is too long for the socket; its replacement contains none of its keys. A
// packet that is too long is tried again as single messages.
std::size_t Server::send_front(ClientId id, Client& client) {
  Outbox::Pack pack = client.outbox.pack(client.packs ? pfkey::packs::kFull : 0);
  Sent sent = send_(id, pack.wire);
  if (sent == Sent::too_long && pack.messages > 1) {
    pack = client.outbox.pack(0);
    sent = send_(id, pack.wire);
  }
  if (sent == Sent::too_long) sent = send_instead(id, pack.wire);
  client.full = sent == Sent::full;
  client.gone = sent == Sent::gone;
  return sent == Sent::done || sent == Sent::too_long ? pack.messages : 0;
}

Sent Server::send_instead(ClientId id, Bytes too_long) {
  const auto whole = pfkey::decode(too_long);
  if (!whole || whole->error == EMSGSIZE) return Sent::too_long;
  const auto size = pfkey::encode(too_long_reply(*whole), scratch_.bytes());
  return size ? send_(id, scratch_.bytes().first(*size)) : Sent::too_long;
}

void Server::send_waiting(ClientId id, Client& client) {
  while (!client.outbox.empty()) {
    const std::size_t done = send_front(id, client);
    if (client.gone) return client.outbox.clear();
    if (done == 0) break;
    client.outbox.pop(done);
  }
  if (client.outbox.half_empty()) note_gap(id, client);
  if (client.owed) tell_watcher(id, client);
}

}  // namespace ipseckey::ipsecd
