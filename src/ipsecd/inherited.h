#pragma once
/// What the service manager hands to ipsecd: its sockets, and what an earlier ipsecd had it hold.
#include <vector>

#include "base/result.h"
#include "ipsecd/keep/vault.h"
#include "ipsecd/packets/tun.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

struct Inherited {
  std::vector<Descriptor> sockets;
  Vault::Parts kept;               ///< By Vault::kNames; all or some may be missing.
  std::vector<Descriptor> queues;  ///< Of the TUN device.
};

/// Takes them over, once: whoever asks later, and every child, finds none (sd_listen_fds_with_names).
Inherited inherited();

/// Has the service manager hold the parts of the vault for the next ipsecd, in the place of any others.
void lay_up(const Vault& vault);

/// The same for the queues of the TUN device, which is there as long as anybody holds them.
void lay_up(const Tun& tun);
/// No queue is held any more when this returns, unless the service manager does not answer.
void give_up_queues();

}  // namespace ipseckey::ipsecd
