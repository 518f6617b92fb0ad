#pragma once
/// Packets that netfilter's queues hold for one packet thread (--hook): those that leave, and those that arrive. After
/// the worker has handled a batch, each packet gets its verdict: it continues as it is, continues with other contents,
/// or is dropped because ipsecd sends it itself or because that is its fate.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/instant.h"
#include "base/net.h"
#include "ipsecd/packets/queue.h"
#include "ipsecd/packets/segment_size.h"
#include "traffic/plane.h"
#include "traffic/segment.h"

namespace ipseckey::ipsecd {

/// What the engine's thread tells all hooks.
struct HookOrders {
  static constexpr std::size_t kMostPorts = 16;
  /// Rules were given since the start, or no earlier ipsecd left any in netfilter. Until then nothing passes: what is
  /// queued was queued by rules that are not known yet.
  std::atomic<bool> ready = false;
  std::array<std::atomic<std::uint16_t>, kMostPorts> ports{};  ///< Where ESP in UDP arrives; 0: none.
  std::uint32_t mtu = 1500;                                    ///< Of the host's links.
  bool device = false;  ///< There is a device, which delivers what cannot continue.
};

/// For one thread.
class Hook {
 public:
  /// TCP that this host sends, in long packets, and how to cut them.
  struct Tcp {
    Queue queue;
    SegmentSize sizes;
  };
  /// What the host read of an arriving packet before it was queued.
  using Front = std::array<std::byte, 41>;
  /// `tcp`: nullopt: it comes with the rest.
  Hook(Queue out, Queue in, std::optional<Tcp> tcp, const HookOrders& orders);

  int out() const { return out_.queue.fd(); }
  int in() const { return in_.queue.fd(); }
  int tcp() const { return tcp_ ? tcp_->queue.fd() : -1; }

  /// Reads packets that leave the host into the buffers of `items`, for Worker::protect(). Never waits.
  std::size_t take_outgoing(std::span<traffic::Item> items);
  /// Their verdicts. Afterwards only items that ipsecd sends have Cause::none; those with Cause::too_big can be
  /// answered.
  void settle_outgoing(std::span<traffic::Item> items);

  /// The same for TCP that the host sends. `origins` gets a number for each item, the same for segments of one packet.
  std::size_t take_tcp(std::span<traffic::Item> items, std::span<std::uint32_t> origins, Instant now);
  void settle_tcp(std::span<traffic::Item> items);
  /// Whether segments were left for lack of buffers; the descriptor does not report them.
  bool tcp_left() const { return tcp_ && tcp_->segments && tcp_->segments->left() > 0; }

  /// The same for packets that arrive, after receive() handled them.
  std::size_t take_arriving(std::span<traffic::Item> items);
  /// Opens the protected ones, and asks for the others whether they may arrive in clear.
  void handle_arriving(std::span<traffic::Item> items, traffic::Worker& worker, Instant now);
  /// Afterwards only items that must be delivered by the device have Cause::none.
  void settle_arriving(std::span<traffic::Item> items);

  /// Packets that no worker has seen: a queue had no room for them; they are too long for it; rules are not known yet.
  struct Drops {
    std::uint64_t overruns = 0, too_long = 0, not_ready = 0;
  };
  // For any thread.
  Drops outgoing() const;
  Drops arriving() const { return in_.drops(); }

 private:
  enum class Kind : std::uint8_t { clear, secure, in_udp };
  // What is known about the packet of an item before it is handled.
  struct Known {
    std::uint32_t id = 0, out = 0;
    std::size_t size = 0;
    Address dst = {};
    Front front{};
    bool last = true;  // The last segment of its packet.
    Kind kind = Kind::clear;
  };

  // A queue, with its packets that no worker has seen.
  struct Side {
    explicit Side(Queue q) : queue(std::move(q)) {}
    Drops drops() const {
      return {queue.overruns(), too_long.load(std::memory_order_relaxed), not_ready.load(std::memory_order_relaxed)};
    }
    Queue queue;
    std::atomic<std::uint64_t> too_long = 0, not_ready = 0;
  };

  // The packet that is being cut, and what has become of its segments so far.
  struct TcpSide : Side {
    explicit TcpSide(Tcp tcp) : Side(std::move(tcp.queue)), sizes(std::move(tcp.sizes)) {}
    SegmentSize sizes;
    std::optional<traffic::Segments> segments;
    std::uint32_t id = 0, out = 0, mark = 0, origin = 0;
    bool some_sent = false, some_clear = false;
  };

  bool begin_packet(TcpSide& side, Instant now);
  std::size_t take(Side& side, std::span<traffic::Item> items);
  Kind kind_of(Bytes packet, const traffic::Headers& h) const;

  Side out_, in_;
  std::optional<TcpSide> tcp_;
  const HookOrders& orders_;
  std::vector<Known> known_;  // Of the items.
  std::uint32_t datagrams_ = 0;
};

}  // namespace ipseckey::ipsecd
