#include "kernel/view.h"

#include <fmt/format.h>
#include <linux/xfrm.h>

#include "kernel/detail/offload.h"
#include "kernel/detail/xfrm_attributes.h"
#include "kernel/detail/xfrm_encode.h"
#include "kernel/xfrm_world.h"

namespace ipseckey::kernel {

namespace {

std::optional<std::size_t> count_policies() {
  auto netlink = connect_to_kernel();
  if (!netlink) return std::nullopt;
  NetlinkBatch batch;
  xfrm::put_policy_dump(batch);
  std::size_t count = 0;
  const auto verdict = netlink->dump(batch, [&](const NetlinkMessage& m) {
    const auto policy = xfrm::front<xfrm_userpolicy_info>(m.payload);
    if (policy && policy->dir < XFRM_POLICY_MAX) ++count;  // The policies of sockets have numbers of their own.
  });
  return verdict && verdict->error == 0 ? std::optional(count) : std::nullopt;
}

}  // namespace

KernelView view_kernel() {
  const KernelFiles files;
  return {fmt::format("Linux {}", files.release()),
          kernel_report(files, connect_to_kernel),
          count_policies(),
          offload_devices(),
          may_change_sas(files),
          lockdown_of(files),
          error_counters(files)};
}

}  // namespace ipseckey::kernel
