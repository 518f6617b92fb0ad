#pragma once
/// The TUN device: packets that are routed into it are to be protected, opened ones come out of it.
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "ipsecd/fd.h"

namespace ipsecd {

class Tun {
 public:
  /// Makes the device, or takes a persistent one that waits for a program, with `queues` queues; sets its MTU (bytes)
  /// and brings it up. The kernel keeps a flow in one queue. `offload`: the host's stack may leave checksums and the
  /// cutting of long packets to us, if the kernel knows how. Errors: invalid (the name), denied (needs CAP_NET_ADMIN),
  /// unsupported (no /dev/net/tun), io.
  static Result<Tun> make(const std::string& name, unsigned queues, std::uint32_t mtu, bool offload);

  /// The device as an earlier ipsecd left it, with its addresses and routes: its queues, which the service manager
  /// held. Errors: invalid (another device, or another number of queues), denied, io.
  static Result<Tun> take_over(const std::string& name, std::vector<Fd> held, unsigned queues, std::uint32_t mtu,
                               bool offload);

  const std::string& name() const { return name_; }
  unsigned queues() const { return static_cast<unsigned>(queues_.size()); }
  /// Whether each packet has a virtio_net_hdr before it.
  bool offload() const { return offload_; }
  /// A descriptor that does not block: each read() and write() is one packet.
  int queue(unsigned number) const { return queues_[number].get(); }

 private:
  std::string name_;
  bool offload_ = false;
  std::vector<Fd> queues_;
};

}  // namespace ipsecd
