#pragma once
/// Sends protected packets: complete IP packets through raw sockets or, where that is possible, packet sockets
/// (ways.h); ESP in UDP, many packets at once, through the socket of their port.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "ipsecd/packets/ways.h"
#include "system/descriptor.h"
#include "traffic/plane.h"

namespace ipseckey::ipsecd {

/// For one thread. Sends many packets with one system call.
class Outlet {
 public:
  /// `mark`: SO_MARK for sent packets, so that routing rules can distinguish them from packets to protect; 0: none.
  /// Packets longer than their path MTU are sent in fragments if allowed. Error denied: it needs CAP_NET_RAW.
  /// `offload`: runs of datagrams of equal length are passed to the kernel in one piece, if it supports that
  /// (UDP_SEGMENT).
  static Result<Outlet> make(std::uint32_t mark, bool offload);
  /// From now on complete packets may leave by packet sockets.
  void use(Ways ways) { ways_.emplace(std::move(ways)); }

  /// `fd` is a UDP socket with that port, which outlives this use: packets with that source port may leave through it.
  void use(std::uint16_t port, int fd);
  void forget(std::uint16_t port);

  /// Handles an item that is longer than its link's MTU of `mtu` bytes: Worker::narrow(), after which it leaves in
  /// fragments; false: it is dropped.
  using Narrow = std::function<bool(traffic::Item& item, std::uint32_t mtu)>;
  void narrow_with(Narrow narrow) { narrow_ = std::move(narrow); }

  /// Sends the items without a cause, in order, and returns how many items are done: all, or with `wait` those before
  /// the first for which full() has no room; the caller passes the rest again, and nothing else before it. Without
  /// `wait`, packets for which there is no room are dropped.
  std::size_t send(std::span<traffic::Item> items, bool wait);
  /// The socket that had no room; it has room again when it becomes writable. -1: it was a link's queue, which does not
  /// report that, or packets must leave it before others may take another way.
  int full() const { return full_; }

  std::uint64_t unsent() const { return unsent_; }  ///< Packets, and fragments, that the kernel refused.
  /// Packets that were passed to packet sockets.
  std::uint64_t framed() const { return framed_; }

 private:
  Outlet(Descriptor v4, Descriptor v6, bool offload);

  int raw_socket(Family family) const { return family == Family::v4 ? v4_.get() : v6_.get(); }
  int socket_of(const traffic::Item& item) const;
  bool send_fragments(traffic::Item& item, bool wait);
  bool send_now(Bytes packet, const traffic::Departure& departure);
  bool is_raw(int fd) const { return fd == v4_.get() || fd == v6_.get(); }
  bool is_framed(int fd) const { return ways_ && ways_->is_packet_socket(fd); }
  bool leave_former(int former, bool wait);
  void refused_frames(std::size_t from);
  void refused(traffic::Item& item, int error);
  void send_cut(traffic::Item& item, std::uint32_t mtu);
  void add_whole(traffic::Item& item, bool framed);
  void add_datagrams(std::span<traffic::Item* const> run);
  const std::byte* flush(bool wait);
  void send_apart(std::size_t message);
  std::span<traffic::Item* const> owners_of(std::size_t message) const;

  struct Port {
    std::uint16_t port;
    int fd;
    bool dont_fragment;  // As its datagrams leave now.
  };
  void set_dont_fragment();
  struct Batch;
  Descriptor v4_, v6_;
  bool offload_;
  std::vector<Port> ports_;
  Narrow narrow_ = [](traffic::Item&, std::uint32_t) { return false; };
  int full_ = -1;
  std::size_t fragments_sent_ = 0;  // For the packet that waits for room.
  std::uint64_t unsent_ = 0, framed_ = 0;
  std::optional<Ways> ways_;
  std::unique_ptr<Batch, void (*)(Batch*)> batch_;
};

}  // namespace ipseckey::ipsecd
