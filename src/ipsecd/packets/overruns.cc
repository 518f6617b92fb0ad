#include "ipsecd/packets/overruns.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include "system/descriptor.h"

namespace ipseckey::ipsecd {
namespace {

struct Request {
  nlmsghdr head;
  if_stats_msg which;
};

template <class T>
T read(std::span<const std::byte> from, std::size_t at) {
  T value{};
  if (at < from.size()) std::memcpy(&value, from.data() + at, std::min(sizeof value, from.size() - at));
  return value;
}

}  // namespace

// One attribute is requested, so it is the first.
std::optional<std::uint64_t> dropped_by_device(unsigned index) {
  const Descriptor fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  Request request{};
  request.head.nlmsg_len = sizeof request;
  request.head.nlmsg_type = RTM_GETSTATS;
  request.head.nlmsg_flags = NLM_F_REQUEST;
  request.which.ifindex = index;
  request.which.filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
  if (!fd || ::send(fd.get(), &request, sizeof request, 0) < 0) return std::nullopt;
  std::array<std::byte, 4096> buffer;
  const ssize_t got = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got <= 0) return std::nullopt;
  const auto reply = std::span<const std::byte>(buffer).first(static_cast<std::size_t>(got));
  constexpr std::size_t kAttribute = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(if_stats_msg));
  if (read<nlmsghdr>(reply, 0).nlmsg_type != RTM_NEWSTATS ||
      read<rtattr>(reply, kAttribute).rta_type != IFLA_STATS_LINK_64)
    return std::nullopt;
  return read<rtnl_link_stats64>(reply, kAttribute + RTA_LENGTH(0)).tx_dropped;
}

std::uint64_t dropped_by_socket(int fd) {
  std::array<std::uint32_t, SK_MEMINFO_VARS> told{};
  socklen_t size = sizeof told;
  ::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, told.data(), &size);
  return told[SK_MEMINFO_DROPS];
}

void DeviceOverruns::follow(unsigned index) {
  of_others_ += last_ - first_;
  index_ = index;
  first_ = last_ = dropped_by_device(index).value_or(0);
}

std::uint64_t DeviceOverruns::count() {
  last_ = dropped_by_device(index_).value_or(last_);
  return of_others_ + last_ - first_;
}

}  // namespace ipseckey::ipsecd
