#pragma once
/// What the service manager passes to ipsecd: its sockets, and the descriptors that an earlier ipsecd left with it.
#include <vector>

#include "base/result.h"
#include "ipsecd/keep/vault.h"
#include "ipsecd/packets/tun.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

struct Inherited {
  std::vector<Descriptor> sockets;
  Vault::Parts kept;               ///< In the order of Vault::kNames; all or some may be missing.
  std::vector<Descriptor> queues;  ///< For the TUN device.
};

/// Takes them over, once: later calls, and all children, find none (sd_listen_fds_with_names).
Inherited inherited();

/// Stores the parts of the vault with the service manager for the next ipsecd, replacing any others.
void lay_up(const Vault& vault);

/// The same for the queues of the TUN device, which exists as long as somebody holds them.
void lay_up(const Tun& tun);
/// The service manager holds no queue any more when this returns, unless it does not answer.
void give_up_queues();

}  // namespace ipseckey::ipsecd
