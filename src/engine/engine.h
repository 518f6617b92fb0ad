#pragma once
/// The key engine: the SADB as a state machine of messages and time. No text, no I/O, no clock.
/// What it answers, and where it deliberately differs from Solaris, is in doc/pf-key.md.
#include <absl/functional/function_ref.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/instant.h"
#include "base/net.h"
#include "pfkey/message.h"

namespace engine {

/// Who is to receive a message. keysock.h turns it into clients; promiscuous clients receive all of them.
enum class Audience : std::uint8_t {
  sender,               ///< GET, DUMP, X_PROMISC, X_INVERSE_ACQUIRE, X_DELPAIR_STATE and errors of unknown types.
  everyone,             ///< GETSPI, UPDATE, X_UPDATEPAIR, ADD, DELETE, X_DELPAIR, FLUSH, EXPIRE: success and error.
  registered,           ///< REGISTER, ACQUIRE: those registered for the message's SA type, and the sender if any.
  extended_registered,  ///< The same for extended registrations.
};

using Sink = absl::FunctionRef<void(Audience, pfkey::Message&&)>;

struct Options {
  /// Whether an address belongs to this host (Solaris' class ME); decides an SA's direction. Default: none does.
  std::function<bool(const Address&)> is_local;
  /// 32 random bits, for GETSPI. Default: std::random_device.
  std::function<std::uint32_t()> random;
  /// Off: keys are checked, then forgotten, for a dry run over a big file.
  bool keep_keys = true;
  /// Whether SENSITIVITY extensions are accepted.
  bool label_policy = false;
};

/// A walk over the SADB that a DUMP asked for. It names the SAs there were at its start; SAs that go meanwhile are
/// left out, new ones do not appear.
class DumpWalk;

class Engine {
 public:
  explicit Engine(Options options = {});
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  /// Answers one request of any type but DUMP and X_PROMISC. Every request gets its reply or error reply through `out`,
  /// with the request's seq and pid; changes that others must hear of follow.
  void handle(pfkey::Message request, Instant now, Sink out);

  /// Starts a DUMP; the request is EINVAL / NO_EXT or UNKNOWN_SATYPE through `out` (and nullptr comes back) if it is
  /// wrong.
  std::unique_ptr<DumpWalk> dump(const pfkey::Message& request, Instant now, Sink out);
  /// The next SA of a walk, or nullopt after the last: then the caller sends dump_end().
  std::optional<pfkey::Message> next(DumpWalk& walk);
  /// The end marker: the request's header with seq 0.
  static pfkey::Message dump_end(const DumpWalk& walk);

  /// Does what is due at `now`: soft, hard and idle expiry, larval and acquire time-outs.
  void expire(Instant now, Sink out);
  /// When expire() has something to do next, on the steady clock; nullopt: never.
  std::optional<std::chrono::nanoseconds> deadline() const;

  std::size_t size() const;  ///< SAs in the SADB, of all types and states.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace engine
