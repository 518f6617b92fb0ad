#pragma once
/// The server of PF_KEY and PF_POLICY without sockets: which messages each client gets, in which order and in which
/// packets, and which may be dropped.
///
/// A client's own replies are never lost: its next request is read only while few of its replies wait (Wants), and a
/// DUMP is pulled from the engine only as fast as the client reads. Messages that others cause are queued up to a
/// limit; beyond it they are dropped and counted, and pfkey::gap_notice() replaces them.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/instant.h"
#include "base/secret.h"
#include "engine/checks.h"
#include "engine/keysock.h"
#include "engine/rule_book.h"
#include "ipsecd/clients/access.h"
#include "ipsecd/clients/outbox.h"

namespace ipseckey::ipsecd {

using engine::ClientId;

/// The result of passing a message to a client's socket.
enum class Sent : std::uint8_t {
  done,
  full,      ///< The socket has no room now.
  gone,      ///< Nobody reads at the other end any more.
  too_long,  ///< The socket never takes a message of this size.
};

/// The events that the loop should wait for on a client's socket.
struct Wants {
  bool read = false;
  bool write = false;
  bool operator==(const Wants&) const = default;
};

class Server {
 public:
  /// Passes one packet to a client's socket, without waiting: a message, or several to a client that has shown that it
  /// takes them. It must not call the server.
  using Send = std::function<Sent(ClientId, Bytes)>;

  /// Whether there is memory to grow.
  using Memory = std::function<bool()>;

  /// `most_sas`: an ADD or GETSPI beyond this number of SAs is refused, ENOBUFS; nullopt: no limit. If `memory` returns
  /// false, it is refused with ENOMEM, unless SAs were deleted since then, whose memory it can use.
  Server(
      engine::Options options, Send send, std::optional<std::size_t> most_sas = std::nullopt,
      Memory memory = [] { return true; }, engine::RuleBookOptions rules = {});

  /// Adds a client with full access, or a reader, who gets no keys and may change nothing.
  ClientId open(Access access = Access::all);
  void close(ClientId id);
  std::size_t clients() const { return clients_.size(); }

  /// The first request of a packet, as bytes, which the caller wipes: of PF_KEY, or of PF_POLICY if its first byte is
  /// that version. Returns its size in bytes; what is behind it is the next request. Check wants() before each.
  std::size_t receive(ClientId id, Bytes packet, Instant now);
  /// Call it when no more requests are received for now: rules that were added or deleted one by one come into force
  /// together, and only then these requests are answered.
  void put_rules_into_force();
  /// The client's socket has room: sends waiting messages, then more of its DUMP.
  void flush(ClientId id);
  /// Call it when there is nothing more to do for now: sends what waits for further messages to share its packet.
  void send_packs();

  Wants wants(ClientId id) const;
  /// Whether the client cannot be answered any more and has no further requests.
  bool finished(ClientId id) const;

  /// Restores an SA that was kept for a restart; call it before any client connects.
  bool restore(engine::Kept&& kept, Instant now) { return keysock_.engine().restore(std::move(kept), now); }
  /// Of very many expired SAs only some: then deadline() has passed already.
  void expire(Instant now);
  /// Whether something is done in portions: call work() for the next one. A client whose request removes many SAs waits
  /// for their end with its next requests.
  bool busy() const { return remover() || keysock_.engine().has_spare(); }
  void work();
  /// That client; nullopt: none.
  std::optional<ClientId> remover() const { return keysock_.remover(); }
  /// Does what packets made due.
  void attend(Instant now);
  /// Requests an SA from the key managers.
  void acquire(const engine::Wanted& wanted, Instant now);
  std::size_t sas() const { return keysock_.engine().size(); }
  std::size_t rules() const { return rules_.active(); }
  std::vector<engine::RuleBook::Refusing> refusing_rules() const { return rules_.refusing(); }
  std::optional<std::chrono::nanoseconds> deadline() const;

 private:
  struct Client {
    Access access = Access::all;
    Outbox outbox;
    std::uint64_t lost = 0;  // Broadcasts dropped since the last gap notice.
    bool gone = false;
    bool packs = false;      // It takes packets of several messages.
    bool packing = false;    // It is in packing_.
    bool full = false;       // So was its socket; flush() tries again.
    bool for_rules = false;  // Its last request was PF_POLICY's: notices of PF_KEY are not for it.
    bool watches = false;    // Rules: it gets a notice when they change, or drop packets.
    bool owed = false;       // Such a notice, for which there was no room.
  };

  /// Why this client's request is not even passed to the engine.
  engine::Check forbids(const Client& client, const pfkey::Message& request);
  bool has_memory();
  void receive_one(ClientId id, Bytes wire, Instant now);
  void refuse_packet(ClientId id, Bytes packet);
  void reject(ClientId id, const pfkey::Malformed& why);
  void receive_policy(ClientId id, Bytes wire, Instant now);
  void answer_policy(ClientId id, const pfpolicy::Message& m);
  void answer_policy_in_order(ClientId id, pfpolicy::Message&& m);
  void watch(ClientId id, Instant now);
  void tell_watchers();
  void tell_watcher(ClientId id, Client& client);
  void look_at_drops(Instant now);
  bool dumping(ClientId id) const { return keysock_.dumping(id) || rules_.dumping(id); }
  Sent post_bytes(ClientId to, Client& client, MutableBytes wire, Outbox::Kind kind);
  void pack(ClientId to, Client& client, MutableBytes wire, Outbox::Kind kind);
  void deliver(ClientId to, pfkey::Message&& m, Outbox::Kind kind);
  void post(ClientId to, Client& client, pfkey::Message&& m, Outbox::Kind kind);
  void note_gap(ClientId to, Client& client);
  std::size_t send_front(ClientId id, Client& client);
  Sent send_instead(ClientId id, Bytes too_long);
  void send_waiting(ClientId id, Client& client);

  engine::Keysock keysock_;
  engine::RuleBook rules_;
  Send send_;
  std::optional<std::size_t> most_sas_;
  Memory memory_;
  static constexpr std::chrono::seconds kDropsEvery{1};  // They are not told one by one.
  std::uint64_t told_version_ = 0, told_drops_ = 0;      // Of rules, to those who watch.
  std::optional<std::chrono::nanoseconds> next_look_;    // While somebody does.
  std::optional<std::size_t> sas_without_memory_;        // The number of SAs when memory ran out.
  std::unordered_map<ClientId, Client> clients_;
  std::vector<std::pair<ClientId, pfpolicy::Message>> unsettled_;  // Answers that wait for the rules to be in force.
  std::vector<ClientId> packing_;                                  // Their messages wait for more in their packets.
  SecretBuffer scratch_;                                           // One encoded message; wiped after each.
};

}  // namespace ipseckey::ipsecd
