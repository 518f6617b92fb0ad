#include "ipsecd/packets/segment_size.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "base/bytes.h"

namespace ipseckey::ipsecd {
namespace {

constexpr std::chrono::milliseconds kHolds{10};
constexpr std::uint8_t kTcp = 6;
constexpr std::size_t kPlain = 20, kWithTimestamps = 32;  // Bytes of TCP headers.
constexpr std::uint16_t kLeastV4 = 536, kLeastV6 = 1220;

struct Request {
  nlmsghdr head{};
  inet_diag_req_v2 which{};
};

Request request(Family family, std::uint16_t flags) {
  Request r;
  r.head.nlmsg_len = sizeof r;
  r.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  r.head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  r.which.sdiag_family = family == Family::v4 ? AF_INET : AF_INET6;
  r.which.sdiag_protocol = kTcp;
  return r;
}

// One message of the answer; empty: none came.
Bytes exchange(int fd, const Request& r, std::span<std::byte> room) {
  if (::send(fd, &r, sizeof r, 0) < 0) return {};
  const ssize_t got = ::recv(fd, room.data(), room.size(), MSG_DONTWAIT);
  return Bytes(room).first(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
}

template <class T>
T read(Bytes from, std::size_t at) {
  T value{};
  if (at < from.size()) std::memcpy(&value, from.data() + at, std::min(sizeof value, from.size() - at));
  return value;
}

}  // namespace

// A list of sockets in no state is empty, if there are lists.
Result<SegmentSize> SegmentSize::make() {
  Descriptor fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  std::array<std::byte, 8192> room;
  const Bytes answer = fd ? exchange(fd.get(), request(Family::v4, NLM_F_DUMP), room) : Bytes();
  if (read<nlmsghdr>(answer, 0).nlmsg_type != NLMSG_DONE || read<int>(answer, NLMSG_HDRLEN) != 0)
    return fail(Errc::unsupported, "this kernel does not tell the segment sizes of TCP sockets (inet_diag, tcp_diag)");
  return SegmentSize(std::move(fd));
}

// The kernel's structure may be shorter or longer than ours; what we need is near its beginning.
std::optional<SegmentSize::Said> SegmentSize::ask(const traffic::Headers& packet, std::uint32_t out) {
  Request r = request(packet.src.family, 0);
  r.which.idiag_ext = 1 << (INET_DIAG_INFO - 1);
  r.which.id.idiag_sport = big_endian(packet.src_port.value_or(0));
  r.which.id.idiag_dport = big_endian(packet.dst_port.value_or(0));
  std::memcpy(r.which.id.idiag_src, packet.src.octets.data(), packet.src.size());
  std::memcpy(r.which.id.idiag_dst, packet.dst.octets.data(), packet.dst.size());
  r.which.id.idiag_if = out;
  r.which.id.idiag_cookie[0] = r.which.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  std::array<std::byte, 4096> room;
  const Bytes answer = exchange(fd_.get(), r, room);
  const auto head = read<nlmsghdr>(answer, 0);
  if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
  for (std::size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(inet_diag_msg)); at + NLA_HDRLEN <= answer.size();) {
    const auto attribute = read<nlattr>(answer, at);
    if (attribute.nla_len < NLA_HDRLEN) break;
    if (attribute.nla_type == INET_DIAG_INFO) {
      const auto info = read<tcp_info>(answer.subspan(0, std::min<std::size_t>(answer.size(), at + attribute.nla_len)),
                                       at + NLA_HDRLEN);
      const bool stamps = (info.tcpi_options & TCPI_OPT_TIMESTAMPS) != 0;
      if (info.tcpi_snd_mss == 0 || info.tcpi_snd_mss > UINT16_MAX) break;
      return Said{static_cast<std::uint16_t>(info.tcpi_snd_mss),
                  static_cast<std::uint16_t>(stamps ? kWithTimestamps : kPlain)};
    }
    at += NLA_ALIGN(attribute.nla_len);
  }
  return std::nullopt;
}

std::uint16_t SegmentSize::of(const traffic::Headers& packet, std::uint32_t out, std::size_t header,
                              std::chrono::nanoseconds now) {
  const std::uint16_t src_port = packet.src_port.value_or(0), dst_port = packet.dst_port.value_or(0);
  Known& known = known_[(src_port ^ dst_port * 31u) % kKnown];
  const bool same =
      known.src == packet.src && known.dst == packet.dst && known.src_port == src_port && known.dst_port == dst_port;
  if (!same || now >= known.until) known = {packet.src, packet.dst, src_port, dst_port, now + kHolds, ask(packet, out)};
  const std::uint16_t least = packet.dst.family == Family::v4 ? kLeastV4 : kLeastV6;
  if (!known.said) return least;
  // Further options, such as SACK, take their room from the payload.
  const std::size_t more = header > known.said->header ? header - known.said->header : 0;
  return static_cast<std::uint16_t>(known.said->payload > more ? known.said->payload - more : known.said->payload);
}

}  // namespace ipseckey::ipsecd
