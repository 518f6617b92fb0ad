#pragma once
/// What this machine's files reveal about its kernel's IPsec, without a request to the kernel.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/net.h"
#include "pfkey/message.h"

namespace ipseckey::kernel {

/// Whether a feature of the kernel can be used. Ordered from best to worst.
enum class Presence : std::uint8_t {
  there,     ///< Built in, loaded, or tested.
  loadable,  ///< Its module can be loaded.
  unknown,   ///< Not found, on a machine that does not list its kernel's parts.
  missing,
};

/// The files of /proc, /sys and /lib/modules, below a root that tests replace.
class KernelFiles {
 public:
  /// This machine's, of the running kernel.
  KernelFiles();
  KernelFiles(std::string root, std::string release) : root_(std::move(root)), release_(std::move(release)) {}

  bool has(const std::string& path) const;
  /// Without the line ends; none if the file cannot be read.
  std::vector<std::string> lines(const std::string& path) const;
  /// "" if the file cannot be read.
  std::string first_line(const std::string& path) const;
  /// The names in a folder, sorted; none if it cannot be read.
  std::vector<std::string> names(const std::string& folder) const;
  /// A file of the running kernel's /lib/modules/RELEASE.
  std::string module_file(std::string_view name) const;
  const std::string& release() const { return release_; }

 private:
  std::string root_, release_;
};

/// A module by its name, `_` and `-` alike.
Presence module_presence(const KernelFiles& files, std::string_view name);

/// An algorithm by its name in the crypto API: present under that name, or each of its parts can be loaded.
Presence algorithm_presence(const KernelFiles& files, std::string_view kernel_name);

/// The name of the module for ESP or AH over a family: "esp4".
std::string type_module(pfkey::SaType type, Family family);

/// "none", "integrity", "confidentiality", or "" if the kernel has no lockdown or does not show it.
std::string lockdown_of(const KernelFiles& files);

/// Whether the kernel's security module is SELinux, which is necessary for labels.
bool has_labels(const KernelFiles& files);

/// Whether this process has CAP_NET_ADMIN.
bool may_change_sas(const KernelFiles& files);

/// The error counters of /proc/net/xfrm_stat, in file order; empty if this kernel has no counters.
std::vector<std::pair<std::string, std::uint64_t>> error_counters(const KernelFiles& files);

/// What a counter of /proc/net/xfrm_stat means, as a clause; "" for an unknown counter.
std::string_view counter_meaning(std::string_view name);

}  // namespace ipseckey::kernel
