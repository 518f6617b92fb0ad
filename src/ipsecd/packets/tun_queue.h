#pragma once
/// One queue of the TUN device, by packets of the link: long ones that the host's stack hands over are cut, and what
/// goes to it is joined, where the device can do that (IFF_VNET_HDR).
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

/// Used by one thread.
class TunQueue {
 public:
  /// `fd`: does not block, and outlives this. `offload`: a virtio_net_hdr precedes each packet.
  TunQueue(int fd, bool offload);

  int fd() const { return fd_; }

  /// Puts waiting packets into the buffers of `items`; 0: none waits. `origins` gets a number for each, the same for
  /// what was one packet of the stack. Never waits, allocates nothing.
  std::size_t read(std::span<traffic::Item> items, std::span<std::uint32_t> origins);

  /// Whether some were left for want of buffers, of which the descriptor does not tell.
  bool left() const;

  /// Hands the items whose cause is none to the stack, in order. A device that is down or full drops, like any other.
  void write(std::span<traffic::Item> items);
  void write(Bytes packet);
  std::uint64_t refused() const { return refused_; }  ///< Packets that it dropped.

  /// Whether read() found that the device is no more: the descriptor has none, until it is attached to one again.
  bool gone() const { return gone_; }
  void back() { gone_ = false; }

 private:
  bool receive();
  void write_parts(std::span<const iovec> parts, std::size_t packets);
  void write_pieces(std::span<const MutableBytes> pieces, const traffic::Offload& offload);

  int fd_;
  bool offload_;
  bool gone_ = false;
  std::unique_ptr<std::byte[]> long_;  // The packet that is being cut.
  std::optional<traffic::Segments> segments_;
  std::uint32_t origin_ = 0;
  std::uint64_t refused_ = 0;
  traffic::Coalescer coalescer_;
};

}  // namespace ipseckey::ipsecd
