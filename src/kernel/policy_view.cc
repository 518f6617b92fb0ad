#include "kernel/policy_view.h"

#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <array>
#include <charconv>

#include "kernel/detail/xfrm_attributes.h"
#include "kernel/xfrm_world.h"

namespace ipseckey::kernel {
namespace {

// Since Linux 5.15; the build machine's header may lack them.
constexpr std::uint16_t kGetDefault = 0x28;
constexpr std::uint8_t kDefaultBlock = 1;
constexpr std::uint16_t kSpdThresholds4 = 3, kSpdThresholds6 = 4;

std::optional<unsigned> number(const KernelFiles& files, const std::string& path) {
  const std::string line = files.first_line(path);
  unsigned value = 0;
  const auto read = std::from_chars(line.data(), line.data() + line.size(), value);
  return read.ec == std::errc() ? std::optional(value) : std::nullopt;
}

std::optional<bool> flag(const KernelFiles& files, const std::string& path) {
  const auto value = number(files, path);
  return value ? std::optional(*value != 0) : std::nullopt;
}

InterfaceSettings settings(const KernelFiles& files, const std::string& name) {
  const std::string v4 = "/proc/sys/net/ipv4/conf/" + name, v6 = "/proc/sys/net/ipv6/conf/" + name;
  return {name, flag(files, v4 + "/disable_policy"), flag(files, v6 + "/disable_policy"),
          flag(files, v4 + "/disable_xfrm"), number(files, v4 + "/rp_filter")};
}

// The answer to a request whose body is a number that the kernel ignores; nullopt: there is none.
template <class T>
std::optional<T> ask(Netlink& netlink, std::uint16_t type, const std::function<std::optional<T>(Bytes)>& read) {
  NetlinkBatch batch;
  batch.begin(type);
  const std::uint32_t ignored = 0;
  batch.body(xfrm::bytes_of(ignored));
  std::optional<T> found;
  const auto asked = netlink.exchange(
      batch, [&](std::size_t, const NetlinkMessage& m) { found = read(m.payload); },
      [](std::size_t, const Netlink::Verdict&) {});
  return asked ? found : std::nullopt;
}

std::optional<PolicyDefaults> defaults_of(Bytes payload) {
  const auto octets = xfrm::front<std::array<std::uint8_t, 3>>(payload);
  if (!octets) return std::nullopt;
  return PolicyDefaults{(*octets)[0] == kDefaultBlock, (*octets)[1] == kDefaultBlock, (*octets)[2] == kDefaultBlock};
}

std::optional<HashThresholds> thresholds_of(Bytes payload) {
  const xfrm::Attributes attributes(payload, sizeof(std::uint32_t));
  const auto v4 = attributes.get<std::array<std::uint8_t, 2>>(kSpdThresholds4);
  const auto v6 = attributes.get<std::array<std::uint8_t, 2>>(kSpdThresholds6);
  if (!v4 || !v6) return std::nullopt;
  return HashThresholds{(*v4)[0], (*v4)[1], (*v6)[0], (*v6)[1]};
}

}  // namespace

PolicyView view_policies(const KernelFiles& files, const std::function<Result<Netlink>()>& connect) {
  PolicyView view;
  view.counters = error_counters(files);
  view.larval_drop = flag(files, "/proc/sys/net/core/xfrm_larval_drop");
  view.acquire_seconds = number(files, "/proc/sys/net/core/xfrm_acq_expires");
  view.forwards_v4 = flag(files, "/proc/sys/net/ipv4/ip_forward").value_or(false);
  view.forwards_v6 = flag(files, "/proc/sys/net/ipv6/conf/all/forwarding").value_or(false);
  for (const std::string& name : files.names("/proc/sys/net/ipv4/conf"))
    view.interfaces.push_back(settings(files, name));
  if (auto netlink = connect()) {
    view.defaults = ask<PolicyDefaults>(*netlink, kGetDefault, defaults_of);
    view.thresholds = ask<HashThresholds>(*netlink, XFRM_MSG_GETSPDINFO, thresholds_of);
  }
  return view;
}

PolicyView view_policies() { return view_policies(KernelFiles(), connect_to_kernel); }

}  // namespace ipseckey::kernel
