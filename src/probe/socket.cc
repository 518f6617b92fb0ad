// 1. Name is an address of the sockets interface, from our addresses and back.
// 2. open() sets what all sockets need: the mark, and that they report to which address a packet came.
// 3. send() has two forms: to the connected end, or from one of this host's addresses, by a control message.
// 4. receive() leaves out IPv4's header, which raw sockets get.
// 5. path_mtu() and fragment() ask and set what the kernel does with sizes.
#include "probe/socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/cast.h"
#include "system/errno_text.h"

namespace ipseckey::probe {
namespace {

struct Name {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  Name() = default;
  Name(const Address& a, std::uint16_t port) {
    if (a.family == Family::v4) {
      sockaddr_in in{};
      in.sin_family = AF_INET, in.sin_port = big_endian(port);
      std::memcpy(&in.sin_addr, a.octets.data(), sizeof in.sin_addr);
      std::memcpy(&storage, &in, size = sizeof in);
    } else {
      sockaddr_in6 in{};
      in.sin6_family = AF_INET6, in.sin6_port = big_endian(port);
      std::memcpy(&in.sin6_addr, a.octets.data(), sizeof in.sin6_addr);
      std::memcpy(&storage, &in, size = sizeof in);
    }
  }
  Address address() const {
    Address a = unspecified(storage.ss_family == AF_INET6 ? Family::v6 : Family::v4);
    if (a.family == Family::v4) {
      sockaddr_in in{};
      std::memcpy(&in, &storage, sizeof in);
      std::memcpy(a.octets.data(), &in.sin_addr, sizeof in.sin_addr);
    } else {
      sockaddr_in6 in{};
      std::memcpy(&in, &storage, sizeof in);
      std::memcpy(a.octets.data(), &in.sin6_addr, sizeof in.sin6_addr);
    }
    return a;
  }
  std::uint16_t port() const {  // At one place in both.
    sockaddr_in in{};
    std::memcpy(&in, &storage, sizeof in);
    return big_endian(in.sin_port);
  }
  sockaddr* get() { return interface_cast<sockaddr>(&storage); }
};

void set(int fd, int level, int option, int value) { setsockopt(fd, level, option, &value, sizeof value); }

int protocol_of(Socket::Kind kind, Family family) {
  if (kind != Socket::Kind::icmp) return 0;
  if (family == Family::v4) return IPPROTO_ICMP;
  return IPPROTO_ICMPV6;
}

}  // namespace

Result<Socket> Socket::open(Kind kind, Family family, const std::optional<Address>& address, std::uint16_t port,
                            std::uint32_t mark) {
  const auto failed = [] {
    const Errc code = errno == EADDRINUSE ? Errc::exists : errno == EPERM || errno == EACCES ? Errc::denied : Errc::io;
    return fail(code, fmt::format("a probe's socket cannot be opened: {}", errno_text(errno)));
  };
  const int domain = family == Family::v4 ? AF_INET : AF_INET6;
  const int type = kind == Kind::udp ? SOCK_DGRAM : kind == Kind::tcp ? SOCK_STREAM : SOCK_RAW;
  Descriptor fd(socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol_of(kind, family)));
  if (!fd) return failed();
  if (mark != 0 && setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0) return failed();
  if (family == Family::v6)
    set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1), set(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  if (family == Family::v4) set(fd.get(), IPPROTO_IP, IP_PKTINFO, 1);
  Name name(address.value_or(unspecified(family)), kind == Kind::icmp ? std::uint16_t{0} : port);
  if (bind(fd.get(), name.get(), name.size) != 0) return failed();
  return Socket(std::move(fd), kind, family);
}

bool Socket::begin_at(std::uint32_t number) const {
  constexpr int kSendQueue = 2;  // TCP_SEND_QUEUE of linux/tcp.h.
  const auto put = [&](int option, int value) {
    return setsockopt(fd_.get(), IPPROTO_TCP, option, &value, sizeof value) == 0;
  };
  if (!put(TCP_REPAIR, 1)) return false;
  const bool done = put(TCP_REPAIR_QUEUE, kSendQueue) && put(TCP_QUEUE_SEQ, static_cast<int>(number));
  return put(TCP_REPAIR, 0) && done;
}

int Socket::connect(const Address& to, std::uint16_t port) {
  Name name(to, kind_ == Kind::icmp ? std::uint16_t{0} : port);
  if (::connect(fd_.get(), name.get(), name.size) == 0 || errno == EINPROGRESS) return 0;
  return errno;
}

