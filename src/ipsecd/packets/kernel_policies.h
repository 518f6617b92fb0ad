#pragma once
/// Whether the kernel has IPsec policies of its own about packets that leave (ip-xfrm(8)).
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// For the network namespace in which it was made. Nothing is changed.
class KernelPolicies {
 public:
  KernelPolicies();
  /// A kernel without IPsec has none. Needs CAP_NET_ADMIN, without which the answer is false.
  bool concern_leaving();

 private:
  Descriptor fd_;
};

}  // namespace ipseckey::ipsecd
