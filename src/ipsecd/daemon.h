#pragma once
/// The event loop: sockets and timers around the Server.
#include <sys/types.h>
#include <systemd/sd-event.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "ipsecd/clients/access.h"
#include "ipsecd/clients/listener.h"
#include "ipsecd/clients/server.h"
#include "ipsecd/keep/vault.h"
#include "ipsecd/packets/dataplane.h"
#include "ipsecd/rationed_log.h"
#include "ipsecd/status_socket.h"
#include "system/descriptor.h"
#include "system/local_addresses.h"

namespace ipseckey::ipsecd {

/// Serves one listening socket until it is stopped. Clients are served alternately, a few messages at a time.
class Daemon {
 public:
  struct Options {
    Dataplane* dataplane = nullptr;               ///< Outlives the daemon.
    Policy policy;                                ///< Who is served.
    std::size_t clients = 1024;                   ///< The limit of connections at a time;
    std::size_t clients_of_a_user = 64;           ///< connections per user, except root and ipsecd's own user.
    std::optional<std::size_t> most_sas;          ///< nullopt: no limit.
    Vault* vault = nullptr;                       ///< Keeps the SAs for a restart; outlives the daemon.
    Server::Memory memory = [] { return true; };  ///< As in Server.
    bool rules_need_packets = false;              ///< Rules are refused without a data plane, which would obey them.
  };

  /// Writes one line to the log, without the program's name. No line contains a byte of a message.
  using Log = std::function<void(std::string_view)>;

  /// The listener outlives the daemon. Error io: the system has no event loop to give.
  static Result<std::unique_ptr<Daemon>> make(const Listener& listener, Log log, const Options& options);
  static Result<std::unique_ptr<Daemon>> make(const Listener& listener, Log log) {
    return make(listener, std::move(log), Options());
  }
  ~Daemon();

  /// Ends run() on SIGTERM and SIGINT. The caller has blocked both in all threads.
  Result<void> stop_on_signals();
  /// Also serves the status at that path. Errors: those of Listener::at().
  Result<void> tell_status_at(const std::string& path);
  /// Restores the SAs from the vault; call it before run(). Returns how many there are then, and how many could not be
  /// read.
  struct Restored {
    std::size_t sas = 0, lost = 0;
  };
  Restored restore();
  /// Sends the service manager's watchdog a sign of life as often as it requires.
  Result<void> watch_over();
  Status status() const;
  /// Serves until stop(). Call once.
  Result<void> run();
  /// Ends run(), from any thread.
  void stop();

 private:
  struct Connection {
    Daemon* daemon = nullptr;
    ClientId id = 0;
    uid_t uid = 0;
    Descriptor fd;
    sd_event_source* source = nullptr;
    std::uint32_t events = 0;               // The events that `source` waits for.
    SecretBuffer rest;                      // What is left of its last packet, while others are served;
    std::size_t rest_at = 0, rest_end = 0;  // this part of it.
    bool resumed = false;                   // It is in resumed_.
    ~Connection() { sd_event_source_disable_unref(source); }
  };

  Daemon(const Listener& listener, Log log, const Options& options);

  Result<void> set_up();
  Result<void> attend_to_packets();
  void accept_waiting();
  void admit(Descriptor fd);
  /// The errno with which the peer is refused; 0: it is served.
  std::uint8_t refusal_of(const Peer& peer);
  void pause_accepting(int error);
  void serve(Connection& connection, std::uint32_t events);
  /// False: the client has closed its side and has no further requests.
  bool read(Connection& connection);
  class Turn;
  /// Gives the server the requests of a packet, and keeps the rest if the turn is over or the client must read first.
  void take(Connection& connection, MutableBytes packet, Turn& turn, Instant at);
  /// Whether resume() has something to continue: the rest of a packet, a removal of many SAs, releasing memory.
  bool unfinished() const;
  /// Does a portion of it.
  void resume();
  Sent send(ClientId to, Bytes wire);
  void close(ClientId id);
  /// Call after clients were served: sets what each of them and the engine wait for.
  void settle();
  void set_timer();
  /// Whether trim_heap() has memory of removed SAs to release, which it does in portions.
  bool trims_heap() const;
  void trim_heap();
  /// Ends run(), which then returns the error.
  void give_up(Error error);
  /// Logs events that a connection causes, which anybody can do at any rate.
  void tell(RationedLog::Kind kind, std::string line);
  void await_log();

  const Listener& listener_;
  Log log_;
  RationedLog rationed_;
  Options options_;
  LocalAddresses local_;
  Server server_;
  SecretBuffer in_;  // One received packet; wiped after each.
  Descriptor stop_;
  sd_event* loop_ = nullptr;
  sd_event_source* accept_source_ = nullptr;
  sd_event_source* accept_timer_ = nullptr;
  sd_event_source* timer_ = nullptr;
  sd_event_source* log_timer_ = nullptr;
  std::unique_ptr<StatusSocket> status_socket_;
  std::optional<std::chrono::nanoseconds> timer_at_;
  std::optional<Error> failure_;
  bool swap_logged_ = false;
  std::size_t most_sas_ = 0;       // Since the heap was trimmed.
  std::vector<ClientId> touched_;  // Clients whose wants may have changed since settle().
  std::vector<ClientId> resumed_;  // Clients that have the rest of a packet and are served in the next turn.
  std::unordered_map<ClientId, std::unique_ptr<Connection>> connections_;
  std::unordered_map<uid_t, std::size_t> connections_of_;  // By user.
};

}  // namespace ipseckey::ipsecd
