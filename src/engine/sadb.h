#pragma once
/// The SADB: what is stored of each SA, and the tables that find it.
#include <absl/container/flat_hash_set.h>

#include <bit>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "base/large_pages.h"
#include "base/net.h"
#include "base/secret.h"
#include "base/slots.h"
#include "engine/engine.h"
#include "engine/kept.h"
#include "pfkey/message.h"

namespace ipseckey::engine {

/// Keys as stored: parity corrected, the parts of an encryption key separate.
struct Keys : Pooled<Keys> {
  Secret auth;
  Secret encrypt;  ///< Key, then salt.
  Secret iv;       ///< The explicit initial IV; empty: none was specified.
};

/// Limits in the units of pfkey::Lifetime, and the state of their supervision.
struct Limits : Pooled<Limits> {
  pfkey::Lifetime hard, soft;
  std::optional<pfkey::Lifetime> idle;  ///< As requested, not all 0. Absent: half of hard.addtime counts.
  Instant idle_from;                    ///< Start of the idle period: the add, the last use or the last update.
  bool idle_told = false;               ///< EXPIRE(IDLE) was sent for this period.
  std::optional<std::chrono::nanoseconds> deadline;  ///< As in Deadlines, steady clock.
};

/// What packets changed in an SA. Absent until its first use.
struct Use {
  std::uint64_t bytes = 0;
  std::uint32_t allocations = 0;
  Instant first, last;
};

/// Parts that few SAs have.
struct Rare : KeptTable {
  std::uint32_t replay_high = 0;  ///< The upper half of an extended sequence number; Sa::replay_value is the lower.

  /// The key manager that owns the SA; all zeros: none.
  pfkey::KmCookie manager() const { return at<&pfkey::Message::km_cookie>().value_or(pfkey::KmCookie{}); }
};

/// One SA. At most 128 bytes, because a file of a million SAs is checked against this table; parts that most SAs lack
/// are allocated separately and null if absent.
struct Sa {
  using Index = std::uint32_t;
  static constexpr Index kNone = UINT32_MAX;

  Address src, dst;  ///< The source is unspecified for a wildcard.
  pfkey::SaType satype{};
  pfkey::State state{};
  std::uint8_t auth = 0, encrypt = 0;
  std::uint8_t window = 0;  ///< Replay window, packets.
  std::uint8_t proto = 0;
  std::uint16_t src_port = 0, dst_port = 0;
  std::uint32_t spi = 0;
  std::uint32_t flags = 0;         ///< pfkey::SaFlag, derived ones included.
  std::uint32_t replay_value = 0;  ///< The last sequence number sent, or the highest seen.
  Index pair = kNone;              ///< The partner, which also refers to this SA.
  Index index = kNone, older = kNone, newer = kNone;
  std::uint64_t serial = 0;  ///< Increases in the order of insertion.
  Instant added;
  std::unique_ptr<Use> use;
  std::unique_ptr<Limits> limits;
  std::unique_ptr<Keys> keys;
  std::unique_ptr<Rare> rare;

  bool is(pfkey::State s) const { return state == s; }
  SaId id() const { return {satype, spi, dst}; }  ///< Without its mark.

  static constexpr std::uint32_t kBothWays = pfkey::kFlagInbound | pfkey::kFlagOutbound;
};
static_assert(sizeof(Sa) <= 128);

/// For an SA without rare parts, an empty object.
const Rare& rare_of(const Sa& sa);

/// Whether its sequence numbers have 64 bits.
inline bool extended_numbers(const Sa& sa) {
  if (!sa.rare) return false;
  const auto& window = sa.rare->at<&pfkey::Message::replay_window>();
  return window && window->esn;
}

/// The replay window, packets.
inline std::uint32_t window_of(const Sa& sa) {
  const auto& wide = rare_of(sa).at<&pfkey::Message::replay_window>();
  return wide ? wide->window : sa.window;
}

/// The last sequence number sent, or the highest seen, all 64 bits.
inline std::uint64_t sequence_of(const Sa& sa) {
  return sa.replay_value | (sa.rare ? std::uint64_t{sa.rare->replay_high} << 32 : 0);
}
/// The upper bits are cut off unless the SA has extended numbers.
inline void set_sequence(Sa& sa, std::uint64_t number) {
  sa.replay_value = static_cast<std::uint32_t>(number);
  if (extended_numbers(sa)) sa.rare->replay_high = static_cast<std::uint32_t>(number >> 32);
}

/// All SAs. An SA's identity is its type, SPI and destination (RFC 4301 section 4.1); it does not move in memory while
/// it lives. Iteration follows the order of insertion, oldest first; an SA that an UPDATE completes keeps its position.
class Sadb {
 public:
  /// A position in the order that stays valid while SAs are added and deleted.
  struct Cursor {
    Sa::Index next;
    std::uint64_t last_serial;  ///< Later SAs are not visited.
    bool back = false;          ///< From the newest to the oldest.
  };

