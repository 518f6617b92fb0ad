#pragma once
/// The way out for ICMP errors of this host to the senders of packets.
#include "base/bytes.h"
#include "base/result.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// They go as the host's own packets do: by its routes, without a mark, into the TUN device too where the sender is
/// behind it; from the address that the host has towards the sender (RFC 1812 section 4.3.2.4, RFC 4443 section 2.2).
class IcmpOutlet {
 public:
  /// Error denied: it needs CAP_NET_RAW. A host without a family sends none of it.
  static Result<IcmpOutlet> make();

  /// A whole packet whose source is unspecified. Never waits; what the kernel does not take is lost, as ICMP may be.
  void send(Bytes packet);

 private:
  IcmpOutlet(Descriptor v4, Descriptor v6) : v4_(std::move(v4)), v6_(std::move(v6)) {}
  Descriptor v4_, v6_;
};

}  // namespace ipseckey::ipsecd
