#include "ipsecd/packets/kernel_policies.h"

#include <linux/xfrm.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>

#include "ipsecd/packets/netlink_reader.h"

namespace ipseckey::ipsecd {
namespace {

constexpr int kXfrm = 6;               // NETLINK_XFRM.
constexpr std::uint16_t kRequest = 1;  // NLM_F_REQUEST.
constexpr std::size_t kHead = 16;

}  // namespace

KernelPolicies::KernelPolicies() : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, kXfrm)) {}

// The kernel answers inside send().
bool KernelPolicies::concern_leaving() {
  std::array<std::byte, kHead + sizeof(std::uint32_t)> request{};
  Writer out(request);
  out.host(static_cast<std::uint32_t>(request.size()));
  out.host(std::uint16_t{XFRM_MSG_GETSPDINFO});
  out.host(kRequest);
  if (!fd_ || ::send(fd_.get(), request.data(), request.size(), 0) < 0) return false;
  std::array<std::byte, 4096> buffer;
  const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  std::uint32_t leaving = 0;
  each_message(Bytes(buffer).first(got > 0 ? static_cast<std::size_t>(got) : 0), [&](const NetlinkPart& m) {
    if (m.type != XFRM_MSG_NEWSPDINFO) return;
    const Bytes counts = attribute_of(after(m.payload, sizeof(std::uint32_t)), XFRMA_SPD_INFO);
    leaving = number_of<std::uint32_t>(after(counts, offsetof(xfrmu_spdinfo, outcnt)));
  });
  return leaving > 0;
}

}  // namespace ipseckey::ipsecd
