#pragma once
/// One SA as the packet path knows it: its facts, which never change, its directions, its keys, its counters and its
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
#include "traffic/cause.h"
#include "traffic/detail/connections.h"
#include "traffic/detail/datagram_ids.h"
#include "traffic/detail/peer_place.h"
#include "traffic/detail/replay.h"
#include "traffic/detail/spin_lock.h"
#include "traffic/packet.h"
#include "traffic/sa_numbers.h"

namespace ipseckey::traffic {

/// What an SA covers (RFC 4301 section 4.4.1.1); addresses by prefix, a protocol of 0 and ports that are not there are
/// any. ICMP's type is where the source port is, its code where the other one is.
struct Selectors {
  Address src, dst;
  std::uint8_t src_prefix = 0, dst_prefix = 0;
  std::uint8_t protocol = 0;
  std::optional<std::uint16_t> src_port, dst_port;

  /// Whether the packet is covered. A fragment without ports is not, if the SA names any (RFC 4301 section 7).
  bool match(const Headers& h) const;
  bool operator==(const Selectors&) const = default;
};

class Flow {
 public:
  /// The SA is usable and has its keys. IVs of counter modes start at `iv_start`, which nobody can predict.
  /// `live`: the numbers of this SA; if they have begun, they continue.
  Flow(const engine::Sa& sa, unsigned workers, std::uint64_t iv_start,
       std::shared_ptr<SaNumbers> live = std::make_shared<SaNumbers>());

  // Facts.
  const engine::SaId id;
  const std::uint32_t hash;    ///< Of the identity.
  const std::uint64_t serial;  ///< The SADB's: ascends with age.
  const Address src;           ///< Unspecified: any.
  const bool tunnel, udp, esn;
  const std::size_t ah_unit;  ///< Bytes that AH is a multiple of (RFC 4302 section 2.6): 8, or under IPv4 4.
  const Selectors selectors;
  const std::optional<pfkey::Endpoint> local, remote;  ///< Of UDP encapsulation.
  const std::uint32_t tfc_pad;  ///< Bytes that what a tunnel encrypts is made, where the path has room; 0: as they are.
  const pfkey::Df df;           ///< Of a tunnel's outer IPv4 header; copied, where there is none.
  const std::uint32_t dscp;     ///< pfkey::Dscp of a tunnel; else kDscpKeep.
  const std::uint32_t keepalive;  ///< Seconds without a packet after which a NAT is shown one; 0: never.
  const std::uint32_t bundle;     ///< AH and ESP with the same number protect together (joined()); 0: it is in none.
  const crypto::Suite& suite() const { return suite_; }

  /// The worker's own expanded keys for one way, made at its first packet that way; nullptr: the library refuses. They
  /// stay when the directions change: packets in hand use them.
  crypto::Keyed* sealing(unsigned worker);
  crypto::Keyed* opening(unsigned worker);

  // What the SADB changes while packets flow.
  std::atomic<bool> usable{true};  ///< Read as pointers to it are (epoch.h): who halts it waits for all who saw it so.
  std::atomic<bool> dying{false};
  std::atomic<bool> receives{false}, sends{false};  ///< A pair may say it later than the SA came.
  void take(const engine::Sa& sa);
  /// The path takes packets of `mtu` bytes, outer header included. What is wider than known is no news of the path
  /// (RFC 8201 section 4).
  void narrow_path(std::uint32_t mtu, Instant now);
  /// What is known of the path; 0: nothing, or it is kPathLife old, and may have become wider (RFC 1191 section 6.3,
  /// RFC 8201 section 4, RFC 4301 section 8.2.2).
  std::uint32_t path_mtu(Instant now) const;
  static constexpr std::chrono::minutes kPathLife{10};

  // The numbers of what is sent.
  /// The next sequence number; nullopt: the last one was given, and the SA must end.
  std::optional<std::uint64_t> next_number();
  /// Whether there is one; others may take it.
  bool has_number() const { return numbers_->number.load(std::memory_order_relaxed) != last_number(); }
  /// Of the datagrams to the peer; the Plane's, set before the first packet.
  DatagramIds::Series datagrams;
  std::uint64_t next_iv() { return numbers_->iv.fetch_add(1, std::memory_order_relaxed); }

  // The window of what arrives. Packet threads alone hold its lock; what the SADB wants of it is done at the next
  // packet.
  /// The whole number behind the 32 bits that are sent, and what the window says of it.
  std::pair<std::uint64_t, ReplayWindow::Verdict> ask(std::uint32_t low);
  struct Marked {
    ReplayWindow::Verdict verdict;
    bool newest;  ///< Higher than all before.
  };
  Marked mark(std::uint64_t number);

