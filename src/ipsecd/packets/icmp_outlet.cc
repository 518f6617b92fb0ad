#include "ipsecd/packets/icmp_outlet.h"

#include <fmt/format.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "ipsecd/packets/socket_address.h"
#include "system/errno_text.h"
#include "traffic/packet.h"

namespace ipseckey::ipsecd {

// Under IPv4 the kernel completes the header that it is given; under IPv6 it writes the header itself, and the
// checksum, which covers the source. Nothing must arrive on the socket.
Result<IcmpOutlet> IcmpOutlet::make() {
  Descriptor v4(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
  Descriptor v6(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6));
  if (!v4)
    return fail(errno == EPERM ? Errc::denied : Errc::io,
                fmt::format("cannot open a raw socket for ICMP: {}{}", errno_text(errno),
                            errno == EPERM ? "; it needs CAP_NET_RAW" : ""));
  icmp6_filter none;
  ICMP6_FILTER_SETBLOCKALL(&none);
  if (v6 && ::setsockopt(v6.get(), IPPROTO_ICMPV6, ICMP6_FILTER, &none, sizeof none) != 0)
    return fail(Errc::io, fmt::format("cannot set up a raw socket for ICMP: {}", errno_text(errno)));
  return IcmpOutlet(std::move(v4), std::move(v6));
}

void IcmpOutlet::send(Bytes packet, std::uint32_t interface) {
  const auto h = traffic::parse(packet);
  if (!h) return;
  const bool v4 = h->dst.family == Family::v4;
  const Bytes said = v4 ? packet : packet.subspan(h->upper_at);
  const auto to = socket_address({h->dst, 0}, is_link_local(h->dst) ? interface : 0);
  [[maybe_unused]] const auto sent =
      ::sendto((v4 ? v4_ : v6_).get(), said.data(), said.size(), MSG_DONTWAIT, to.get(), to.size);
}

}  // namespace ipseckey::ipsecd
