#pragma once
/// Sends this host's ICMP errors to the senders of packets.
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// They leave like the host's own packets: by its routes, without a mark, also into the TUN device if the sender is
/// behind it; from the host's address towards the sender (RFC 1812 section 4.3.2.4, RFC 4443 section 2.2).
class IcmpOutlet {
 public:
  /// Error denied: it needs CAP_NET_RAW. If the host lacks a family, nothing is sent over it.
  static Result<IcmpOutlet> make();

  /// A complete packet whose source is unspecified. Never waits; packets that the kernel does not accept are lost, as
  /// ICMP may be. `interface`: the index of that of a link-local destination.
  void send(Bytes packet, std::uint32_t interface = 0);

 private:
  IcmpOutlet(Descriptor v4, Descriptor v6) : v4_(std::move(v4)), v6_(std::move(v6)) {}
  Descriptor v4_, v6_;
};

}  // namespace ipseckey::ipsecd
