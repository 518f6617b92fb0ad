// Questions, and what is heard:
// 1. A Question is a netlink request in a buffer. The kernel answers inside send(), so recv() never waits.
// 2. list() dumps links and neighbours, and does so again if they changed meanwhile.
// 3. route() asks for the route of one packet: the kernel applies rules, marks and metrics.
// 4. confirm() makes the kernel probe a neighbour, as a packet of its own would.
// 5. A RouteListener subscribes to all groups that can change an answer.
#include "ipsecd/packets/route_asker.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/cast.h"
#include "system/errno_text.h"

namespace ipseckey::ipsecd {
namespace {

constexpr std::size_t kDatagram = 1 << 16;

constexpr std::array<int, 9> kGroups = {RTNLGRP_LINK,        RTNLGRP_NEIGH,       RTNLGRP_IPV4_ROUTE,
                                        RTNLGRP_IPV6_ROUTE,  RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,
                                        RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NEXTHOP};

unsigned char family_of(const Address& a) { return a.family == Family::v4 ? AF_INET : AF_INET6; }

// A request in a buffer.
class Question {
 public:
  Question(std::uint16_t type, int flags, std::uint32_t sequence) : head_(::mnl_nlmsg_put_header(buffer_.data())) {
    head_->nlmsg_type = type;
    head_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    head_->nlmsg_seq = sequence;
  }
  template <class T>
  T& fixed() {
    return *static_cast<T*>(::mnl_nlmsg_put_extra_header(head_, sizeof(T)));
  }
  void attribute(std::uint16_t type, Bytes value) { ::mnl_attr_put(head_, type, value.size(), value.data()); }
  void attribute(std::uint16_t type, std::uint32_t value) { ::mnl_attr_put_u32(head_, type, value); }
  bool send(int fd) const { return ::send(fd, head_, head_->nlmsg_len, 0) >= 0; }

 private:
  alignas(nlmsghdr) std::array<char, 256> buffer_{};
  nlmsghdr* head_;
};

// The next datagram; empty: none, or an error.
Bytes next(int fd, MutableBytes buffer) {
  ssize_t got = 0;
  do got = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  return Bytes(buffer).first(got > 0 ? static_cast<std::size_t>(got) : 0);
}

}  // namespace

Result<RouteAsker> RouteAsker::make(std::uint32_t mark) {
  Descriptor fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return fail(Errc::io, fmt::format("cannot ask for routes: {}", errno_text(errno)));
  return RouteAsker(std::move(fd), mark);
}

// A list that changed while it was read is read again.
bool RouteAsker::list(absl::FunctionRef<void(const RoadNews&)> each) {
  constexpr int kTries = 3;
  for (const std::uint16_t question : {RTM_GETLINK, RTM_GETNEIGH}) {
    bool done = false;
    for (int i = 0; i < kTries && !done; ++i) done = list_once(question, each);
    if (!done) return false;
  }
  return true;
}

bool RouteAsker::list_once(std::uint16_t question, absl::FunctionRef<void(const RoadNews&)> each) {
  Question q(question, NLM_F_DUMP, ++sequence_);
  if (question == RTM_GETLINK) {
    q.fixed<ifinfomsg>().ifi_family = AF_UNSPEC;
  } else {
    q.fixed<ndmsg>().ndm_family = AF_UNSPEC;
  }
  if (!q.send(fd_.get())) return false;
  std::array<std::byte, kDatagram> buffer;
  bool ended = false, whole = true;
  while (!ended) {
    const Bytes datagram = next(fd_.get(), buffer);
    if (datagram.empty()) return false;
    each_message(datagram, [&](const NetlinkPart& m) {
      if (m.sequence != sequence_) return;
      ended |= m.type == NLMSG_DONE || m.type == NLMSG_ERROR;
      whole &= m.type != NLMSG_ERROR && (m.flags & NLM_F_DUMP_INTR) == 0;
      if (const auto one = read_road_news(m)) each(*one);
    });
  }
  return whole;
}

std::optional<RouteFacts> RouteAsker::route(const Address& to) {
  Question q(RTM_GETROUTE, 0, ++sequence_);
  auto& head = q.fixed<rtmsg>();
  head.rtm_family = family_of(to);
  head.rtm_dst_len = static_cast<unsigned char>(to.bits());
  q.attribute(RTA_DST, to.bytes());
  if (mark_ != 0) q.attribute(RTA_MARK, mark_);
  std::optional<RouteFacts> found;
  if (!q.send(fd_.get())) return found;
  std::array<std::byte, kDatagram> buffer;
  for (bool answered = false; !answered;) {
    const Bytes datagram = next(fd_.get(), buffer);
    if (datagram.empty()) break;
    each_message(datagram, [&](const NetlinkPart& m) {
      if (m.sequence != sequence_) return;  // A late answer.
      answered = true;
      if (!found) found = read_route(m);
    });
  }
  return found;
}

// NTF_USE: as if the kernel had sent a packet to it. A neighbour that does not exist is not created.
void RouteAsker::confirm(unsigned link, const Address& neighbour) {
  Question q(RTM_NEWNEIGH, 0, ++sequence_);
  auto& head = q.fixed<ndmsg>();
  head.ndm_family = family_of(neighbour);
  head.ndm_ifindex = static_cast<int>(link);
  head.ndm_state = NUD_NONE;
  head.ndm_flags = NTF_USE;
  q.attribute(NDA_DST, neighbour.bytes());
  q.send(fd_.get());
}

Result<RouteListener> RouteListener::make() {
  auto ear = NetlinkEar::make(NETLINK_ROUTE, kGroups, "routes");
  if (!ear) return std::unexpected(std::move(ear.error()));
  return RouteListener(std::move(*ear));
}

bool RouteListener::hear(absl::FunctionRef<void(const RoadNews&)> each) {
  return ear_.hear([&](Bytes messages) {
    each_message(messages, [&](const NetlinkPart& m) {
      if (const auto one = read_road_news(m)) each(*one);
    });
  });
}

}  // namespace ipseckey::ipsecd
