#pragma once
/// One SA as the packet path sees it: its facts, which never change, its directions, its keys, its counters and its
/// replay window.
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "base/secret.h"
#include "crypto/crypto.h"
#include "engine/carrier.h"
#include "engine/sadb.h"
#include "policy/judge.h"
#include "traffic/cause.h"
#include "traffic/detail/connections.h"
#include "traffic/detail/datagram_ids.h"
#include "traffic/detail/peer_place.h"
#include "traffic/detail/replay.h"
#include "traffic/detail/spin_lock.h"
#include "traffic/packet.h"
#include "traffic/sa_numbers.h"

namespace ipseckey::traffic {

/// What an SA covers (RFC 4301 section 4.4.1.1): addresses by prefix; protocol 0 and absent ports match anything.
/// ICMP's type takes the source port's field, its code the destination port's.
struct Selectors {
  Address src, dst;
  std::uint8_t src_prefix = 0, dst_prefix = 0;
  std::uint8_t protocol = 0;
  std::optional<std::uint16_t> src_port, dst_port;

  /// Whether the packet is covered. A fragment without ports is not, if the SA names ports (RFC 4301 section 7).
  bool match(const Headers& h) const;
  bool operator==(const Selectors&) const = default;
};

class Flow {
 public:
  /// The SA is usable and has its keys. IVs of counter modes start at `iv_start`, which must be unpredictable. `live`:
  /// the numbers of this SA; if they have been used before, they continue.
  Flow(const engine::Sa& sa, unsigned workers, std::uint64_t iv_start,
       std::shared_ptr<SaNumbers> live = std::make_shared<SaNumbers>());

  // Facts.
  const engine::SaId id;
  const std::uint32_t hash;    ///< The hash of the identity.
  const std::uint64_t serial;  ///< The SADB's serial number: newer SAs have higher ones.
  const Address src;           ///< Unspecified: any.
  const bool tunnel, udp, esn;
  const std::size_t ah_unit;  ///< AH's length is a multiple of this (RFC 4302 section 2.6): 8 bytes, or under IPv4 4.
  const Selectors selectors;
  const std::optional<pfkey::Endpoint> local, remote;  ///< Of UDP encapsulation.
  const std::uint32_t tfc_pad;  ///< Bytes to which a tunnel pads what it encrypts, if the path has room; 0: no padding.
  const pfkey::Df df;           ///< DF of a tunnel's outer IPv4 header; copied, if not set.
  const std::uint32_t dscp;     ///< pfkey::Dscp of a tunnel; else kDscpKeep.
  const std::uint32_t keepalive;  ///< Seconds without a packet after which a keepalive is sent for the NAT; 0: never.
  const std::uint32_t bundle;  ///< AH and ESP with the same number protect packets together (joined()); 0: no bundle.
  const crypto::Suite& suite() const { return suite_; }
  /// What rules ask about it.
  policy::SaFacts facts() const;

  /// The worker's own expanded keys for one direction, created at its first packet that way; nullptr: the library
  /// refused. They remain when the directions change, because batches in progress use them.
  crypto::Keyed* sealing(unsigned worker);
  crypto::Keyed* opening(unsigned worker);

  // What the SADB changes while packets flow.
  std::atomic<bool> usable{true};  ///< Read in the same way as pointers to the Flow (epoch.h): code that halts it waits
                                   ///< for all that saw it running.
  std::atomic<bool> dying{false};
  std::atomic<bool> receives{false}, sends{false};  ///< An SA's pair may set it later than its ADD.
  void take(const engine::Sa& sa);
  /// The path accepts packets of `mtu` bytes, outer header included. A larger value than the known one is not news
  /// about the path (RFC 8201 section 4).
  void narrow_path(std::uint32_t mtu, Instant now);
  /// The known path MTU; 0: unknown, or older than kPathLife and may have become larger (RFC 1191 section 6.3, RFC 8201
  /// section 4, RFC 4301 section 8.2.2).
  std::uint32_t path_mtu(Instant now) const;
  static constexpr std::chrono::minutes kPathLife{10};

  // Outbound numbers.
  /// The next sequence number; nullopt: the last one was used, and the SA must end.
  std::optional<std::uint64_t> next_number();
  /// Whether a number is left; other threads may take it.
  bool has_number() const { return numbers_->number.load(std::memory_order_relaxed) != last_number(); }
  /// IDs for datagrams to the peer; set by the Plane before the first packet.
  DatagramIds::Series datagrams;
  std::uint64_t next_iv() { return add(numbers_->iv, 1); }

  // The window of inbound packets. Only packet threads take its lock; changes that the SADB requests are made at the
  // next packet.
  /// The full number for the 32 bits that are sent, and the window's verdict on it.
  std::pair<std::uint64_t, ReplayWindow::Verdict> ask(std::uint32_t low);
  struct Marked {
    ReplayWindow::Verdict verdict;
    bool newest;  ///< Higher than all before.
  };
  Marked mark(std::uint64_t number);

  // For ESP in UDP: where the peer is.
  PeerPlace peer;
  /// For packet threads: the authentic packet with that number, then the newest, came from there.
  void seen_at(const Place& place, std::uint64_t number);
  /// For the engine's thread: packets are sent there from now on. Packet threads may still read the place that this
  /// returns.
  std::unique_ptr<const Place> send_to(const Place& place);
  /// Where that is; nullptr: at the address in the SA. Valid for the time of a batch.
  const Place* sends_to() const { return sends_to_.load(); }

