#pragma once
/// The PF_KEY server without sockets: what each client is owed, in which order, and what may be left out.
///
/// A client's own replies are never lost: its next request is taken only while few of its replies wait (Wants), and a
/// DUMP is pulled from the engine only as fast as the client reads. Messages that others cause are queued up to a
/// limit; beyond it they are left out and counted, and pfkey::gap_notice() replaces them.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/instant.h"
#include "base/secret.h"
#include "engine/checks.h"
#include "engine/keysock.h"
#include "ipsecd/clients/access.h"
#include "ipsecd/clients/outbox.h"

namespace ipseckey::ipsecd {

using engine::ClientId;

/// What became of a message that was handed to a client's socket.
enum class Sent : std::uint8_t {
  done,
  full,      ///< The socket has no room now.
  gone,      ///< Nobody reads at the other end any more.
  too_long,  ///< The socket never takes a message of this size.
};

/// What the loop should wait for on a client's socket.
struct Wants {
  bool read = false;
  bool write = false;
  bool operator==(const Wants&) const = default;
};

class Server {
 public:
  /// Hands one message to a client's socket, without waiting. It must not call the server.
  using Send = std::function<Sent(ClientId, Bytes)>;

  /// Whether there is memory to grow.
  using Memory = std::function<bool()>;

  /// `most_sas`: an ADD or GETSPI beyond this number of SAs is refused, ENOBUFS; nullopt: no limit. One that comes when
  /// `memory` says no is refused too, ENOMEM, unless SAs have gone since then, whose memory it can have.
  Server(
      engine::Options options, Send send, std::optional<std::size_t> most_sas = std::nullopt,
      Memory memory = [] { return true; });

  /// A client that may do all, or a reader: it gets no keys and may change nothing.
  ClientId open(Access access = Access::all);
  void close(ClientId id);
  std::size_t clients() const { return clients_.size(); }

  /// One request, as bytes, which the caller wipes. Ask wants() before each.
  void receive(ClientId id, Bytes wire, Instant now);
  /// The client's socket has room: sends what waits, then some of its DUMP.
  void flush(ClientId id);

  Wants wants(ClientId id) const;
  /// Whether the client can neither be answered nor has anything left to ask.
  bool finished(ClientId id) const;

  /// Takes in an SA that was kept for a restart, before any client comes.
  bool restore(engine::Kept&& kept, Instant now) { return keysock_.engine().restore(std::move(kept), now); }
  void expire(Instant now);
  /// Does what packets made due.
  void attend(Instant now);
  /// Asks the key managers for an SA.
  void acquire(const engine::Wanted& wanted, Instant now);
  std::size_t sas() const { return keysock_.engine().size(); }
  std::optional<std::chrono::nanoseconds> deadline() const { return keysock_.deadline(); }

 private:
  struct Client {
    Access access = Access::all;
    Outbox outbox;
    std::uint64_t lost = 0;  // Broadcasts left out since the last gap notice.
    bool gone = false;
  };

  /// Why this client's request is not even handed to the engine.
  engine::Check forbids(const Client& client, const pfkey::Message& request);
  bool has_memory();
  void deliver(ClientId to, pfkey::Message&& m, Outbox::Kind kind);
  void post(ClientId to, Client& client, pfkey::Message&& m, Outbox::Kind kind);
  void note_gap(ClientId to, Client& client);
  Sent send_front(ClientId id, const Outbox& outbox);
  void send_waiting(ClientId id, Client& client);

  engine::Keysock keysock_;
  Send send_;
  std::optional<std::size_t> most_sas_;
  Memory memory_;
  std::optional<std::size_t> sas_without_memory_;  // How many there were when there was none.
  std::unordered_map<ClientId, Client> clients_;
  SecretBuffer scratch_;  // One encoded message; wiped after each.
};

}  // namespace ipseckey::ipsecd