  // Of ESP in UDP: where the peer is.
  PeerPlace peer;
  /// A packet thread: the authentic packet with that number, then the newest, came from there.
  void seen_at(const Place& place, std::uint64_t number);
  /// The engine's thread: what is sent goes there from now on. Packet threads may still read what it gives back.
  std::unique_ptr<const Place> send_to(const Place& place);
  /// Where that is; nullptr: where the SA says. For the time of a batch.
  const Place* sends_to() const { return sends_to_.load(); }

  /// When the last packet left, on the steady clock, as far as keepalive wants to know; before the first: the start.
  /// After a restart of who carries it, that is its last packet before, if it only sends.
  std::chrono::nanoseconds left_at() const { return std::chrono::nanoseconds(left_at_.load()); }
  void leaves(Instant now) {
    left_at_.store(static_cast<std::uint64_t>(now.steady.count()), std::memory_order_relaxed);
  }

  /// After kFailures packets in a row that were corrupt an SA with extended numbers may have lost count of the half
  /// that is not sent: then the next one is tried with up to kTries higher ones (RFC 4303 appendix A3).
  bool may_have_lost_count() const { return esn && failures_.load(std::memory_order_relaxed) >= kFailures; }
  /// It was tried: as many failures are to come before the next.
  void tried() { failures_.store(0, std::memory_order_relaxed); }
  static constexpr std::uint32_t kFailures = 64, kTries = 16;

  /// Accounts for a packet of that many bytes. `connection`: its tag, where this SA may not have carried it before.
  /// False: it would reach a hard limit; it is not carried, and counts for nothing.
  bool charge(std::uint64_t bytes, const std::optional<std::uint64_t>& connection, Instant now);
  /// Whether it would, if nobody else did meanwhile. Nothing is counted.
  bool has_room(std::uint64_t bytes, const std::optional<std::uint64_t>& connection);
  /// The last packet that charge() let through is not carried after all.
  void give_back(std::uint64_t bytes);
  /// Counts a packet that this SA dropped.
  void count(Cause cause);
  engine::Carried carried() const;

  /// Whether somebody should look at the limits; asked and cleared by who puts the Flow on the list.
  bool needs_attention() { return attention_.load(std::memory_order_relaxed) && !listed.exchange(true); }
  std::atomic<bool> listed{false};
  Flow* next_listed = nullptr;
  /// The control thread has looked.
  void attended() {
    attention_.store(false, std::memory_order_relaxed);
    listed.store(false);
  }

  // The chains of its Group (choice.h), newest first: of the mature, and of the dying.
  static constexpr std::size_t kAges = 2;
  struct Chain {
    std::atomic<Flow*> older{nullptr};
    Flow* newer = nullptr;  // The writer's alone.
  };
  std::array<Chain, kAges> chains;
  bool filed_dying = false;  // The writer's alone: which chain it is in.

 private:
  using Counter = SaNumbers::Counter;

  Secret auth_key_, encrypt_key_;
  crypto::Suite suite_;
  struct Ways {
    std::unique_ptr<crypto::Keyed> seal, open;
  };
  std::unique_ptr<Ways[]> keyed_;  // One for each worker.

  std::atomic<const Place*> sends_to_{nullptr};
  std::unique_ptr<const Place> sends_to_owner_;

  std::uint64_t last_number() const { return esn ? UINT64_MAX : UINT32_MAX; }
  void settle();
  bool admit(std::uint64_t connection);
  void end();

  const std::shared_ptr<SaNumbers> numbers_;
  SpinLock lock_;
  ReplayWindow window_;
  std::atomic<std::uint32_t> window_size_;  // What the SADB wants it to be,
  Counter let_in_{0};                       // and up to where everything shall count as let in.
  mutable Counter told_;                    // What the control thread knows of the numbers.
  std::atomic<std::uint32_t> failures_{0};  // Corrupt packets since one that was not.

  SpinLock connections_lock_;
  Connections connections_;

  Counter hard_bytes_{0}, soft_bytes_{0}, hard_flows_{0}, soft_flows_{0};  // 0: no limit.
  std::atomic<std::uint32_t> path_mtu_{0};
  Counter left_at_;
  Counter path_told_{0};  // When, on the steady clock.
  std::atomic<bool> attention_{false};
  std::atomic<std::uint32_t> exhausted_{0};  // Packets that found a hard limit or the last number reached.
};

/// Whether they are the AH and the ESP SA of a bundle (RFC 4301 section 4.4.2.1), AH around ESP between the same hosts,
/// in either order. A tunnel is ESP's; AH may be one for the same packets, or in transport mode for what ESP makes.
bool joined(const Flow& one, const Flow& other);

}  // namespace ipseckey::traffic
