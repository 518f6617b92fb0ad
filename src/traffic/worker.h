#pragma once
/// What the threads of a Plane share, and what belongs to each Worker.
#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "traffic/detail/ah_batch.h"
#include "traffic/detail/choice.h"
#include "traffic/detail/epoch.h"
#include "traffic/detail/followers.h"
#include "traffic/detail/keep_alives.h"
#include "traffic/detail/lookup.h"
#include "traffic/detail/loop.h"
#include "traffic/detail/reassembly.h"
#include "traffic/detail/rounds.h"
#include "traffic/detail/wrap.h"
#include "traffic/plane.h"

namespace ipseckey::traffic {

/// Totals that one thread counts and other threads read.
class Meter {
 public:
  void pass(std::uint64_t bytes) { bump(packets_, 1), bump(bytes_, bytes); }
  void drop(Cause cause) { bump(drops_[static_cast<std::size_t>(cause)], 1); }
  void let_go() { bump(clear_, 1); }
  void add_to(Totals& totals) const;

 private:
  using Counter = std::atomic<std::uint64_t>;
  static void bump(Counter& c, std::uint64_t by) {
    c.store(c.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  Counter packets_{0}, bytes_{0}, clear_{0};
  std::array<Counter, kCauses> drops_{};
};

/// A few requests to the engine's thread, written by one thread and read by another; if it is full, more are dropped.
class Questions {
 public:
  /// False: full.
  bool push(const engine::Wanted& wanted);
  std::optional<engine::Wanted> pop();
  /// For the reader.
  bool empty() const { return read_.load(std::memory_order_relaxed) == written_.load(std::memory_order_acquire); }

 private:
  static constexpr std::uint32_t kMost = 16;
  std::array<engine::Wanted, kMost> ring_;
  std::atomic<std::uint32_t> written_{0}, read_{0};
};

/// The SA that a connection's packets last used, so that the next packet needs no search, and no lookup among the SA's
/// connections. Another connection may replace it: then both are done again.
class Memory {
 public:
  Memory() : entries_(kSize) {}

  struct Entry {
    std::uint64_t generation = 0;      ///< The tables' when it was written; while it is unchanged, the Flow exists.
    Flow* flow = nullptr;              ///< For outgoing packets.
    std::uint64_t counted = 0;         ///< The serial of the Flow that has counted the connection.
    std::uint64_t counted_around = 0;  ///< The same for the AH SA around it.
    Address src, dst;
    std::uint32_t ports = 0;  ///< Or ICMP's type and code.
    std::uint8_t protocol = 0;
    bool fragment = false;
    /// The fields that distinguish connections between two hosts: ICMP has no ports, whatever types the SA names.
    std::uint64_t kind() const;
    Flow* around = nullptr;  ///< AH around the Flow, if that is ESP of a bundle; without it, the bundle is incomplete.
    // What rules decided; for incoming packets, about the SA in `flow` and `around`.
    std::uint32_t rules = 0;        ///< Orders::serial; 0: not decided by rules.
    policy::Lookup::Head head = 0;  ///< Whose rules were asked.
    std::uint32_t mark = 0;         ///< The packet's.
    Cause verdict = Cause::no_sa;   ///< Outgoing, without `flow`: its cause, or Cause::clear. Incoming: its cause.
    bool by_hook = false;           ///< As in Arrived.
    std::optional<std::size_t> rule = {};  ///< The number of the rule that is about it; incoming: that of the verdict.
  };
  /// The entry of the packet's connection; a new one if the slot is empty or has another connection.
  Entry& at(const Headers& h);

 private:
  static constexpr std::size_t kSize = 2048;
  std::vector<Entry> entries_;
};

/// The rules that are in force (obey.cc).
struct Orders {
  std::shared_ptr<const policy::Lookup> lookup;
  std::uint32_t serial = 0;                    ///< Not 0.
  std::optional<policy::Lookup::Head> device;  ///< Of the tunnel that the plane's device is.
};

/// The part of a worker that the Plane owns.
struct Desk {
  Meter outbound, inbound;
  Questions questions;
};

struct Plane::State {
  PlaneOptions options;
  Epochs epochs;
  Lookup<Flow> flows;
  Choice choice;
  Followers followers;  // For SAs in UDP, if they follow their peers.
  KeepAlives keep_alives;
  std::atomic<std::uint64_t> generation{1};
  std::atomic<const Orders*> orders{nullptr};  // nullptr: no rules.
  std::uint32_t orders_given = 0;
  std::atomic<bool> owners{false};     // An SA has had an owner (Flow::owner).
  std::atomic<Flow*> listed{nullptr};  // Flows that need attention, through Flow::next_listed.
  Rounds pending;                      // The engine's thread has taken these off the list.
  unsigned asked = 0;                  // Requests that it received at once.
  KeyedHash tags;                      // For connections.
  DatagramIds datagrams;
  Returned returned;
  std::vector<std::unique_ptr<Desk>> desks;

  explicit State(PlaneOptions o);
  ~State();
  Flow* find(const engine::SaId& id) const;
  void list(Flow& flow);
  void change(Flow& flow, const engine::Sa& sa);
  void file(Flow& flow);
  void take_listed();
  void collect();
};

/// Moves the packet to its longer buffer. False: it has none, or that is too short.
bool move_to_spare(Item& item);

struct Worker::State {
  static constexpr std::size_t kBatch = 32;

  Plane::State& plane;
  unsigned number;
  Desk& desk;
  crypto::Crypto crypto;
  Memory outgoing, incoming;
  Reassembly reassembly;  // For outbound packets.
  Reassembly gathered;    // For opened ones.
  bool attention = false;
  const Orders* orders = nullptr;     // Those of the present call.
  std::uint64_t began = 0;            // The generation at its start: read before the orders.
  Memory::Entry* recent = nullptr;    // Of the outbound packet begun last; null if not its own headers decided.
  AhBatch ah_icvs;                    // Of the batch at hand.
  std::unique_ptr<std::byte[]> kept;  // ESP as it arrived, for the one packet of a batch that may be tried again.

  State(Plane::State& plane, unsigned number);

  void begin_call() { began = plane.generation.load(), orders = plane.orders.load(); }

  struct Batch;
  struct Delete {
    void operator()(Batch* batch) const;
  };
  std::unique_ptr<Batch, Delete> current;  // The packets of the present call.
  /// Begins each packet; ESP packets then wait in `batch` for the cipher.
  template <class Begin>
  void begin_all(Batch& batch, std::span<Item> items, Meter& meter, Begin begin);
  void drop_failed(Batch& batch, Cause cause, Meter& meter);
  void keep_for_trial(Batch& batch, Work& w);
  void try_higher(Batch& batch);
  Cause check_ah_higher(Work& w);
  Cause begin_ah(Work& w);
  void seal_all_ah(Batch& batch, std::size_t count);
  void protect_some(std::span<Item> items, Instant now);
  void unprotect_some(std::span<Item> items, Instant now);

  Cause begin_out(Work& w, Instant now);
  Cause fit(Work& w, const Layout& layout, std::uint32_t mtu) const;
  bool leaves_as_fragment(Work& w);
  Cause make_whole(Work& w, Instant now);
  void count_lost_pieces();
  void expire_pieces(Instant now);
  Cause begin_in(Batch& batch, Work& w);
  Cause complete(Batch& batch, Work& w);
  bool pair_arrived(const Work& w) const;
  Cause find_inside(Work& w);
  Cause ask(Work& w, std::size_t number_at);
  Cause locate(Work& w);
  Cause finish_in(Work& w, Instant now);
  struct Chosen {
    Flow *flow, *around;  ///< As in Memory::Entry; for half a bundle, only that half.
  };
  Chosen chosen(const Headers& h) const;
  template <class Is>
  Flow* companion_if(const Flow& flow, const Headers& h, Is is) const;
  Flow* companion(const Flow& flow, const Headers& h) const;
  Cause take_bundle(Work& w, const Memory::Entry& seen);
  // Here, so that a packet needs no call for it. The generation leads to a Flow, so it is read as Epochs requires:
  // sequentially consistent. Half a bundle is remembered, too: any change that could complete it changes the
  // generation.
  Memory::Entry& choose(Memory::Entry& entry, const Headers& h) {
    const std::uint64_t generation = plane.generation.load();
    const bool known = entry.flow && entry.generation == generation && entry.flow->usable.load();
    if (known && (!entry.around || entry.around->usable.load())) return entry;
    return choose_again(entry, h, generation);
  }
  Memory::Entry& choose_again(Memory::Entry& entry, const Headers& h, std::uint64_t generation);
  // By the rules, if there are any.
  Memory::Entry& pick(const Work& w, Memory::Entry& entry, const Headers& h) {
    return orders ? obey(*w.item, entry, h) : choose(entry, h);
  }
  Memory::Entry& pick(const Work& w, const Headers& h) { return pick(w, outgoing.at(h), h); }
  bool read_headers(Work& w) const;
  Memory::Entry& choose_peer(Work& w);
  // Under rules (obey.cc).
  Memory::Entry& obey(const Item& item, Memory::Entry& entry, const Headers& h);
  void decide(Memory::Entry& entry, const Item& item, const Headers& h) const;
  struct Fit {
    bool fits = false;
    Flow* around = nullptr;  // The AH SA, if the rule demands both.
    bool unique = false;
  };
  Fit fit_of(const policy::Rule& rule, const Flow& flow, const Headers& h, std::uint64_t tag) const;
  bool ruled_as_fragment(Work& w);
  policy::Lookup::Head head_of(const Item& item) const;
  Chosen choose_for(const policy::Rule& rule, const Headers& h) const;
  Flow* newest_for(const policy::Rule& rule, const Headers& h, std::uint64_t tag) const;
  Flow* companion_for(const policy::Rule& rule, const policy::Protection& p, const Flow& esp, const Headers& h,
                      std::uint64_t tag) const;
  std::uint64_t tag_of(const Headers& h) const;
  void ask_as_ruled(const Item& item, const Headers& h);
  // Under rules (permit.cc).
  struct Judged {
    Cause cause;
    std::optional<std::size_t> rule = {};  // The number of the one that says so.
  };
  Cause permit(const Work& w, Memory::Entry& seen) const;
  Judged examine(const Work& w) const;
  Judged admit(const Item& item) const;
  Cause noted(const Judged& judged, policy::Direction direction) const;
  Memory::Entry* choose_by_quote(Work& w);
  bool charge(Work& w, Memory::Entry& seen, Instant now);
  bool charge_both(Work& w, Memory::Entry& seen, Instant now);
  bool charge(Flow& flow, std::uint64_t& counted, const Work& w, const Memory::Entry& seen, Instant now);
  std::optional<std::uint64_t> uncounted(const Flow& flow, std::uint64_t counted, const Memory::Entry& seen) const;
  bool next_numbers(Work& w);
  void call_for(Flow& flow);
  void clamp(const Work& w, const Flow& flow, const Flow* around, std::uint32_t mtu);
  void clamp_arrived(const Work& w, Instant now);
  void ask_for(const Headers& h);
  void drop(Work& w, Cause cause, Meter& meter);
};

}  // namespace ipseckey::traffic
