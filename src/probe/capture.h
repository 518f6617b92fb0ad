#pragma once
/// Sees packets as they cross this host's interfaces, before and after all rules, and sends packets past the rules:
/// packet(7). Needs CAP_NET_RAW.
#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "policy/rule.h"
#include "system/descriptor.h"

namespace ipseckey::probe {

/// One packet on an interface.
struct Frame {
  std::vector<std::byte> octets;  ///< With the header of the link.
  std::size_t packet_at = 0;      ///< Where the IP packet begins.
  unsigned device = 0;            ///< Its number.
  bool out = false;               ///< It left this host.

  Bytes packet() const { return Bytes(octets).subspan(packet_at); }
  Bytes link() const { return Bytes(octets).first(packet_at); }
};

class Capture {
 public:
  /// Packets whose source or destination is in one of the networks, ICMP errors, and what may be a
  /// probe after NAT: TCP with SYN, and what begins as wire.h says. Not on the devices `inside`, where
  /// packets are in clear by nature. No networks, or very many: all packets. `port`, if not 0: instead of the probes,
  /// what is protected and UDP to that port, whoever sent it. Errors: denied, io.
  static Result<Capture> open(std::span<const policy::Prefix> networks, std::vector<unsigned> inside,
                              std::uint16_t port = 0);

  /// Passes on everything that has arrived; does not wait.
  void drain(absl::FunctionRef<void(Frame&&)> each);
  /// Sends a packet by the interface of a frame, with its link header. `back`: to the one from whom the frame came.
  /// False: the kernel refused.
  bool send(const Frame& like, Bytes packet, bool back = false) const;
  /// Packets that were lost because they came faster than they were read, since the last call.
  unsigned lost() const;
  /// For poll().
  int descriptor() const { return fd_.get(); }

 private:
  Capture(Descriptor fd, std::vector<unsigned> inside) : fd_(std::move(fd)), inside_(std::move(inside)) {}

  Descriptor fd_;
  std::vector<unsigned> inside_;
};

}  // namespace ipseckey::probe
