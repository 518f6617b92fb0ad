#pragma once
/// Sockets that receive protected packets: raw ones for ESP and AH, UDP ones for ESP behind a NAT (RFC 3948).
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

/// How packet threads share inbound packets: thread `number` of `count` always gets the packets of the same SAs.
struct Share {
  unsigned number = 0, count = 1;
};

/// The filter of a raw socket that receives only its share: packets whose SPI, modulo the number of threads, is this
/// thread's. It is needed because every raw socket sees all packets. The first thread gets packets that are too short
/// for an SPI.
std::vector<sock_filter> share_filter(Family family, std::uint8_t protocol, Share share);

/// Lets some megabytes of packets wait in a socket before they are sent, up to the kernel's limit. The default of 208
/// KiB holds 90 packets, less than one batch, and a link's own queue is longer.
void give_room(int fd);

/// Settings of the UDP sockets, which also send packets.
struct UdpOptions {
  std::uint32_t mark = 0;  ///< SO_MARK for sent packets; 0: none.
  bool offload = true;     ///< Receive many datagrams of a peer in one piece, if the kernel supports it (UDP_GRO).
};

/// One socket. Move-only; used by one thread.
class Inlet {
 public:
  static constexpr std::size_t kBatch = 128;  ///< The most packets that one receive() returns.

  /// Protocol 50 or 51 of a family. Errors: denied (it needs CAP_NET_RAW), unsupported (the host lacks the family).
  static Result<Inlet> raw(Family family, std::uint8_t protocol, Share share);
  /// A UDP port of a family, on every address. Errors: exists (another program holds it), denied, io; unsupported: the
  /// host lacks the family.
  static Result<Inlet> udp(Family family, std::uint16_t port, UdpOptions options);

  /// A share of the ESP on a UDP port that another program holds, or that is free. Errors: those of raw().
  static Result<Inlet> beside(Family family, std::uint16_t port, Share share);

  int fd() const { return fd_.get(); }
  Family family() const { return family_; }
  std::uint16_t port() const { return port_; }
  /// Whether it is a UDP socket, from which packets with its port can be sent.
  bool udp() const { return port_ != 0 && !beside_; }

  /// Reads waiting packets, ready for Worker::unprotect(): into the buffers of `items`, complete with their outer
  /// headers, or in buffers of the Inlet's own, valid until the next call, with headers as data (Item::told); empty if
  /// not all headers are known. Returns the number of packets; never waits.
  std::size_t receive(std::span<traffic::Item> items);
  /// Whether some packets were left for lack of buffers; the descriptor does not report them.
  bool left() const;

 private:
  Inlet(Descriptor fd, Family family, std::uint8_t protocol, std::uint16_t port, bool beside = false);

  std::size_t take_whole(std::span<traffic::Item> items);
  std::size_t take_pieces(std::span<traffic::Item> items);
  bool open_piece();
  void pass_on(Bytes datagram, traffic::Item& item);

  struct Batch;
  Descriptor fd_;
  Family family_;
  std::uint8_t protocol_;
  std::uint16_t port_;  // 0: none.
  bool beside_;
  std::unique_ptr<Batch, void (*)(Batch*)> batch_;
};

/// A socket for path MTU reports (RFC 1191, RFC 8201), for the daemon's own thread.
class PathInlet {
 public:
  static Result<PathInlet> make(Family family);
  /// From a socket that receives ICMP errors, IPv4 ones with their IP headers.
  PathInlet(Descriptor fd, Family family) : fd_(std::move(fd)), family_(family) {}
  int fd() const { return fd_.get(); }
  /// The waiting reports about paths of SAs, from at most kBatch errors: anybody can send more than one thread can
  /// read.
  std::vector<traffic::PathReport> take();
  static constexpr std::size_t kBatch = 64;

 private:
  Descriptor fd_;
  Family family_;
};

}  // namespace ipseckey::ipsecd
