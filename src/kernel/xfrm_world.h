#pragma once
/// The surroundings that the kernel's backend needs; tests replace all of it.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/instant.h"
#include "kernel/netlink.h"
#include "kernel/trial.h"
#include "pfkey/message.h"

namespace ipseckey::kernel {

struct XfrmWorld {
  std::function<Result<Netlink>(bool listening)> connect;  ///< For requests, or subscribed to events.
  std::string side_table;                                  ///< Path of the side table.
  std::function<Instant()> clock;
  std::function<std::uint32_t()> random;                          ///< 32 bits, for GETSPI.
  std::function<std::uint32_t(const std::string&)> device_index;  ///< 0: no such device.
  /// Whether the kernel has ESP or AH over that family; called if that may explain a refusal.
  std::function<Presence(pfkey::SaType, Family)> has_type;
  std::function<KernelReport()> report;               ///< Its algorithms, for REGISTER.
  std::function<bool(const Address&)> is_local = {};  ///< Whether an address is this host's; empty: unknown.
  /// Why the kernel would refuse such an SA whatever its keys; nullopt: it would not, or this is unknown.
  std::function<std::optional<Lack>(const pfkey::Message&)> lacks = {};
  bool keys_hidden = false;  ///< Lockdown: the kernel hides keys.
  bool labels = false;       ///< A security module supports labels.
};

/// A socket for requests to the kernel of this network namespace.
Result<Netlink> connect_to_kernel();

/// This process's kernel, network namespace and clock.
XfrmWorld xfrm_world(std::function<Instant()> clock);

}  // namespace ipseckey::kernel
