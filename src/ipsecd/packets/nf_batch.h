#pragma once
/// Messages of nf_tables, one behind the other (linux/netfilter/nf_tables.h). Numbers are in network order there.
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/net.h"

namespace ipseckey::ipsecd {

/// A message is begun, filled, and ended before the next one; each fits kRoom.
class NfBatch {
 public:
  static constexpr std::size_t kRoom = 4096;

  /// The beginning or the end of a transaction.
  void mark(std::uint16_t type) {
    begin_message(type, AF_UNSPEC, 0);
    extra_->res_id = big_endian(std::uint16_t{NFNL_SUBSYS_NFTABLES});
    end();
  }
  /// A message of nf_tables about tables of that family.
  void begin(std::uint16_t type, Family family, std::uint16_t flags = 0) {
    begin_message(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type),
                  family == Family::v4 ? NFPROTO_IPV4 : NFPROTO_IPV6, flags);
  }
  void end() { used_ += NLMSG_ALIGN(head_->nlmsg_len); }

  // Attributes.
  void text(std::uint16_t type, std::string_view value) { mnl_attr_put_strz(head_, type, std::string(value).c_str()); }
  void number(std::uint16_t type, std::uint32_t value) { mnl_attr_put_u32(head_, type, big_endian(value)); }
  void number16(std::uint16_t type, std::uint16_t value) { mnl_attr_put_u16(head_, type, big_endian(value)); }
  void octets(std::uint16_t type, Bytes value) { mnl_attr_put(head_, type, value.size(), value.data()); }
  template <class F>
  void nest(std::uint16_t type, F inside) {
    nlattr* const at = mnl_attr_nest_start(head_, type);
    inside();
    mnl_attr_nest_end(head_, at);
  }

  /// All messages; the batch is empty then.
  std::vector<std::byte> take() {
    buffer_.resize(used_);
    return std::move(buffer_);
  }

 private:
  void begin_message(std::uint16_t type, std::uint8_t family, std::uint16_t flags) {
    buffer_.resize(used_ + kRoom);
    head_ = mnl_nlmsg_put_header(buffer_.data() + used_);
    head_->nlmsg_type = type;
    head_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    extra_ = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(head_, sizeof(nfgenmsg)));
    extra_->nfgen_family = family;
    extra_->version = NFNETLINK_V0;
  }

  std::vector<std::byte> buffer_;
  std::size_t used_ = 0;
  nlmsghdr* head_ = nullptr;
  nfgenmsg* extra_ = nullptr;
};

}  // namespace ipseckey::ipsecd
