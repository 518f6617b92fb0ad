// What the machine's files reveal about its kernel, without a request to the kernel:
// 1. KernelFiles reads /proc, /sys and /lib/modules, below another root in tests.
// 2. module_presence() finds a module: loaded, built in, loadable.
// 3. algorithm_presence() splits an algorithm's name and finds each part in /proc/crypto and the modules' aliases.
// 4. Lockdown, labels, this user's rights and the error counters are each a file of their own.
// 5. counter_meaning() has a row for each counter of XFRM.
#include "kernel/facts.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace ipseckey::kernel {
namespace {

std::string plain(std::string_view name) {
  std::string out(name);
  std::ranges::replace(out, '-', '_');
  return out;
}

// "kernel/net/ipv4/esp4.ko.xz: ..." or "kernel/net/ipv4/esp4.ko" as "esp4".
std::string module_of(std::string_view line) {
  line = line.substr(0, line.find(':'));
  line.remove_prefix(line.rfind('/') + 1);
  return plain(line.substr(0, line.find(".ko")));
}

// One word of an algorithm's name, as in a module's alias: "crypto-gcm".
Presence part_presence(const KernelFiles& files, const std::string& part) {
  const std::string alias = "crypto-" + part;
  for (const std::string& line : files.lines("/proc/crypto"))
    if (line.starts_with("name") && line.ends_with(": " + part)) return Presence::there;
  // modules.builtin.modinfo contains strings that end in NUL: "gcm.alias=crypto-gcm".
  for (const std::string& text : files.lines(files.module_file("modules.builtin.modinfo")))
    if (text.find(fmt::format(".alias={}{}", alias, '\0')) != std::string::npos) return Presence::there;
  for (const std::string& line : files.lines(files.module_file("modules.alias")))
    if (line.starts_with(fmt::format("alias {} ", alias)))
      return std::max(Presence::loadable, module_presence(files, line.substr(line.rfind(' ') + 1)));
  return files.has(files.module_file("modules.alias")) ? Presence::missing : Presence::unknown;
}

}  // namespace

KernelFiles::KernelFiles() {
  utsname system{};
  if (::uname(&system) == 0) release_ = system.release;
}

bool KernelFiles::has(const std::string& path) const { return ::access((root_ + path).c_str(), F_OK) == 0; }

std::vector<std::string> KernelFiles::lines(const std::string& path) const {
  std::vector<std::string> all;
  std::ifstream file(root_ + path);
  for (std::string line; std::getline(file, line);) all.push_back(line);
  return all;
}

std::vector<std::string> KernelFiles::names(const std::string& folder) const {
  std::vector<std::string> all;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(root_ + folder, none))
    all.push_back(entry.path().filename().string());
  std::ranges::sort(all);
  return all;
}

std::string KernelFiles::first_line(const std::string& path) const {
  std::string line;
  std::ifstream file(root_ + path);
  std::getline(file, line);
  return line;
}

std::string KernelFiles::module_file(std::string_view name) const {
  return fmt::format("/lib/modules/{}/{}", release_, name);
}

Presence module_presence(const KernelFiles& files, std::string_view wanted) {
  const std::string name = plain(wanted);
  for (const std::string& line : files.lines("/proc/modules"))
    if (line.substr(0, line.find(' ')) == name) return Presence::there;
  if (files.has("/sys/module/" + name)) return Presence::there;
  const auto lists = [&](std::string_view file) {
    return std::ranges::any_of(files.lines(files.module_file(file)),
                               [&](const std::string& line) { return module_of(line) == name; });
  };
  if (lists("modules.builtin")) return Presence::there;
  if (lists("modules.dep")) return Presence::loadable;
  return files.has(files.module_file("modules.dep")) ? Presence::missing : Presence::unknown;
}

Presence algorithm_presence(const KernelFiles& files, std::string_view kernel_name) {
  const std::string name(kernel_name);
  for (const std::string& line : files.lines("/proc/crypto"))
    if (line.starts_with("name") && line.ends_with(": " + name)) return Presence::there;
  Presence worst = Presence::there;
  constexpr std::string_view kBetween = "(),";
  for (std::size_t at = name.find_first_not_of(kBetween); at != std::string::npos;) {
    const std::size_t end = name.find_first_of(kBetween, at);
    worst = std::max(worst, part_presence(files, name.substr(at, end - at)));
    at = name.find_first_not_of(kBetween, end);
  }
  return worst;
}

std::string type_module(pfkey::SaType type, Family family) {
  return fmt::format("{}{}", type == pfkey::SaType::esp ? "esp" : "ah", family == Family::v4 ? 4 : 6);
}

