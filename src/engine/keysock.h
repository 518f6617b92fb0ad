#pragma once
/// The socket layer of PF_KEY without sockets: clients, registrations, promiscuous mode and delivery (RFC 2367 section
/// 1.4 and Solaris's rules; doc/reference/pf-key.md).
#include <absl/functional/function_ref.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "pfkey/codec.h"

namespace ipseckey::engine {

using ClientId = std::uint32_t;

class Keysock {
 public:
  /// Called once for each client that receives a message; the client owns that message.
  using Deliver = absl::FunctionRef<void(ClientId, pfkey::Message&&)>;

  explicit Keysock(Options options = {});
  ~Keysock();

  ClientId open();
  /// Ends the client's registrations, promiscuous mode and walks. Its larval SAs remain until they time out.
  void close(ClientId client);

  /// One request of a client. A DUMP is only started: the caller then pulls it with next_dumped(). With
  /// Options::defers_removals so is one that removes many SAs: see remover().
  void handle(ClientId client, pfkey::Message&& request, Instant now, Deliver deliver);
  /// The error reply for bytes that were not a message.
  void reject(ClientId client, const pfkey::Malformed& why, Deliver deliver);

  /// Whether the client has a DUMP in progress.
  bool dumping(ClientId client) const;
  /// Delivers the next message of the client's DUMP (an SA, or finally the end marker), to it and to promiscuous
  /// clients. The caller calls it whenever the client has room, so that a slow reader costs no memory.
  void next_dumped(ClientId client, Deliver deliver);

  /// The client whose request is being carried out by remove_some(); nullopt: none. It may have been closed.
  std::optional<ClientId> remover() const;
  /// Whether the client has such a request, which may wait for those of others.
  bool removing(ClientId client) const;
  /// As Engine::remove_some().
  void remove_some(std::size_t most, Deliver deliver);

  /// Requests an SA from the registered key managers. False: that was already requested, or none is registered.
  bool acquire(const Wanted& wanted, Instant now, Deliver deliver);

  /// As Engine::expire().
  void expire(Instant now, Deliver deliver, std::size_t most = SIZE_MAX);
  /// Does what packets made due (Engine::attend).
  void attend(Instant now, Deliver deliver);
  std::optional<std::chrono::nanoseconds> deadline() const;

  const Engine& engine() const;
  Engine& engine();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ipseckey::engine
