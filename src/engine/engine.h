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

/// Who is to receive a message. keysock.h turns it into clients; promiscuous clients receive all of them.
enum class Audience : std::uint8_t {
  sender,               ///< GET, DUMP, X_PROMISC, X_INVERSE_ACQUIRE, X_DELPAIR_STATE and errors of unknown types.
  everyone,             ///< GETSPI, UPDATE, X_UPDATEPAIR, ADD, DELETE, X_DELPAIR, FLUSH, EXPIRE: success and error.
  registered,           ///< REGISTER, ACQUIRE: those registered for the message's SA type, and the sender if any.
  extended_registered,  ///< The same for extended registrations; ACQUIRE then has SA type 0.
};

using Sink = absl::FunctionRef<void(Audience, pfkey::Message&&)>;

struct Options {
  /// Whether an address belongs to this host (Solaris' class ME); decides the direction of an SA that names none.
  /// Default: not known, and then such an SA serves both directions and shows none.
  std::function<bool(const Address&)> is_local;
  /// 32 random bits, for GETSPI. Default: std::random_device.
  std::function<std::uint32_t()> random;
  /// Whether an algorithm of the table can be used here. Default: all can.
  std::function<bool(const pfkey::Algorithm&)> usable;
  /// Why one that cannot be used is missing, and what brings it: the remark of a refusal; static. Default: nothing.
  std::function<std::string_view(const pfkey::Algorithm&)> cure = {};
  /// Requests are judged in full, but of an SA only what names it and pairs it is kept: its keys, limits and identities
  /// are checked, then forgotten. For the check of a big file.
  bool dry_run = false;
  /// Whether SENSITIVITY extensions are accepted.
  bool label_policy = false;
  /// Whether a mark is part of what names an SA, as on Linux.
  bool names_by_mark = false;
  /// What Linux takes and this engine does not is kept and shown, too: OFFLOAD, NAT addresses of IPv6, NAT addresses of
  /// the host itself without a port.
  bool as_linux = false;
  /// An SA keeps the direction that it was given and no other: what the addresses and a pair tell only counts where it
  /// contradicts. For an engine that holds what another SADB shall get.
  bool only_asked_directions = false;
  /// What carries packets for the SAs; outlives the engine. Default: nothing does.
  Carrier* carrier = nullptr;
  /// What holds the SAs for the next process; outlives the engine. Default: nothing does.
  Keeper* keeper = nullptr;
};

/// What identifies an SA (RFC 4301 section 4.1).
struct SaId {
  pfkey::SaType satype{};
  std::uint32_t spi = 0;  ///< Host order.
  Address dst;
  std::uint32_t mark = 0;  ///< Its value; only where Options::names_by_mark.
  bool operator==(const SaId&) const = default;
};

/// Traffic for which there is no SA: what an ACQUIRE asks for.
struct Wanted {
  pfkey::SaType satype{};
  pfkey::Endpoint src, dst;
  std::optional<pfkey::Endpoint> inner_src, inner_dst;  ///< Both or neither.
  bool operator==(const Wanted&) const = default;
};

/// A walk over the SADB that a DUMP asked for. It visits the SAs there were at its start, oldest first, as they are
/// when it reaches them; SAs that go meanwhile are left out, new ones do not appear. It may outlive its engine.
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
  /// with the request's seq and pid; only an ACQUIRE with an errno, which is a notice, gets none. A refused request has
  /// changed nothing.
  void handle(pfkey::Message&& request, Instant now, Sink out);

  /// A hint that this request comes soon: its SA is looked for before it is needed.
  void expect(const pfkey::Message& request) const;

  /// Starts a DUMP; if the request is wrong, the error reply comes through `out` and nullptr comes back.
  std::unique_ptr<DumpWalk> dump(const pfkey::Message& request, Instant now, Sink out);
  /// The next SA of a walk, or nullopt after the last: then the caller sends dump_end().
  std::optional<pfkey::Message> next(DumpWalk& walk);
  /// The end marker: the request's header with seq 0.
  static pfkey::Message dump_end(const DumpWalk& walk);

  /// Does what is due at `now`: soft, hard and idle expiry, larval and acquire time-outs. In the order of the
  /// deadlines.
  void expire(Instant now, Sink out);
  /// When expire() has something to do next, on the steady clock; nullopt: never.
  std::optional<std::chrono::nanoseconds> deadline() const;

  /// Does what packets made due, as the carrier tells: soft and hard limits of bytes and flows, the last sequence
  /// number (EXPIRE, and the SA is gone), the first use from which usetime runs.
  void attend(Instant now, Sink out);

  /// Asks the key managers for an SA: an extended and a plain ACQUIRE with one new seq, which is given back. nullopt:
  /// that was asked less than 15 s ago and is not answered, or too many questions are open; nothing is sent.
  std::optional<std::uint32_t> acquire(const Wanted& wanted, Instant now, Sink out);
  /// Nobody heard the ACQUIRE: it may be asked again at once.
  void unheard(std::uint32_t seq);

  /// Takes in an SA that a Keeper held, as it was, without a word to anybody; to be called before all else, in the
  /// order of the serials. What is due of it, the next expire() does. False: there is one with that identity, or what
  /// it holds is no SA.
  bool restore(Kept&& kept, Instant now);

  std::size_t size() const;  ///< SAs in the SADB, of all types and states.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Who hears a message of that type: the reply to a request, an error, or a notice (section "Delivery" of
/// doc/reference/pf-key.md). ACQUIRE and REGISTER: by the SA type, 0 being the extended kind.
Audience audience_of(pfkey::Type type, pfkey::SaType satype);

}  // namespace ipseckey::engine
