#pragma once
/// The engine's state and its handlers, which are in add.cc, update.cc, remove.cc, ageing.cc, registry.cc and
/// engine.cc.
#include <cerrno>
#include <deque>
#include <expected>
#include <memory>

#include "engine/acquire.h"
#include "engine/checks.h"
#include "engine/engine.h"
#include "engine/lifecycle.h"
#include "engine/reply.h"
#include "engine/sadb.h"
#include "pfkey/notices.h"

namespace ipseckey::engine {

using pfkey::kSameWayRound, pfkey::kServesBoth;
/// There is not enough memory for one more SA.
inline constexpr Refusal kNoMemory{ENOMEM, pfkey::Diagnostic::none, "not enough memory for another SA"};

/// Whether flags name one direction.
constexpr bool one_way(std::uint32_t flags) {
  const std::uint32_t ways = flags & Sa::kBothWays;
  return ways != 0 && ways != Sa::kBothWays;
}

/// Handlers take a request that passed normalise(); they answer it themselves unless they refuse it, and then they have
/// changed nothing.
struct Engine::State {
  Options options;
  Sadb sadb;
  Deadlines deadlines;
  Acquires acquires;

  /// A request that removes all SAs which it describes, under way.
  struct Removal {
    pfkey::Message request;
    bool (*wanted)(const Sa& sa, const pfkey::Message& request);
    bool with_partners;
    std::shared_ptr<Sadb::Cursor> cursor;
  };
  std::deque<Removal> removals;  ///< The first one is continued.

  explicit State(Options o) : options(std::move(o)), sadb(options.names_by_mark) {}

  Check getspi(pfkey::Message& request, Instant now, Sink out);
  Check add(pfkey::Message& request, Instant now, Sink out);
  Check update(pfkey::Message& request, Instant now, Sink out);  ///< And X_UPDATEPAIR.
  Check get(pfkey::Message& request, Instant now, Sink out);
  Check remove(pfkey::Message& request, Instant now, Sink out);  ///< DELETE and X_DELPAIR.
  Check remove_by_state(pfkey::Message& request, Instant now, Sink out);
  Check flush(pfkey::Message& request, Instant now, Sink out);
  Check reg(pfkey::Message& request, Instant now, Sink out);
  Check acquire(pfkey::Message& request, Instant now, Sink out);  ///< From a key manager.
  Check inverse_acquire(pfkey::Message& request, Instant now, Sink out);
  Check refuse_expire(pfkey::Message& request, Instant now, Sink out);

  /// The identity in a request with SA and DST.
  SaId id_of(const pfkey::Message& request) const;
  /// The SA that a request with SA and DST (and perhaps SRC) names; the Refusal is SA_NOTFOUND.
  Sa* named(const pfkey::Message& request);
  /// Answers a request whose SA named() does not find: SA_NOTFOUND, with the difference to a similar SA in words.
  Check not_found(const pfkey::Message& request, Sink out);
  /// Whether an SA was requested to serve both directions, so that it cannot be in a pair.
  bool serves_both(std::uint32_t flags, const Address& src, const Address& dst) const;
  /// The directions that an SA with these flags serves.
  std::uint32_t ways_of(std::uint32_t flags, const Address& src, const Address& dst) const;
  /// Makes the two a pair, whose halves have opposite directions.
  void join(Sa& sa, Sa& partner);
  /// The SA that would become the partner of one with these facts; otherwise the reason why there is none.
  std::expected<Sa*, Refusal> find_partner(const SaId& id, const Address& src, std::uint32_t flags,
                                           std::uint32_t pair_spi);
  /// Adds what the carrier knows about the SA's packets.
  void refresh(Sa& sa);
  /// The current SA, including what the carrier counts.
  pfkey::Message show(Sa& sa, const pfkey::Message& header, WithKeys keys);
  /// Notifies the carrier and the keeper of an SA that is new or has changed.
  void publish(const Sa& sa);
  void carry(const Sa& sa);  ///< Only the carrier, and only for usable SAs.
  void keep(const Sa& sa);   ///< Only the keeper.
  /// If the hard limit is reached, ends the SA and returns false; otherwise does what is due at `now` and sets the next
  /// deadline.
  bool age(Sa& sa, Instant now, Sink out);
  /// Removes an SA from the SADB; its partner remains, unpaired.
  void erase(Sa& sa);
  /// Begins to remove all SAs that the request describes.
  void remove_all(pfkey::Message& request, bool with_partners, decltype(Removal::wanted) wanted);
  /// The SA, and its partner with it, have reached a hard limit: sends EXPIRE(HARD) for each, and deletes them.
  void die(Sa& sa, Sink out);
  /// Whether packets have reached a hard limit of the SA that attend() does not know about yet.
  bool used_up(const Sa& sa) const;
  /// If packets have used up the SA or its partner (null: none), both die, and the Refusal reports it: a request about
  /// an SA that has ended comes too late.
  Check end_if_used_up(Sa& sa, Sa* partner, Sink out);
};

/// Stores the parts of the message that are in Rare.
void keep_rare(Sa& sa, const pfkey::Message& m);

/// Sends a request back as its own reply: no errno, no keys, only what the request says about the SA.
void echo(pfkey::Message& request, Sink out);

}  // namespace ipseckey::engine
