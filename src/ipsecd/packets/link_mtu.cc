#include "ipsecd/packets/link_mtu.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace ipseckey::ipsecd {
namespace {

struct Names {
  int level, discover, probe, errors;
};
constexpr Names kV4{IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, IP_RECVERR};
constexpr Names kV6{IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE, IPV6_RECVERR};

const Names& names_of(Family family) { return family == Family::v4 ? kV4 : kV6; }

bool set_option(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

}  // namespace

bool link_decides(int fd, Family family) {
  const Names& n = names_of(family);
  return set_option(fd, n.level, n.discover, n.probe) && set_option(fd, n.level, n.errors, 1);
}

// The last report counts: an earlier refusal may concern another link.
std::uint32_t link_mtu(int fd, Family family) {
  const Names& n = names_of(family);
  std::uint32_t mtu = 0;
  while (true) {
    alignas(cmsghdr) std::array<char, 256> details;
    msghdr header{};
    header.msg_control = details.data();
    header.msg_controllen = details.size();
    if (::recvmsg(fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
      if (errno == EINTR) continue;
      return mtu;
    }
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level != n.level || c->cmsg_type != n.errors) continue;
      sock_extended_err error{};
      std::memcpy(&error, CMSG_DATA(c), sizeof error);
      if (error.ee_errno == EMSGSIZE && error.ee_origin == SO_EE_ORIGIN_LOCAL) mtu = error.ee_info;
    }
  }
}

}  // namespace ipseckey::ipsecd
