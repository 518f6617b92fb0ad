#include "kernel/route.h"

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>

#include "kernel/detail/xfrm_attributes.h"

namespace ipseckey::kernel {
namespace {

using xfrm::Attributes;

Link link_of(Bytes answer) {
  Link link;
  const auto head = xfrm::front<ifinfomsg>(answer).value_or(ifinfomsg());
  link.index = static_cast<unsigned>(head.ifi_index);
  link.loopback = (head.ifi_flags & IFF_LOOPBACK) != 0;
  const Attributes all(answer, sizeof(ifinfomsg));
  link.name = xfrm::text_of(all[IFLA_IFNAME]);
  link.kind = xfrm::text_of(Attributes(all[IFLA_LINKINFO], 0)[IFLA_INFO_KIND]);
  link.mtu = all.get<std::uint32_t>(IFLA_MTU).value_or(0);
  return link;
}

Route route_of(Bytes answer) {
  Route route;
  const auto head = xfrm::front<rtmsg>(answer).value_or(rtmsg());
  const Attributes all(answer, sizeof(rtmsg));
  route.device = all.get<std::uint32_t>(RTA_OIF).value_or(0);
  const Family family = xfrm::family_numbered(head.rtm_family);
  route.gateway = xfrm::address_of(all[RTA_GATEWAY], family);
  route.source = xfrm::address_of(all[RTA_PREFSRC], family);
  route.mtu = Attributes(all[RTA_METRICS], 0).get<std::uint32_t>(RTAX_MTU).value_or(0);
  return route;
}

}  // namespace

Result<Routes> Routes::open() {
  auto netlink = Netlink::open(NETLINK_ROUTE);
  if (!netlink) return std::unexpected(netlink.error());
  return Routes(*std::move(netlink));
}

Result<std::vector<Link>> Routes::links() {
  NetlinkBatch batch;
  batch.begin(RTM_GETLINK, NLM_F_DUMP);
  batch.body(xfrm::bytes_of(xfrm::zeroed<ifinfomsg>()));
  std::vector<Link> links;
  const auto verdict = netlink_.dump(batch, [&](const NetlinkMessage& m) {
    if (m.type == RTM_NEWLINK) links.push_back(link_of(m.payload));
  });
  if (!verdict) return std::unexpected(verdict.error());
  if (verdict->error != 0)
    return fail(Errc::io, fmt::format("the network devices cannot be listed: {}", std::strerror(verdict->error)));
  return links;
}

Result<Route> Routes::to(const Address& address, const std::optional<Address>& from, std::uint32_t mark) {
  NetlinkBatch batch;
  batch.begin(RTM_GETROUTE);
  auto head = xfrm::zeroed<rtmsg>();
  head.rtm_family = static_cast<unsigned char>(xfrm::family_of(address));
  head.rtm_dst_len = static_cast<unsigned char>(address.bits());
  if (from) head.rtm_src_len = static_cast<unsigned char>(from->bits());
  batch.body(xfrm::bytes_of(head));
  batch.attribute(RTA_DST, address.bytes());
  if (from) batch.attribute(RTA_SRC, from->bytes());
  if (mark != 0) batch.attribute(RTA_MARK, xfrm::bytes_of(mark));
  std::optional<Route> found;
  Netlink::Verdict verdict;
  const auto asked = netlink_.exchange(
      batch,
      [&](std::size_t, const NetlinkMessage& m) {
        if (m.type == RTM_NEWROUTE) found = route_of(m.payload);
      },
      [&](std::size_t, const Netlink::Verdict& v) { verdict = v; });
  if (!asked) return std::unexpected(asked.error());
  if (!found || verdict.error != 0)
    return fail(Errc::not_found, fmt::format("there is no route to {}", to_string(address)));
  return *found;
}

Result<NeighbourState> Routes::neighbour(const Address& address, unsigned device) {
  NetlinkBatch batch;
  batch.begin(RTM_GETNEIGH, NLM_F_DUMP);
  auto head = xfrm::zeroed<ndmsg>();
  head.ndm_family = static_cast<unsigned char>(xfrm::family_of(address));
  head.ndm_ifindex = static_cast<int>(device);
  batch.body(xfrm::bytes_of(head));
  NeighbourState state = NeighbourState::unknown;
  const auto verdict = netlink_.dump(batch, [&](const NetlinkMessage& m) {
    const auto one = xfrm::front<ndmsg>(m.payload);
    if (m.type != RTM_NEWNEIGH || !one || static_cast<unsigned>(one->ndm_ifindex) != device) return;
    const Attributes all(m.payload, sizeof(ndmsg));
    if (xfrm::address_of(all[NDA_DST], xfrm::family_numbered(one->ndm_family)) != address) return;
    constexpr unsigned kNobody = NUD_INCOMPLETE | NUD_FAILED;
    constexpr unsigned kAnswered = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE;  // Not what somebody set by hand.
    state = (one->ndm_state & kNobody) != 0     ? NeighbourState::nobody
            : (one->ndm_state & kAnswered) != 0 ? NeighbourState::there
                                                : NeighbourState::unknown;
  });
  if (!verdict) return std::unexpected(verdict.error());
  return state;
}

}  // namespace ipseckey::kernel
