#include "ipsecd/packets/tun.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "ipsecd/packets/reverse_path.h"
#include "system/errno_text.h"

namespace ipseckey::ipsecd {
namespace {

constexpr const char* kDevice = "/dev/net/tun";

// Packets that may wait for a packet thread. The kernel's default of 500 is two milliseconds of short datagrams, and a
// thread may be busy for longer: with inbound packets, a slow link, or because another program has its processor.
constexpr int kQueue = 5000;

std::unexpected<Error> cannot(const std::string& what, int error) {
  const bool denied = error == EPERM || error == EACCES;
  return fail(denied ? Errc::denied : Errc::io,
              fmt::format("cannot {}: {}{}", what, errno_text(error), denied ? "; it needs CAP_NET_ADMIN" : ""));
}

Result<Descriptor> open_queue() {
  Descriptor fd(::open(kDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
    return fail(Errc::unsupported, fmt::format("there is no {}: load the module with `modprobe tun`, or pass the "
                                               "device to the container",
                                               kDevice));
  if (!fd) return cannot(fmt::format("open {}", kDevice), errno);
  return fd;
}

bool is_attached(const Descriptor& queue) {
  ifreq request{};
  return ::ioctl(queue.get(), TUNGETIFF, &request) == 0;
}

// The kernel's own way to query its features.
bool knows_headers() {
  const Descriptor fd(::open(kDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  unsigned features = 0;
  return fd && ::ioctl(fd.get(), TUNGETFEATURES, &features) == 0 && (features & IFF_VNET_HDR) != 0;
}

// The work that the stack may leave to us: as much as the kernel offers. Returns whether that includes UDP
// segmentation, which was added in Linux 6.2, together with its way back: a kernel without it refuses long packets of
// datagrams.
bool ask_for_offload(const Descriptor& queue, bool wanted) {
  constexpr unsigned kTcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN, kDatagrams = 0x20 | 0x40;
  for (const unsigned features : {kTcp | kDatagrams, kTcp, unsigned{TUN_F_CSUM}, 0u})
    if ((wanted || features == 0) && ::ioctl(queue.get(), TUNSETOFFLOAD, static_cast<unsigned long>(features)) == 0)
      return (features & kDatagrams) != 0;
  return false;
}

}  // namespace

// Attaches to the device, which the first queue creates if it does not exist.
Result<void> Tun::attach() {
  ifreq request{};
  std::ranges::copy(name_, request.ifr_name);
  request.ifr_flags =
      static_cast<short>(IFF_TUN | IFF_NO_PI | (queues() > 1 ? IFF_MULTI_QUEUE : 0) | (offload_ ? IFF_VNET_HDR : 0));
  for (const Descriptor& queue : queues_) {
    if (is_attached(queue) || ::ioctl(queue.get(), TUNSETIFF, &request) == 0) continue;
    if (errno == EBUSY) return fail(Errc::exists, fmt::format("the device {} is in use", name_));
    return cannot(fmt::format("create the device {}", name_), errno);
  }
  // A device that existed before may still have settings that another program requested.
  offloads_datagrams_ = ask_for_offload(queues_[0], asks_offload_);
  return {};
}

Result<void> Tun::bring_up(std::uint32_t mtu) {
  ifreq request{};
  std::ranges::copy(name_, request.ifr_name);
  const Descriptor any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (::ioctl(any.get(), SIOCGIFINDEX, &request) == 0) index_ = static_cast<unsigned>(request.ifr_ifindex);
  accept_every_source(index_);
  // Somebody may have chosen a longer queue.
  if (::ioctl(any.get(), SIOCGIFTXQLEN, &request) == 0 && request.ifr_qlen < kQueue) {
    request.ifr_qlen = kQueue;
    ::ioctl(any.get(), SIOCSIFTXQLEN, &request);
  }
  request.ifr_mtu = static_cast<int>(mtu);
  if (::ioctl(any.get(), SIOCSIFMTU, &request) != 0)
    return cannot(fmt::format("set the MTU of {} to {}", request.ifr_name, mtu), errno);
  if (::ioctl(any.get(), SIOCGIFFLAGS, &request) == 0) {
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (::ioctl(any.get(), SIOCSIFFLAGS, &request) == 0) return {};
  }
  return cannot(fmt::format("bring {} up", request.ifr_name), errno);
}

Result<Tun> Tun::make(const std::string& name, unsigned queues, std::uint32_t mtu, bool offload) {
  if (name.empty() || name.size() >= IFNAMSIZ || name.find_first_of("/ %:") != std::string::npos)
    return fail(Errc::invalid,
                fmt::format("'{}' cannot be the name of a network device: 1 to {} characters, none of them a "
                            "blank, '/', '%' or ':'",
                            name, IFNAMSIZ - 1));
  Tun tun;
  tun.name_ = name;
  tun.offload_ = tun.asks_offload_ = offload && knows_headers();
  for (unsigned i = 0; i < queues; ++i) {
    auto queue = open_queue();
    if (!queue) return std::unexpected(std::move(queue.error()));
    tun.queues_.push_back(std::move(*queue));
  }
  if (auto r = tun.attach(); !r) return std::unexpected(std::move(r.error()));
  if (auto up = tun.bring_up(mtu); !up) return std::unexpected(std::move(up.error()));
  return tun;
}

Result<bool> Tun::make_again(std::uint32_t mtu) {
  if (std::ranges::all_of(queues_, is_attached)) return false;
  if (auto r = attach(); !r) return std::unexpected(std::move(r.error()));
  if (auto up = bring_up(mtu); !up) return std::unexpected(std::move(up.error()));
  return true;
}

Result<Tun> Tun::take_over(const std::string& name, std::vector<Descriptor> held, unsigned queues, std::uint32_t mtu,
                           bool offload) {
  Tun tun;
  tun.name_ = name;
  tun.queues_ = std::move(held);
  ifreq request{};
  const bool ours = tun.queues() == queues && std::ranges::all_of(tun.queues_, [&](const Descriptor& queue) {
                      return ::ioctl(queue.get(), TUNGETIFF, &request) == 0 && name == request.ifr_name &&
                             (request.ifr_flags & (IFF_TUN | IFF_NO_PI)) == (IFF_TUN | IFF_NO_PI);
                    });
  if (!ours) return fail(Errc::invalid, fmt::format("the kept device is not {} with {} queues", name, queues));
  tun.offload_ = (request.ifr_flags & IFF_VNET_HDR) != 0;
  tun.asks_offload_ = tun.offload_ && offload;
  tun.offloads_datagrams_ = ask_for_offload(tun.queues_[0], tun.asks_offload_);
  if (auto up = tun.bring_up(mtu); !up) return std::unexpected(std::move(up.error()));
  return tun;
}

}  // namespace ipseckey::ipsecd
