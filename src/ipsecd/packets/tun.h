#pragma once
/// The TUN device: packets routed into it are protected, and decrypted ones come out of it.
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

class Tun {
 public:
  /// Creates the device, or attaches to an unused persistent one, with `queues` queues; sets its MTU (bytes) and brings
  /// it up. The kernel keeps a flow in one queue. `offload`: the host's stack may leave checksums and segmentation to
  /// us, if the kernel supports it. Errors: invalid (the name), denied (needs CAP_NET_ADMIN), unsupported (no
  /// /dev/net/tun), io.
  static Result<Tun> make(const std::string& name, unsigned queues, std::uint32_t mtu, bool offload);

  /// The device that an earlier ipsecd left, with its addresses and routes, from its queues, which the service manager
  /// held. Errors: invalid (another device, or another number of queues), denied, io.
  static Result<Tun> take_over(const std::string& name, std::vector<Descriptor> held, unsigned queues,
                               std::uint32_t mtu, bool offload);

  /// Creates the device again on the same descriptors after it or its namespace was deleted: with make()'s settings, in
  /// the original namespace, without any later settings. False: there was nothing to do. Errors: those of make(); it
  /// opens nothing.
  Result<bool> make_again(std::uint32_t mtu);

  const std::string& name() const { return name_; }
  /// The device's interface index; make_again() changes it.
  unsigned index() const { return index_; }
  unsigned queues() const { return static_cast<unsigned>(queues_.size()); }
  /// Whether each packet is preceded by a virtio_net_hdr.
  bool offload() const { return offload_; }
  /// Whether that may describe many UDP datagrams in one packet, towards the stack, too (Linux 6.2).
  bool offloads_datagrams() const { return offloads_datagrams_; }
  /// A non-blocking descriptor: each read() and write() is one packet.
  int queue(unsigned number) const { return queues_[number].get(); }

 private:
  Result<void> attach();
  Result<void> bring_up(std::uint32_t mtu);

  std::string name_;
  unsigned index_ = 0;
  bool offload_ = false;
  bool asks_offload_ = false;  // The stack may use offload.
  bool offloads_datagrams_ = false;
  std::vector<Descriptor> queues_;
};

}  // namespace ipseckey::ipsecd
