#pragma once
/// The key engine: the SADB as a state machine of messages and time. No text, no I/O, no clock.
/// What it answers, and where it deliberately differs from Solaris, is in doc/reference/pf-key.md.
#include <absl/functional/function_ref.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/instant.h"
#include "base/net.h"
#include "engine/carrier.h"
#include "engine/keep.h"
#include "pfkey/algorithms.h"
#include "pfkey/message.h"

namespace ipseckey::engine {

/// Who receives a message. keysock.h maps it to clients; promiscuous clients receive all messages.
enum class Audience : std::uint8_t {
  sender,               ///< GET, DUMP, X_PROMISC, X_INVERSE_ACQUIRE, X_DELPAIR_STATE and errors of unknown types.
  everyone,             ///< GETSPI, UPDATE, X_UPDATEPAIR, ADD, DELETE, X_DELPAIR, FLUSH, EXPIRE: success and error.
  registered,           ///< REGISTER, ACQUIRE: clients registered for the message's SA type, and the sender if any.
  extended_registered,  ///< The same for extended registrations; ACQUIRE then has SA type 0.
};

using Sink = absl::FunctionRef<void(Audience, pfkey::Message&&)>;

struct Options {
  /// Whether an address belongs to this host (Solaris's class ME); decides the direction of an SA without one. Default:
  /// unknown, and then such an SA serves both directions and shows none.
  std::function<bool(const Address&)> is_local;
  /// 32 random bits, for GETSPI. Default: std::random_device.
  std::function<std::uint32_t()> random;
  /// Whether an algorithm of the table can be used here. Default: all can.
  std::function<bool(const pfkey::Algorithm&)> usable;
  /// Why an algorithm is unavailable, and how to mend that: the remark of a refusal; static. Default: nothing.
  std::function<std::string_view(const pfkey::Algorithm&)> cure = {};
  /// Requests are checked completely, but only an SA's name and pair are stored: its keys, limits and identities are
  /// checked, then dropped. For checking a large file.
  bool dry_run = false;
  /// Whether SENSITIVITY extensions are accepted.
  bool label_policy = false;
  /// Whether a mark is part of an SA's name, as on Linux.
  bool names_by_mark = false;
  /// Extensions that Linux accepts and this engine does not are stored and shown, too: OFFLOAD, NAT addresses of IPv6,
  /// NAT addresses of the host itself without a port.
  bool as_linux = false;
  /// An SA keeps the direction that it was given and no other: the direction from the addresses or a pair matters only
  /// if it contradicts. For an engine that holds SAs meant for another SADB.
  bool only_asked_directions = false;
  /// Carries packets for the SAs; outlives the engine. Default: nothing does.
  Carrier* carrier = nullptr;
  /// Keeps the SAs for the next process; outlives the engine. Default: nothing does.
  Keeper* keeper = nullptr;
  /// A FLUSH, and a DELETE or X_DELPAIR_STATE that may be of many SAs, only begins in handle(): the caller continues it
  /// with remove_some(), so that others are answered meanwhile.
  bool defers_removals = false;
};

/// The identity of an SA (RFC 4301 section 4.1).
struct SaId {
  pfkey::SaType satype{};
  std::uint32_t spi = 0;  ///< Host order.
  Address dst;
  std::uint32_t mark = 0;  ///< The mark's value; only with Options::names_by_mark.
  bool operator==(const SaId&) const = default;
};

/// Traffic without an SA: what an ACQUIRE requests one for.
struct Wanted {
  pfkey::SaType satype{};
  pfkey::Endpoint src, dst;
  std::optional<pfkey::Endpoint> inner_src, inner_dst;  ///< Both or neither.
  bool operator==(const Wanted&) const = default;
};

/// A walk over the SADB for a DUMP. It visits the SAs that existed at its start, oldest first, in their state when it
/// reaches them; SAs deleted in the meantime are left out, new ones do not appear. It may outlive its engine.
class DumpWalk {
 public:
  ~DumpWalk();

 private:
  friend class Engine;
  struct State;
  explicit DumpWalk(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Engine {
 public:
  explicit Engine(Options options = {});
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  /// Answers one request of any type but DUMP and X_PROMISC. Every request gets its reply or error reply through `out`,
  /// with the request's seq and pid, except an ACQUIRE with an errno, which is a notice. A refused request changes
  /// nothing.
  void handle(pfkey::Message&& request, Instant now, Sink out);

  /// How many requests remove_some() must finish.
  std::size_t removals() const;
  /// Continues the oldest of them, over at most `most` SAs, from the newest to the oldest of those that there were when
  /// it began. The reply comes at its end; then removals() has decreased.
  void remove_some(std::size_t most, Sink out);

  /// A hint that this request comes soon: prefetches its SA.
  void expect(const pfkey::Message& request) const;

  /// Starts a DUMP; if the request is invalid, the error reply goes to `out` and the result is nullptr.
  std::unique_ptr<DumpWalk> dump(const pfkey::Message& request, Instant now, Sink out);
  /// The next SA of a walk, or nullopt after the last: then the caller sends dump_end().
  std::optional<pfkey::Message> next(DumpWalk& walk);
  /// The end marker: the request's header with seq 0.
  static pfkey::Message dump_end(const DumpWalk& walk);

  /// Does what is due at `now`: soft, hard and idle expiry, larval and acquire time-outs, in the order of the
  /// deadlines. Of more than `most` SAs the rest remains due.
  void expire(Instant now, Sink out, std::size_t most = SIZE_MAX);
  /// When expire() has something to do next, on the steady clock; nullopt: never.
  std::optional<std::chrono::nanoseconds> deadline() const;

  /// Does what packets made due, as the carrier reports: soft and hard limits of bytes and flows, the last sequence
  /// number (EXPIRE, and the SA is deleted), the first use from which usetime runs.
  void attend(Instant now, Sink out);

  /// Requests an SA from the key managers: an extended and a plain ACQUIRE with one new seq, which is returned.
  /// nullopt: the same was requested less than 15 s ago and is unanswered, or too many requests are open; nothing is
  /// sent.
  std::optional<std::uint32_t> acquire(const Wanted& wanted, Instant now, Sink out);
  /// Nobody received the ACQUIRE: it may be sent again at once.
  void unheard(std::uint32_t seq);

  /// Restores an SA that a Keeper held, unchanged and without notifying anyone; call it before anything else, in the
  /// order of the serials. Whatever is due for it, the next expire() does. False: its identity is in use, or its data
  /// is not an SA.
  bool restore(Kept&& kept, Instant now);

  /// Whether tables that are empty have much memory, of which release_spare() releases a part.
  bool has_spare() const;
  void release_spare();

  std::size_t size() const;  ///< SAs in the SADB, of all types and states.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Who receives a message of that type: the reply to a request, an error, or a notice (section "Delivery" of
/// doc/reference/pf-key.md). ACQUIRE and REGISTER: by the SA type; 0 is the extended kind.
Audience audience_of(pfkey::Type type, pfkey::SaType satype);

}  // namespace ipseckey::engine
