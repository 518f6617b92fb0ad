#include "kernel/detail/xfrm_attributes.h"

#include <linux/netlink.h>

#include <algorithm>

namespace ipseckey::kernel::xfrm {

Attributes::Attributes(Bytes payload, std::size_t fixed) {
  const auto aligned = [](std::size_t n) { return (n + 3) & ~std::size_t{3}; };
  if (payload.size() < aligned(fixed)) return;
  for (Bytes left = payload.subspan(aligned(fixed)); left.size() >= sizeof(nlattr);) {
    const nlattr head = *front<nlattr>(left);
    if (head.nla_len < sizeof(nlattr) || head.nla_len > left.size()) return;
    const std::uint16_t type = head.nla_type & NLA_TYPE_MASK;
    if (type < kAttributes) {
      at_[type] = left.subspan(sizeof(nlattr), head.nla_len - sizeof(nlattr));
      empty_[type] = at_[type].empty();
    }
    left = left.subspan(std::min(aligned(head.nla_len), left.size()));
  }
}

}  // namespace ipseckey::kernel::xfrm
