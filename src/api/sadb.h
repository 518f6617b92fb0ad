#pragma once
/// A SADB to send requests to and to listen to.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/export.h"
#include "base/result.h"
#include "base/secret.h"
#include "pfkey/message.h"

namespace ipseckey {

/// A copy of key material in locked memory; the caller wipes the original. Errors: invalid (more than Secret::kMaxSize
/// bytes), io (out of memory).
IPSECKEY_API Result<Secret> secret_of(Bytes material) noexcept;

/// How many messages a Listener missed at this place because it read too slowly; 0: an unknown number; nullopt: `m` is
/// an ordinary message. After a loss, dump() again.
IPSECKEY_API std::optional<std::uint32_t> messages_lost(const pfkey::Message& m) noexcept;

/// Receives the messages that a SADB sends to all listeners: what other programs add, change and delete, and what
/// expires.
class IPSECKEY_API Listener {
 public:
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  /// Ends listening. For a promiscuous one it waits until the SADB confirms that: 10 s if the SADB no longer answers.
  ~Listener();

  /// For poll(POLLIN): readable when next() has messages or an Error; -1 once listening has ended with an Error. It is
  /// not readable for the reply with which listening begins, nor for messages that came during a request of the same
  /// Sadb, so call next() before you wait.
  int descriptor() const noexcept;

  /// The messages that have arrived, at most a few thousand; empty: none yet. Does not wait. The very first message is
  /// the reply that confirms that listening has begun: no change after it is missed. An Error ends listening; it is
  /// returned after the messages before it, and by every later call.
  Result<std::vector<pfkey::Message>> next() noexcept;

 private:
  friend class Sadb;
  struct Ear;
  explicit Listener(std::unique_ptr<Ear> ear) noexcept;

  std::unique_ptr<Ear> ear_;
};

/// A connection to one SADB. Requests are PF_KEY messages; their `seq` and `pid` are set here. After a move only the
/// new object may be used. When memory runs out during a request, the object and its Listener fail from then on.
class IPSECKEY_API Sadb {
 public:
  /// Opens what `where` names, as `ipseckey --sadb` does: `ipsecd`, `ipsecd:PATH`, `kernel`, `memory` (empty, of this
  /// object's own), or `auto` (ipsecd if it answers, else the kernel). Errors say what is missing and how to mend it:
  /// syntax (not such a word), unreachable, denied, unsupported, timeout, io.
  static Result<Sadb> open(std::string_view where = "auto") noexcept;

  Sadb(Sadb&&) noexcept;
  Sadb& operator=(Sadb&&) noexcept;
  ~Sadb();

  /// The SADB in use, as a person would name it: "ipsecd:/run/ipsecd/pfkey.sock", "kernel", "memory".
  const std::string& name() const noexcept;

  /// Sends one request (any but DUMP) and waits for its reply, which may carry a reservation (`remark`). A refusal is
  /// an Error whose text says why: exists, not_found, denied, invalid, unsupported, io. When no reply came it is
  /// unreachable or timeout, and whether the request was carried out is unknown.
  Result<pfkey::Message> ask(pfkey::Message request) noexcept;

  /// The same for many requests, which need few system calls together. They are carried out in order; a refusal stops
  /// none of those after it. Returns one result for each request, in the same order. If the call itself returns an
  /// Error, either one of the requests is a DUMP and nothing was sent (invalid), or memory ran out and it is unknown
  /// what was done (io).
  Result<std::vector<Result<pfkey::Message>>> ask_all(std::vector<pfkey::Message> requests) noexcept;

  /// Calls `sink` with every SA of a type (unspec: of all types), keys included. Errors as of ask(), and io when `sink`
  /// throws; `sink` cannot use this Sadb, which then answers invalid. SAs that came before an Error were delivered.
  Result<void> dump(pfkey::SaType type, const std::function<void(pfkey::Message&&)>& sink) noexcept;

  /// Begins to listen. `promiscuous`: also to requests and replies of others. A second Listener at the same time is an
  /// Error (invalid); requests may be sent meanwhile, and a Listener may outlive its Sadb.
  Result<Listener> listen(bool promiscuous = false) noexcept;

 private:
  friend class Listener;
  struct State;
  explicit Sadb(std::shared_ptr<State> state) noexcept;

  std::shared_ptr<State> state_;
};

}  // namespace ipseckey