  /// When the last packet left, on the steady clock, as precisely as keepalive needs it; before the first: the start.
  /// After a restart of ipsecd, it is the last packet before it, if the SA only sends.
  std::chrono::nanoseconds left_at() const { return std::chrono::nanoseconds(left_at_.load()); }
  void leaves(Instant now) {
    left_at_.store(static_cast<std::uint64_t>(now.steady.count()), std::memory_order_relaxed);
  }

  /// After kFailures corrupt packets in a row, an SA with extended numbers may have lost track of the half that is not
  /// sent: the next packet is then tried with up to kTries higher halves (RFC 4303 appendix A3).
  bool may_have_lost_count() const { return esn && failures_.load(std::memory_order_relaxed) >= kFailures; }
  /// They were tried: the same number of failures must come before the next time.
  void tried() { failures_.store(0, std::memory_order_relaxed); }
  static constexpr std::uint32_t kFailures = 64, kTries = 16;

  /// Accounts for a packet of that many bytes. `connection`: its tag, if this SA may not have carried it before. False:
  /// it would reach a hard limit; then it must not be carried, and nothing is counted.
  bool charge(std::uint64_t bytes, const std::optional<std::uint64_t>& connection, Instant now);
  /// Whether charge() would succeed if no other thread came first. Nothing is counted.
  bool has_room(std::uint64_t bytes, const std::optional<std::uint64_t>& connection);
  /// The last packet that charge() accepted is not carried after all.
  void give_back(std::uint64_t bytes);
  /// Counts a packet that this SA dropped.
  void count(Cause cause);
  engine::Carried carried() const;

  /// Whether the engine's thread should check the limits; read and cleared by the code that lists the Flow.
  bool needs_attention() { return attention_.load(std::memory_order_relaxed) && !listed.exchange(true); }
  std::atomic<bool> listed{false};
  Flow* next_listed = nullptr;
  /// The engine's thread has checked.
  void attended() {
    attention_.store(false, std::memory_order_relaxed);
    listed.store(false);
  }

  // For rules (obey.cc).
  std::atomic<std::uint64_t> owner{0};  ///< The tag of the only connection that it serves (`sa unique`); 0: any.
  std::atomic<bool> chosen{false};      ///< It was chosen for a packet since this process began.

  // The chains of its Group (choice.h), newest first: of the mature, and of the dying.
  static constexpr std::size_t kAges = 2;
  struct Chain {
    std::atomic<Flow*> older{nullptr};
    Flow* newer = nullptr;  // For the writer only.
  };
  std::array<Chain, kAges> chains;
  bool filed_dying = false;  // For the writer only: which chain it is in.

 private:
  using Counter = SaNumbers::Counter;

  const bool alone_;  // There is one packet thread.
  const std::uint32_t reqid_, if_id_;
  const std::optional<pfkey::Mark> mark_;
  Secret auth_key_, encrypt_key_;
  crypto::Suite suite_;
  struct Ways {
    std::unique_ptr<crypto::Keyed> seal, open;
  };
  std::unique_ptr<Ways[]> keyed_;  // One for each worker.

  std::atomic<const Place*> sends_to_{nullptr};
  std::unique_ptr<const Place> sends_to_owner_;

  /// Returns what it was. Only packet threads may call this, for a counter that only they write: a single one needs no
  /// bus lock, which waits until all stores before it are done.
  std::uint64_t add(Counter& counter, std::uint64_t by) {
    if (!alone_) return counter.fetch_add(by, std::memory_order_relaxed);
    const std::uint64_t was = counter.load(std::memory_order_relaxed);
    counter.store(was + by, std::memory_order_relaxed);
    return was;
  }
  std::unique_lock<SpinLock> hold_window() {
    return alone_ ? std::unique_lock(lock_, std::defer_lock) : std::unique_lock(lock_);
  }
  std::uint64_t last_number() const { return esn ? UINT64_MAX : UINT32_MAX; }
  void settle();
  bool admit(std::uint64_t connection);
  void end();

  const std::shared_ptr<SaNumbers> numbers_;
  SpinLock lock_;
  ReplayWindow window_;
  std::atomic<std::uint32_t> window_size_;  // The size that the SADB requested,
  Counter let_in_{0};                       // and the number up to which everything counts as received.
  mutable Counter told_;                    // The numbers as the engine's thread last saw them.
  std::atomic<std::uint32_t> failures_{0};  // Corrupt packets since the last good one.

  SpinLock connections_lock_;
  Connections connections_;

  Counter hard_bytes_{0}, soft_bytes_{0}, hard_flows_{0}, soft_flows_{0};  // 0: no limit.
  std::atomic<std::uint32_t> path_mtu_{0};
  Counter left_at_;
  Counter path_told_{0};  // The time of that, on the steady clock.
  std::atomic<bool> attention_{false};
  std::atomic<std::uint32_t> exhausted_{0};  // Packets that met a hard limit or the last number.
};

/// Whether they are the AH and the ESP SA of a bundle (RFC 4301 section 4.4.2.1), in either order: AH around ESP
/// between the same hosts. If there is a tunnel, it is ESP's; AH is in tunnel mode for the same packets, or in
/// transport mode for the packets that ESP produces.
bool joined(const Flow& one, const Flow& other);

}  // namespace ipseckey::traffic