// "none [integrity] confidentiality": the one in brackets is active.
std::string lockdown_of(const KernelFiles& files) {
  const std::string line = files.first_line("/sys/kernel/security/lockdown");
  const auto open = line.find('['), close = line.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return "";
  return line.substr(open + 1, close - open - 1);
}

bool has_labels(const KernelFiles& files) {
  return std::ranges::any_of(files.lines("/proc/filesystems"),
                             [](const std::string& line) { return line.ends_with("\tselinuxfs"); });
}

bool may_change_sas(const KernelFiles& files) {
  constexpr unsigned kNetAdmin = 12;  // CAP_NET_ADMIN of linux/capability.h.
  constexpr std::string_view kLabel = "CapEff:";
  for (const std::string& line : files.lines("/proc/self/status")) {
    if (!line.starts_with(kLabel)) continue;
    std::istringstream digits(line.substr(kLabel.size()));
    std::uint64_t bits = 0;
    digits >> std::hex >> bits;
    return (bits >> kNetAdmin & 1) != 0;
  }
  return false;
}

std::vector<std::pair<std::string, std::uint64_t>> error_counters(const KernelFiles& files) {
  std::vector<std::pair<std::string, std::uint64_t>> counters;
  for (const std::string& line : files.lines("/proc/net/xfrm_stat")) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t value = 0;
    if (words >> name >> value) counters.emplace_back(std::move(name), value);
  }
  return counters;
}

std::string_view counter_meaning(std::string_view name) {
  struct Row {
    std::string_view name, meaning;
  };
  // From the kernel's Documentation/networking/xfrm_proc.rst, with the usual cause.
  static constexpr std::array kRows = {
      Row{"XfrmInError", "failed for a reason without a counter of its own"},
      Row{"XfrmInBufferError", "no buffer was available"},
      Row{"XfrmInHdrError", "the header is invalid"},
      Row{"XfrmInNoStates", "no SA has this SPI and destination"},
      Row{"XfrmInStateProtoError",
          "wrong ICV or padding: the two ends have different keys, algorithms or ICV lengths (icv)"},
      Row{"XfrmInStateModeError", "in transport mode where tunnel mode is expected, or the reverse"},
      Row{"XfrmInStateSeqError", "replayed, or older than the replay window"},
      Row{"XfrmInStateExpired", "the SA had expired"},
      Row{"XfrmInStateMismatch", "one end encapsulates in UDP (encap udp) and the other does not"},
      Row{"XfrmInStateInvalid", "the SA is larval or dead"},
      Row{"XfrmInTmplMismatch", "protected by an SA other than the policy requires: compare reqid, mode, addresses"},
      Row{"XfrmInNoPols", "their SA is valid, but no policy allows them: add one for this direction"},
      Row{"XfrmInPolBlock", "a policy blocks them"},
      Row{"XfrmInPolError", "the policy is invalid"},
      Row{"XfrmInStateDirError", "the SA is for sending"},
      Row{"XfrmInIptfsError", "the IP-TFS payload is invalid"},
      Row{"XfrmFwdHdrError", "the header of a packet to forward is invalid"},
      Row{"XfrmOutError", "failed for a reason without a counter of its own"},
      Row{"XfrmOutBundleGenError", "the SAs of the policy cannot be combined"},
      Row{"XfrmOutBundleCheckError", "the SAs of the policy have disappeared"},
      Row{"XfrmOutNoStates", "a policy requires an SA that does not exist"},
      Row{"XfrmOutStateProtoError", "encryption failed"},
      Row{"XfrmOutStateModeError", "the packet does not fit the mode; for example, it is too large for the tunnel"},
      Row{"XfrmOutStateSeqError", "the sequence numbers are used up: the SA must be replaced"},
      Row{"XfrmOutStateExpired", "the SA had expired"},
      Row{"XfrmOutPolBlock", "a policy blocks them"},
      Row{"XfrmOutPolDead", "the policy was being deleted"},
      Row{"XfrmOutPolError", "the policy is invalid"},
      Row{"XfrmOutStateInvalid", "the SA is larval or dead"},
      Row{"XfrmOutStateDirError", "the SA is for receiving"},
      Row{"XfrmOutNoQueueSpace", "the queue was full"},
      Row{"XfrmAcquireError", "an SA was requested, but no key manager was listening"},
  };
  const auto row = std::ranges::find(kRows, name, &Row::name);
  return row == kRows.end() ? std::string_view() : row->meaning;
}

}  // namespace ipseckey::kernel
