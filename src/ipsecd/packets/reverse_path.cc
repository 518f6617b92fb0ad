#include "ipsecd/packets/reverse_path.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>

#include "system/descriptor.h"

namespace ipseckey::ipsecd {

// By netlink, as a service must not write below /proc/sys.
void accept_every_source(unsigned index) {
  alignas(nlmsghdr) std::array<char, 256> buffer{};
  nlmsghdr* const m = ::mnl_nlmsg_put_header(buffer.data());
  m->nlmsg_type = RTM_SETLINK, m->nlmsg_flags = NLM_F_REQUEST;
  auto* const link = static_cast<ifinfomsg*>(::mnl_nlmsg_put_extra_header(m, sizeof(ifinfomsg)));
  link->ifi_family = AF_UNSPEC, link->ifi_index = static_cast<int>(index);
  nlattr* const families = ::mnl_attr_nest_start(m, IFLA_AF_SPEC);
  nlattr* const v4 = ::mnl_attr_nest_start(m, AF_INET);
  nlattr* const settings = ::mnl_attr_nest_start(m, IFLA_INET_CONF);
  ::mnl_attr_put_u32(m, IPV4_DEVCONF_RP_FILTER, 0);
  for (nlattr* const nest : {settings, v4, families}) ::mnl_attr_nest_end(m, nest);
  const Descriptor fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  ::send(fd.get(), m, m->nlmsg_len, 0);
}

}  // namespace ipseckey::ipsecd
