#pragma once
/// What else decides about packets besides rules and SAs: counters and settings of this network namespace, read at once
/// for `ipsecconf doctor`.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/facts.h"
#include "kernel/netlink.h"

namespace ipseckey::kernel {

/// Settings of an interface, or of all or new ones (`all`, `default`). Absent: this kernel has no such setting.
struct InterfaceSettings {
  std::string name;
  std::optional<bool> no_policy_v4;  ///< net.ipv4.conf.NAME.disable_policy: what comes in by it meets no policy.
  std::optional<bool> no_policy_v6;  ///< net.ipv6.conf.NAME.disable_policy.
  std::optional<bool>
      no_xfrm;  ///< net.ipv4.conf.NAME.disable_xfrm: what leaves by it is neither protected nor dropped.
  /// net.ipv4.conf.NAME.rp_filter: 0 none, 1 strict, 2 loose. Strict, what was decrypted may seem to come by the wrong
  /// interface, and is dropped.
  std::optional<unsigned> rp_filter;
  bool operator==(const InterfaceSettings&) const = default;
};

/// What happens to packets that no policy is about (`ip xfrm policy getdefault`): true: they are dropped.
struct PolicyDefaults {
  bool in = false, fwd = false, out = false;
  bool operator==(const PolicyDefaults&) const = default;
};

/// Policies with prefixes at least as long are found by a hash, others by trees and lists (`ip xfrm policy set
/// hthresh4`).
struct HashThresholds {
  std::uint8_t local_v4 = 32, remote_v4 = 32, local_v6 = 128, remote_v6 = 128;
  bool operator==(const HashThresholds&) const = default;
};

struct PolicyView {
  std::vector<std::pair<std::string, std::uint64_t>> counters;  ///< As error_counters(); see counter_meaning().
  /// net.core.xfrm_larval_drop. True: a packet whose SA is missing is dropped at once, and its sender sees
  /// success. False: up to 100 packets wait for the SA.
  std::optional<bool> larval_drop;
  std::optional<unsigned> acquire_seconds;  ///< net.core.xfrm_acq_expires: how long a larval SA waits.
  bool forwards_v4 = false, forwards_v6 = false;
  std::vector<InterfaceSettings> interfaces;
  std::optional<PolicyDefaults> defaults;    ///< Absent: the kernel (before 5.15) has none, or did not answer.
  std::optional<HashThresholds> thresholds;  ///< Absent: the kernel did not answer.
};

/// This namespace's. Changes nothing. Tests replace both arguments.
PolicyView view_policies(const KernelFiles& files, const std::function<Result<Netlink>()>& connect);
PolicyView view_policies();

}  // namespace ipseckey::kernel