int Socket::send(Bytes data) const { return ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL) < 0 ? errno : 0; }

bool Socket::send(Bytes data, const Address& to, std::uint16_t port, const Address& from) const {
  Name name(to, port);
  iovec piece{const_cast<std::byte*>(data.data()), data.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
  msghdr m{};
  m.msg_name = name.get(), m.msg_namelen = name.size;
  m.msg_iov = &piece, m.msg_iovlen = 1;
  m.msg_control = control.data();
  m.msg_controllen = family_ == Family::v4 ? CMSG_SPACE(sizeof(in_pktinfo)) : CMSG_SPACE(sizeof(in6_pktinfo));
  cmsghdr* const c = CMSG_FIRSTHDR(&m);
  if (family_ == Family::v4) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, from.octets.data(), sizeof info.ipi_spec_dst);
    c->cmsg_level = IPPROTO_IP, c->cmsg_type = IP_PKTINFO, c->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(c), &info, sizeof info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, from.octets.data(), sizeof info.ipi6_addr);
    c->cmsg_level = IPPROTO_IPV6, c->cmsg_type = IPV6_PKTINFO, c->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(c), &info, sizeof info);
  }
  return sendmsg(fd_.get(), &m, MSG_NOSIGNAL) >= 0;
}

std::optional<Arrival> Socket::receive() {
  std::vector<std::byte> room(65536);
  Name name;
  iovec piece{room.data(), room.size()};
  alignas(cmsghdr) std::array<char, 256> control{};
  msghdr m{};
  m.msg_name = name.get(), m.msg_namelen = name.size;
  m.msg_iov = &piece, m.msg_iovlen = 1;
  m.msg_control = control.data(), m.msg_controllen = control.size();
  const ssize_t got = recvmsg(fd_.get(), &m, 0);
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) error_ = errno;
    return std::nullopt;
  }
  room.resize(static_cast<std::size_t>(got));
  if (kind_ == Kind::icmp && family_ == Family::v4) {
    const std::size_t head = room.empty() ? 0 : (std::to_integer<std::size_t>(room[0]) & 15) * 4;
    room.erase(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(std::min(head, room.size())));
  }
  Arrival arrival{std::move(room), name.address(), unspecified(family_),
                  kind_ == Kind::icmp ? std::uint16_t{0} : name.port(), 0};
  for (cmsghdr* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      std::memcpy(arrival.to.octets.data(), &info.ipi_addr, sizeof info.ipi_addr);
      arrival.device = static_cast<unsigned>(info.ipi_ifindex);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      std::memcpy(arrival.to.octets.data(), &info.ipi6_addr, sizeof info.ipi6_addr);
      arrival.device = static_cast<unsigned>(info.ipi6_ifindex);
    }
  }
  return arrival;
}

int Socket::error() {
  if (error_ != 0) return std::exchange(error_, 0);
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &value, &size) == 0 ? value : errno;
}

bool Socket::connected() const {
  Name name;
  return getpeername(fd_.get(), name.get(), &name.size) == 0;
}

std::uint16_t Socket::port() const {
  Name name;
  if (getsockname(fd_.get(), name.get(), &name.size) != 0) return 0;
  return name.port();
}

std::uint32_t Socket::path_mtu() const {
  int value = 0;
  socklen_t size = sizeof value;
  const bool v4 = family_ == Family::v4;
  const int got = getsockopt(fd_.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &value, &size);
  return got == 0 && value > 0 ? static_cast<std::uint32_t>(value) : 0;
}

void Socket::fragment(Pieces pieces) const {
  const bool may = pieces == Pieces::allowed;
  if (family_ == Family::v4)
    return set(fd_.get(), IPPROTO_IP, IP_MTU_DISCOVER, may ? IP_PMTUDISC_DONT : IP_PMTUDISC_DO);
  set(fd_.get(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, may ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_DO);
}

std::optional<Address> source_for(const Address& to, std::uint32_t mark) {
  auto s = Socket::open(Socket::Kind::udp, to.family, std::nullopt, 0, mark);
  if (!s || s->connect(to, 9) != 0) return std::nullopt;
  Name name;
  if (getsockname(s->descriptor(), name.get(), &name.size) != 0) return std::nullopt;
  return name.address();
}

}  // namespace ipseckey::probe
