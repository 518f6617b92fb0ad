#include "ipsecd/packets/nf_watch.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <array>

namespace ipseckey::ipsecd {
namespace {

// In each of these, the first attribute is the table's name.
static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1);
constexpr std::array kChanges = {NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN,
                                 NFT_MSG_DELCHAIN, NFT_MSG_NEWRULE,  NFT_MSG_DELRULE};

bool is_change(std::uint16_t type) {
  return type >> 8 == NFNL_SUBSYS_NFTABLES && std::ranges::find(kChanges, type & 0xff) != kChanges.end();
}

}  // namespace

bool tells_of_change(Bytes messages, std::string_view table, std::uint32_t own) {
  constexpr std::size_t kHead = 16, kExtra = 4, kAttribute = 4, kAligned = 4;
  const auto aligned = [](std::size_t n) { return (n + kAligned - 1) / kAligned * kAligned; };
  while (messages.size() >= kHead) {
    Reader in(messages);
    std::uint32_t length = 0, sequence = 0, port = 0;
    std::uint16_t type = 0, flags = 0;
    in.host(length), in.host(type), in.host(flags), in.host(sequence), in.host(port);
    if (length < kHead || length > messages.size()) return false;
    Bytes rest = messages.first(length).subspan(std::min<std::size_t>(length, kHead + kExtra));
    while (is_change(type) && port != own && rest.size() >= kAttribute) {
      Reader attribute(rest);
      std::uint16_t size = 0, kind = 0;
      attribute.host(size), attribute.host(kind);
      if (size < kAttribute || size > rest.size()) break;
      const Bytes value = rest.first(size).subspan(kAttribute);
      const bool same =
          value.size() == table.size() + 1 &&
          std::ranges::equal(value.first(table.size()), table, {}, [](std::byte b) { return static_cast<char>(b); });
      if (kind == NFTA_TABLE_NAME && same) return true;
      rest = rest.subspan(std::min(rest.size(), aligned(size)));
    }
    messages = messages.subspan(std::min(messages.size(), aligned(length)));
  }
  return false;
}

Result<NfWatch> NfWatch::make(std::string table, std::uint32_t own) {
  constexpr std::array kGroups = {int{NFNLGRP_NFTABLES}};
  auto ear = NetlinkEar::make(NETLINK_NETFILTER, kGroups, "netfilter's tables");
  if (!ear) return std::unexpected(std::move(ear.error()));
  return NfWatch(std::move(*ear), std::move(table), own);
}

NfWatch::News NfWatch::news() {
  bool changed = false;
  const bool all = ear_.hear([&](Bytes messages) { changed |= tells_of_change(messages, table_, own_); });
  return changed ? News::changed : all ? News::none : News::lost;
}

}  // namespace ipseckey::ipsecd
