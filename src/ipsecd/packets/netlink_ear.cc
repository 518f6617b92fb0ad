#include "ipsecd/packets/netlink_ear.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/cast.h"
#include "system/errno_text.h"

namespace ipseckey::ipsecd {
namespace {

// Bytes of messages that may wait: rules and a router's routes change thousands at a time.
constexpr int kRoom = 8 << 20;
constexpr std::size_t kDatagram = 1 << 16;

}  // namespace

Result<NetlinkEar> NetlinkEar::make(int protocol, std::span<const int> groups, std::string_view changes) {
  const auto cannot = [&](int error) {
    return fail(error == EPERM ? Errc::denied : Errc::io,
                fmt::format("cannot notice when {} change: {}", changes, errno_text(error)));
  };
  Descriptor fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!fd) return cannot(errno);
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kRoom, sizeof kRoom) != 0)
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kRoom, sizeof kRoom);
  sockaddr_nl here{};
  here.nl_family = AF_NETLINK;
  if (::bind(fd.get(), interface_cast<const sockaddr>(&here), sizeof here) != 0) return cannot(errno);
  for (const int group : groups)
    if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) return cannot(errno);
  return NetlinkEar(std::move(fd));
}

bool NetlinkEar::hear(absl::FunctionRef<void(Bytes)> each) {
  std::array<std::byte, kDatagram> buffer;
  bool lost = false;
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) {
      lost = true;
      continue;
    }
    if (got <= 0) return !lost;
    each(Bytes(buffer).first(static_cast<std::size_t>(got)));
  }
}

}  // namespace ipseckey::ipsecd
