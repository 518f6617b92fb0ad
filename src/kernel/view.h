#pragma once
/// All that `ipseckey doctor` wants to know of a machine's kernel, in one look.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/trial.h"

namespace ipseckey::kernel {

struct KernelView {
  std::string system;                   ///< "Linux 6.1.0-18-amd64".
  KernelReport report;                  ///< Protocols, algorithms, features.
  std::optional<std::size_t> policies;  ///< Of this network namespace, sockets' own left out; nullopt: not told.
  std::vector<std::string> offload_devices;
  bool may_change = false;                                      ///< This process has CAP_NET_ADMIN.
  std::string lockdown;                                         ///< As lockdown_of().
  std::vector<std::pair<std::string, std::uint64_t>> counters;  ///< As error_counters().
};

/// Of this machine. Adds no SA; may load modules, as any use of the kernel's IPsec does.
KernelView view_kernel();

}  // namespace ipseckey::kernel
