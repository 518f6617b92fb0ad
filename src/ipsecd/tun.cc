#include "ipsecd/tun.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "ipsecd/error_text.h"

namespace ipsecd {
namespace {

constexpr const char* kDevice = "/dev/net/tun";

std::unexpected<Error> cannot(const std::string& what, int error) {
  const bool denied = error == EPERM || error == EACCES;
  return fail(denied ? Errc::denied : Errc::io,
              fmt::format("cannot {}: {}{}", what, text_of(error), denied ? "; it needs CAP_NET_ADMIN" : ""));
}

Result<Fd> open_queue(ifreq& request) {
  Fd fd(::open(kDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
    return fail(Errc::unsupported, fmt::format("there is no {}: load the module with `modprobe tun`, or let the "
                                               "container have the device",
                                               kDevice));
  if (!fd) return cannot(fmt::format("open {}", kDevice), errno);
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) {
    if (errno == EBUSY) return fail(Errc::exists, fmt::format("the device {} is in use", request.ifr_name));
    return cannot(fmt::format("make the device {}", request.ifr_name), errno);
  }
  return fd;
}

Result<void> bring_up(ifreq request, std::uint32_t mtu) {
  const Fd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  request.ifr_mtu = static_cast<int>(mtu);
  if (::ioctl(any.get(), SIOCSIFMTU, &request) != 0)
    return cannot(fmt::format("set the MTU of {} to {}", request.ifr_name, mtu), errno);
  if (::ioctl(any.get(), SIOCGIFFLAGS, &request) == 0) {
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (::ioctl(any.get(), SIOCSIFFLAGS, &request) == 0) return {};
  }
  return cannot(fmt::format("bring {} up", request.ifr_name), errno);
}

}  // namespace

Result<Tun> Tun::make(const std::string& name, unsigned queues, std::uint32_t mtu) {
  if (name.empty() || name.size() >= IFNAMSIZ || name.find_first_of("/ %:") != std::string::npos)
    return fail(Errc::invalid, fmt::format("'{}' is no name of a network device: 1 to {} characters, none of them a "
                                           "blank, '/', '%' or ':'",
                                           name, IFNAMSIZ - 1));
  ifreq request{};
  std::ranges::copy(name, request.ifr_name);
  request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | (queues > 1 ? IFF_MULTI_QUEUE : 0));
  Tun tun;
  tun.name_ = name;
  for (unsigned i = 0; i < queues; ++i) {
    auto queue = open_queue(request);
    if (!queue) return std::unexpected(std::move(queue.error()));
    tun.queues_.push_back(std::move(*queue));
  }
  if (auto up = bring_up(request, mtu); !up) return std::unexpected(std::move(up.error()));
  return tun;
}

}  // namespace ipsecd
