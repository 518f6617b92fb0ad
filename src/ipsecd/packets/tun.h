#pragma once
/// The TUN device: packets that are routed into it get protected, opened ones come out of it.
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

class Tun {
 public:
  /// Creates the device, or takes a persistent one that waits for a program, with `queues` queues; sets its MTU (bytes)
  /// and brings it up. The kernel keeps a flow in one queue. `offload`: the host's stack may leave checksums and the
  /// cutting of long packets to us, if the kernel knows how. Errors: invalid (the name), denied (needs CAP_NET_ADMIN),
  /// unsupported (no /dev/net/tun), io.
  static Result<Tun> make(const std::string& name, unsigned queues, std::uint32_t mtu, bool offload);

  /// The device as an earlier ipsecd left it, with its addresses and routes: its queues, which the service manager
  /// held. Errors: invalid (another device, or another number of queues), denied, io.
  static Result<Tun> take_over(const std::string& name, std::vector<Descriptor> held, unsigned queues,
                               std::uint32_t mtu, bool offload);

  /// Creates the device again on the same descriptors after it was deleted, or its namespace was: as make() made it, in
  /// the namespace where it was made, without what had been set on it since. False: there was nothing to do. Errors:
  /// those of make(); it opens nothing.
  Result<bool> make_again(std::uint32_t mtu);

  const std::string& name() const { return name_; }
  /// The device's number; another one after make_again().
  unsigned index() const { return index_; }
  unsigned queues() const { return static_cast<unsigned>(queues_.size()); }
  /// Whether each packet has a virtio_net_hdr before it.
  bool offload() const { return offload_; }
  /// A descriptor that does not block: each read() and write() is one packet.
  int queue(unsigned number) const { return queues_[number].get(); }

 private:
  Result<void> attach();
  Result<void> bring_up(std::uint32_t mtu);

  std::string name_;
  unsigned index_ = 0;
  bool offload_ = false;
  bool asks_offload_ = false;  // The stack may use it.
  std::vector<Descriptor> queues_;
};

}  // namespace ipseckey::ipsecd
