#pragma once
/// Everything that `ipseckey doctor` reports about a machine's kernel, read at once.
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
  std::optional<std::size_t> policies;  ///< In this network namespace, without those of sockets; nullopt: unknown.
  std::vector<std::string> offload_devices;
  bool may_change = false;                                      ///< This process has CAP_NET_ADMIN.
  std::string lockdown;                                         ///< As lockdown_of().
  std::vector<std::pair<std::string, std::uint64_t>> counters;  ///< As error_counters().
};

/// This machine's view. Adds no SA; may load modules, like any use of the kernel's IPsec.
KernelView view_kernel();

}  // namespace ipseckey::kernel