  /// `names_by_mark`: as in Options.
  explicit Sadb(bool names_by_mark = false);
  Sadb(const Sadb&) = delete;
  Sadb& operator=(const Sadb&) = delete;
  ~Sadb();

  std::size_t size() const { return by_id_.size(); }

  /// Prefetches the memory for a look-up of that identity into the processor's cache.
  void prefetch(const SaId& id) const;
  /// The SA with that identity; nullptr: none.
  Sa* find(const SaId& id);
  /// The same, if its source matches: equal, or unspecified on either side, or `src` null.
  Sa* find(const SaId& id, const Address* src);

  /// For an identity without an SA: an SA with the same SPI and destination, but with another mark or of the other
  /// type; nullptr: none.
  Sa* find_near(const SaId& id);

  /// Ensures that the tables have memory for the next insert(). False: there is none, and the next insert() would end
  /// the process.
  bool make_room();
  /// A new SA with that identity, otherwise default, at the end of the order; nullptr: the identity is in use.
  Sa* insert(const SaId& id);
  /// The identity of an SA of this SADB.
  SaId id_of(const Sa& sa) const;
  /// Frees the SA and, at once, its keys. It must be unpaired.
  void erase(Sa& sa);

  /// Whether the tables, without an SA, have much memory.
  bool has_spare() const { return by_id_.empty() && chunks_.size() > kKeptChunks; }
  /// Releases a part of it, so that no call takes long.
  void release_spare();

  Sa* oldest() { return oldest_ == Sa::kNone ? nullptr : &at(oldest_); }
  Sa* newer(const Sa& sa) { return sa.newer == Sa::kNone ? nullptr : &at(sa.newer); }
  Sa& at(Sa::Index index) {
    const std::size_t chunk = chunk_of(index);
    return chunks_[chunk][index - first_of(chunk)];
  }

  Sa* partner(const Sa& sa) { return sa.pair == Sa::kNone ? nullptr : &at(sa.pair); }
  static void pair(Sa& a, Sa& b);
  /// Dissolves the pair, if there is one; both SAs remain.
  void unpair(Sa& sa);

  /// A cursor before the oldest SA that ends with the currently newest one. The SADB keeps it valid while it is held.
  std::shared_ptr<Cursor> walk();
  /// A cursor at the newest SA, for the way back to the oldest.
  std::shared_ptr<Cursor> walk_back();
  /// Advances the cursor and returns the SA that it was at; nullptr at the end.
  Sa* step(Cursor& cursor);

 private:
  // Each chunk is twice as long as the one before: an index determines its chunk, and a big SADB has large pages.
  static constexpr std::size_t kFirstChunk = 512, kKeptChunks = 3;
  static std::size_t first_of(std::size_t chunk) { return kFirstChunk * ((std::size_t{1} << chunk) - 1); }
  static std::size_t length_of(std::size_t chunk) { return kFirstChunk << chunk; }
  static std::size_t chunk_of(std::size_t index) {
    return static_cast<std::size_t>(std::bit_width(index / kFirstChunk + 1)) - 1;
  }

  // The hash beside the index: growing the table and most misses then access no SA.
  struct Entry {
    std::uint32_t hash;
    Sa::Index index;
  };
  struct Probe {
    std::uint32_t hash;
    const SaId* id;
  };
  struct ProbeAnyMark : Probe {};
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Entry& e) const { return spread(e.hash); }
    std::size_t operator()(const Probe& p) const { return spread(p.hash); }
    static std::size_t spread(std::uint32_t hash);
  };
  struct Equal {
    using is_transparent = void;
    Sadb* sadb;
    bool operator()(const Entry& a, const Entry& b) const { return a.index == b.index; }
    bool operator()(const Entry& a, const Probe& b) const;
    bool operator()(const Probe& a, const Entry& b) const { return (*this)(b, a); }
    bool operator()(const Entry& a, const ProbeAnyMark& b) const;
    bool operator()(const ProbeAnyMark& a, const Entry& b) const { return (*this)(b, a); }
  };

  Sa& allocate();
  std::shared_ptr<Cursor> hold(Cursor from);
  std::uint32_t mark_of(const Sa& sa) const {
    if (!names_by_mark_ || !sa.rare) return 0;
    const auto& mark = sa.rare->at<&pfkey::Message::mark>();
    return mark ? mark->value : 0;
  }

  bool names_by_mark_;

  std::vector<Sa*> chunks_;
  std::size_t made_ = 0;        // The number of SAs in them, including the free list; memory beyond is not used yet.
  std::size_t planned_ = 0;     // The number of entries that by_id_ has room for.
  Sa::Index free_ = Sa::kNone;  // A list through Sa::newer.
  Sa::Index oldest_ = Sa::kNone, newest_ = Sa::kNone;
  std::uint64_t last_serial_ = 0;
  absl::flat_hash_set<Entry, Hash, Equal, LargePages<Entry>> by_id_;
  std::vector<std::weak_ptr<Cursor>> cursors_;
};

}  // namespace ipseckey::engine
