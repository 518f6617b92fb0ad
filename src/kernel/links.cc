// 1. find_link() asks for one interface by its name (RTM_GETLINK) and takes IFLA_LINKINFO from the answer: the kind,
//    and the data of that kind.
// 2. kKinds has a row for each kind of tunnel: which attributes are its ends and marks, and what its packets carry.
#include "kernel/links.h"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>

#include "kernel/detail/xfrm_attributes.h"
#include "pfkey/units.h"
#include "policy/xfrm_policy.h"

namespace ipseckey::kernel {
namespace {

using policy::kGre;
using policy::TunnelLink;
using xfrm::Attributes;

constexpr std::uint8_t kIpv4 = 4, kIpv6 = 41;

// Numbers of attributes; 0: the kind has no such one.
struct Kind {
  std::string_view name;
  Family family;  // Of the outer packets.
  std::uint16_t local, remote;
  std::uint16_t protocol;  // One that says what the packets carry.
  std::uint16_t mark_in, mark_out, if_id;
  std::array<std::uint8_t, 2> carries;  // 0: nothing.
};
constexpr std::array kKinds = {
    Kind{"ipip", Family::v4, IFLA_IPTUN_LOCAL, IFLA_IPTUN_REMOTE, IFLA_IPTUN_PROTO, 0, 0, 0, {kIpv4, 0}},
    Kind{"sit", Family::v4, IFLA_IPTUN_LOCAL, IFLA_IPTUN_REMOTE, IFLA_IPTUN_PROTO, 0, 0, 0, {kIpv6, 0}},
    Kind{"ip6tnl", Family::v6, IFLA_IPTUN_LOCAL, IFLA_IPTUN_REMOTE, IFLA_IPTUN_PROTO, 0, 0, 0, {kIpv6, kIpv4}},
    Kind{"gre", Family::v4, IFLA_GRE_LOCAL, IFLA_GRE_REMOTE, 0, 0, 0, 0, {kGre, 0}},
    Kind{"gretap", Family::v4, IFLA_GRE_LOCAL, IFLA_GRE_REMOTE, 0, 0, 0, 0, {kGre, 0}},
    Kind{"ip6gre", Family::v6, IFLA_GRE_LOCAL, IFLA_GRE_REMOTE, 0, 0, 0, 0, {kGre, 0}},
    Kind{"ip6gretap", Family::v6, IFLA_GRE_LOCAL, IFLA_GRE_REMOTE, 0, 0, 0, 0, {kGre, 0}},
    Kind{"vti", Family::v4, IFLA_VTI_LOCAL, IFLA_VTI_REMOTE, 0, IFLA_VTI_IKEY, IFLA_VTI_OKEY, 0, {0, 0}},
    Kind{"vti6", Family::v6, IFLA_VTI_LOCAL, IFLA_VTI_REMOTE, 0, IFLA_VTI_IKEY, IFLA_VTI_OKEY, 0, {0, 0}},
    Kind{"xfrm", Family::v4, 0, 0, 0, 0, 0, IFLA_XFRM_IF_ID, {0, 0}},
};

std::string known_kinds() {
  std::string list;
  for (const Kind& kind : kKinds) list.append(list.empty() ? "" : ", ").append(kind.name);
  return list;
}

std::optional<Address> end_of(Bytes value, Family family) {
  const auto a = xfrm::address_of(value, family);
  return a && is_unspecified(*a) ? std::nullopt : a;
}

// The keys of a VTI are in network order.
std::uint32_t key_of(const Attributes& data, std::uint16_t type) {
  return type == 0 ? 0 : big_endian(data.get<std::uint32_t>(type).value_or(0));
}

TunnelLink tunnel_of(const Kind& kind, const Attributes& data) {
  TunnelLink link;
  link.kind = kind.name;
  const auto local = end_of(data[kind.local], kind.family), remote = end_of(data[kind.remote], kind.family);
  if (kind.local != 0 && local && remote) link.ends = policy::TunnelEnds{*local, *remote};
  // 0: whatever the kind can carry.
  const std::uint8_t only = kind.protocol != 0 ? data.get<std::uint8_t>(kind.protocol).value_or(0) : 0;
  for (const std::uint8_t protocol : kind.carries)
    if (protocol != 0 && (only == 0 || only == protocol)) link.protocols.push_back(protocol);
  link.mark_in = key_of(data, kind.mark_in), link.mark_out = key_of(data, kind.mark_out);
  if (kind.if_id != 0) link.if_id = data.get<std::uint32_t>(kind.if_id).value_or(0);
  return link;
}

std::string known_as(const std::string& name) { return fmt::format("the interface {}", pfkey::escaped(name)); }

Result<TunnelLink> link_of(Bytes answer, const std::string& name) {
  const Attributes attributes(answer, sizeof(ifinfomsg));
  const Attributes info(attributes[IFLA_LINKINFO], 0);
  const std::string kind_name = xfrm::text_of(info[IFLA_INFO_KIND]);
  const auto kind = std::ranges::find(kKinds, std::string_view(kind_name), &Kind::name);
  if (kind == kKinds.end())
    return fail(Errc::unsupported,
                fmt::format("{} is not a tunnel ({}): name one of type {}, or leave `tunnel` out and write the ends as "
                            "`tsrc` and `tdst`",
                            known_as(name), kind_name.empty() ? "a device" : pfkey::escaped(kind_name), known_kinds()));
  return tunnel_of(*kind, Attributes(info[IFLA_INFO_DATA], 0));
}

}  // namespace

Result<TunnelLink> find_link(Netlink& route, const std::string& name) {
  const auto missing = [&] {
    return fail(Errc::not_found,
                fmt::format("{} does not exist: create it first (`ip link add`), or write the ends of the tunnel as "
                            "`tsrc` and `tdst`",
                            known_as(name)));
  };
  if (name.empty() || name.size() >= IFNAMSIZ || name.find('\0') != std::string::npos) return missing();
  NetlinkBatch batch;
  batch.begin(RTM_GETLINK);
  const auto head = xfrm::zeroed<ifinfomsg>();
  batch.body(xfrm::bytes_of(head));
  const std::string with_nul(name.c_str(), name.size() + 1);
  batch.attribute(IFLA_IFNAME, std::as_bytes(std::span(with_nul)));
  std::optional<Result<TunnelLink>> found;
  Netlink::Verdict verdict;
  const auto asked = route.exchange(
      batch,
      [&](std::size_t, const NetlinkMessage& m) {
        if (m.type == RTM_NEWLINK) found = link_of(m.payload, name);
      },
      [&](std::size_t, const Netlink::Verdict& v) { verdict = v; });
  if (!asked) return std::unexpected(asked.error());
  if (verdict.error == ENODEV || (verdict.error == 0 && !found)) return missing();
  if (verdict.error != 0)
    return fail(Errc::io, fmt::format("{} cannot be read: {} (errno {})", known_as(name), std::strerror(verdict.error),
                                      verdict.error));
  return *std::move(found);
}

Result<TunnelLink> tunnel_link(const std::string& name) {
  auto route = Netlink::open(NETLINK_ROUTE);
  if (!route) return std::unexpected(route.error());
  return find_link(*route, name);
}

}  // namespace ipseckey::kernel
