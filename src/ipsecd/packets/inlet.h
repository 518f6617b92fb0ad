#pragma once
/// Sockets through which protected packets arrive: raw ones for ESP and AH, UDP ones for ESP behind a NAT (RFC 3948).
#include <linux/filter.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/net.h"
#include "base/result.h"
#include "system/descriptor.h"
#include "traffic/plane.h"

namespace ipseckey::ipsecd {

/// How packet threads share what arrives: thread `number` of `count` gets the packets of the same SAs each time.
struct Share {
  unsigned number = 0, count = 1;
};

/// The filter of a raw socket that gets only a share of what arrives: packets whose SPI, modulo the number of threads,
/// is this one's, because every raw socket sees all of them. The first thread gets packets that are too short for an
/// SPI.
std::vector<sock_filter> share_filter(Family family, std::uint8_t protocol, Share share);

/// Lets packets of some megabytes wait in a socket before they are sent: up to the limit of the kernel. The usual 208
/// KiB are 90 packets, fewer than one batch, and a link's own queue is longer.
void give_room(int fd);

/// How the UDP sockets work, from which packets leave too.
struct UdpOptions {
  std::uint32_t mark = 0;  ///< SO_MARK of what is sent; 0: none.
  bool offload = true;     ///< Many datagrams of a peer in one piece, where the kernel knows how (UDP_GRO).
};

/// One socket. Move-only; used by one thread.
class Inlet {
 public:
  static constexpr std::size_t kBatch = 128;  ///< Packets that one receive() takes at most.

  /// Protocol 50 or 51 of a family. Error denied: it needs CAP_NET_RAW. unsupported: the host has no such family.
  static Result<Inlet> raw(Family family, std::uint8_t protocol, Share share);
  /// A UDP port of a family, on every address. Errors: exists (another program has it), denied, io; unsupported: the
  /// host has no such family.
  static Result<Inlet> udp(Family family, std::uint16_t port, UdpOptions options);

  /// A share of the ESP on a UDP port that another program holds, or nobody. Errors: those of raw().
  static Result<Inlet> beside(Family family, std::uint16_t port, Share share);

  int fd() const { return fd_.get(); }
  Family family() const { return family_; }
  std::uint16_t port() const { return port_; }
  /// Whether it is a UDP socket, by which packets from its port can leave.
  bool udp() const { return port_ != 0 && !beside_; }

  /// Puts waiting packets into the buffers of `items`, whole, with the outer headers that they arrived under, ready for
  /// Worker::unprotect(); empty where those are not all known. How many there were; never waits.
  std::size_t receive(std::span<traffic::Item> items);
  /// Whether some were left for want of buffers, of which the descriptor does not tell.
  bool left() const;

 private:
  Inlet(Descriptor fd, Family family, std::uint8_t protocol, std::uint16_t port, bool beside = false);

  std::size_t take_whole(std::span<traffic::Item> items);
  std::size_t take_pieces(std::span<traffic::Item> items);
  bool open_piece();

  struct Batch;
  Descriptor fd_;
  Family family_;
  std::uint8_t protocol_;
  std::uint16_t port_;  // 0: none.
  bool beside_;
  std::unique_ptr<Batch, void (*)(Batch*)> batch_;
};

/// A socket for reports of paths that are too narrow (RFC 1191, RFC 8201), for the daemon's own thread.
class PathInlet {
 public:
  static Result<PathInlet> make(Family family);
  /// From a socket that gives ICMP errors, of IPv4 with their IP headers.
  PathInlet(Descriptor fd, Family family) : fd_(std::move(fd)), family_(family) {}
  int fd() const { return fd_.get(); }
  /// What waits about paths of SAs, of at most kBatch errors: anybody can send more than one thread reads.
  std::vector<traffic::PathReport> take();
  static constexpr std::size_t kBatch = 64;

 private:
  Descriptor fd_;
  Family family_;
};

}  // namespace ipseckey::ipsecd
