#pragma once
/// One queue of the TUN device, in packets of the link: long packets from the host's stack are segmented, and packets
/// to it are merged, if the device supports that (IFF_VNET_HDR).
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "traffic/coalesce.h"
#include "traffic/plane.h"
#include "traffic/segment.h"

namespace ipseckey::ipsecd {

/// For one thread.
class TunQueue {
 public:
  /// `fd` must not block, and outlives this. `offload`: a virtio_net_hdr precedes each packet; `datagrams`: which may
  /// describe many UDP datagrams (Tun::offloads_datagrams()).
  TunQueue(int fd, bool offload, bool datagrams);

  int fd() const { return fd_; }

  /// Reads waiting packets into the buffers of `items`, or for those cut from a long packet into closer ones of its
  /// own, valid until the next call; 0: none waits. `origins` gets a number for each, the same for packets that were
  /// one packet of the stack. Never waits, allocates nothing.
  std::size_t read(std::span<traffic::Item> items, std::span<std::uint32_t> origins);

  /// Whether some packets were left for lack of buffers; the descriptor does not report them.
  bool left() const;

  /// Passes the items without a cause to the stack, in order. A device that is down or full drops packets, like any
  /// other.
  void write(std::span<traffic::Item> items);
  void write(Bytes packet);
  std::uint64_t refused() const { return refused_; }  ///< Packets that it dropped.

  /// Whether read() found that the device no longer exists: the descriptor has none until it is attached to one again.
  bool gone() const { return gone_; }
  void back() { gone_ = false; }

 private:
  bool receive();
  bool next_segment(traffic::Item& item, std::size_t number);
  void write_parts(std::span<const iovec> parts, std::size_t packets);
  void write_pieces(std::span<const MutableBytes> pieces, const traffic::Offload& offload);

  int fd_;
  bool offload_;
  bool gone_ = false;
  std::unique_ptr<std::byte[]> long_;   // The packet that is being segmented.
  std::unique_ptr<std::byte[]> close_;  // Buffers of the usual size.
  std::optional<traffic::Segments> segments_;
  std::uint32_t origin_ = 0;
  std::uint64_t refused_ = 0;
  traffic::Coalescer coalescer_;
};

}  // namespace ipseckey::ipsecd
