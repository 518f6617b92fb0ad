// What counts:
// 1. list() asks nf_tables for all chains. A base chain for packets that leave (output, postrouting) counts if it has
//    rules or a policy other than accept; an empty one, as files of rules often have, does not.
// 2. A base chain for packets that arrive counts if its table has a rule that follows connections: an answer is let in
//    only if the kernel saw the packet that it answers.
// 3. The tables of ipsecd's own hook do not count: they let its packets pass.
// 4. legacy_tables has the same for ip_tables.
#include "ipsecd/packets/nf_firewall.h"

#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "base/cast.h"
#include "system/errno_text.h"

namespace ipseckey::ipsecd {
namespace {

constexpr std::size_t kDatagram = 1 << 16;
constexpr std::uint16_t kSubsystem = NFNL_SUBSYS_NFTABLES << 8;

std::string text_of(Bytes value) {
  std::string text;
  for (const std::byte octet : value) {
    if (octet == std::byte{0}) break;
    text += static_cast<char>(octet);
  }
  return text;
}

// Numbers of nf_tables are in network order.
std::uint32_t net_number(Bytes value) { return big_endian(number_of<std::uint32_t>(value)); }

// What a rule of one of these, or a module of iptables of that name, decides depends on earlier packets.
constexpr std::array<std::string_view, 12> kFollowing = {"ct",        "conntrack", "state",       "connmark",
                                                         "connbytes", "connlimit", "connlabel",   "helper",
                                                         "CONNMARK",  "CT",        "CONNSECMARK", "cluster"};

bool follows(std::string_view name) { return std::ranges::find(kFollowing, name) != kFollowing.end(); }

bool is_ip(unsigned family) { return family == NFPROTO_INET || family == NFPROTO_IPV4 || family == NFPROTO_IPV6; }

}  // namespace

std::optional<HostChain> read_host_chain(const NetlinkPart& m) {
  if (m.type != (kSubsystem | NFT_MSG_NEWCHAIN) || m.payload.size() < sizeof(nfgenmsg)) return std::nullopt;
  if (!is_ip(std::to_integer<unsigned>(m.payload[0]))) return std::nullopt;
  const Bytes attributes = after(m.payload, sizeof(nfgenmsg));
  const Bytes hook = attribute_of(attributes, NFTA_CHAIN_HOOK);
  if (hook.data() == nullptr) return std::nullopt;
  const std::uint32_t number = net_number(attribute_of(hook, NFTA_HOOK_HOOKNUM));
  if (number == NF_INET_FORWARD) return std::nullopt;
  const Bytes policy = attribute_of(attributes, NFTA_CHAIN_POLICY);
  return HostChain{.table = text_of(attribute_of(attributes, NFTA_CHAIN_TABLE)),
                   .leaving = number == NF_INET_LOCAL_OUT || number == NF_INET_POST_ROUTING,
                   .in_force = net_number(attribute_of(attributes, NFTA_CHAIN_USE)) > 0 ||
                               (policy.data() != nullptr && net_number(policy) != NF_ACCEPT)};
}

bool follows_connections(const NetlinkPart& m) {
  if (m.type != (kSubsystem | NFT_MSG_NEWRULE)) return false;
  bool found = false;
  each_attribute(attribute_of(after(m.payload, sizeof(nfgenmsg)), NFTA_RULE_EXPRESSIONS),
                 [&](std::uint16_t, Bytes expression) {
                   const std::string name = text_of(attribute_of(expression, NFTA_EXPR_NAME));
                   found |= follows(name);
                   if (name != "match" && name != "target") return;
                   static_assert(int{NFTA_MATCH_NAME} == int{NFTA_TARGET_NAME});
                   found |= follows(text_of(attribute_of(attribute_of(expression, NFTA_EXPR_DATA), NFTA_MATCH_NAME)));
                 });
  return found;
}

bool changes_rules(Bytes messages, std::string_view own_table) {
  static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1);
  constexpr std::array kChanges = {NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWCHAIN,
                                   NFT_MSG_DELCHAIN, NFT_MSG_NEWRULE,  NFT_MSG_DELRULE};
  bool found = false;
  each_message(messages, [&](const NetlinkPart& m) {
    if ((m.type & 0xff00) != kSubsystem || std::ranges::find(kChanges, m.type & 0xff) == kChanges.end()) return;
    found |=
        own_table.empty() || text_of(attribute_of(after(m.payload, sizeof(nfgenmsg)), NFTA_TABLE_NAME)) != own_table;
  });
  return found;
}

Result<Firewall> Firewall::make(std::string own_table) {
  Firewall made;
  made.own_table_ = std::move(own_table);
  made.legacy_ = LegacyTables::open();
  made.questions_ = Descriptor(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!made.questions_ && errno == EPROTONOSUPPORT) return made;
  if (!made.questions_) return fail(Errc::io, fmt::format("cannot ask for netfilter's rules: {}", errno_text(errno)));
  constexpr std::array kGroups = {int{NFNLGRP_NFTABLES}};
  auto news = NetlinkEar::make(NETLINK_NETFILTER, kGroups, "netfilter's rules");
  if (!news) return std::unexpected(std::move(news.error()));
  made.news_ = std::move(*news);
  return made;
}

bool Firewall::changed() {
  if (!news_) return false;
  bool found = false;
  const bool all = news_->hear([&](Bytes messages) { found |= changes_rules(messages, own_table_); });
  if (!found && all) return false;
  known_.reset();
  return true;
}

// False: there is no complete answer. A kernel without nf_tables has no chains.
bool Firewall::list(std::uint16_t question, absl::FunctionRef<void(const NetlinkPart&)> each) {
  if (!questions_) return true;
  std::array<std::byte, 16 + sizeof(nfgenmsg)> request{};
  Writer out(request);
  out.host(static_cast<std::uint32_t>(request.size()));
  out.host(static_cast<std::uint16_t>(kSubsystem | question));
  out.host(static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_DUMP));
  out.host(++sequence_);
  if (::send(questions_.get(), request.data(), request.size(), 0) < 0) return false;
  std::array<std::byte, kDatagram> buffer;
  bool whole = true;
  for (bool ended = false; !ended;) {
    const ssize_t got = ::recv(questions_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    each_message(Bytes(buffer).first(static_cast<std::size_t>(got)), [&](const NetlinkPart& m) {
      if (m.sequence != sequence_) return;
      ended |= m.type == NLMSG_DONE || m.type == NLMSG_ERROR;
      const auto error = -static_cast<int>(number_of<std::uint32_t>(m.payload));
      if (m.type == NLMSG_ERROR && error != EINVAL && error != EOPNOTSUPP) whole = false;
      if ((m.flags & NLM_F_DUMP_INTR) != 0) whole = false;
      each(m);
    });
  }
  return whole;
}

bool Firewall::concerns_leaving() {
  if (legacy_.in_force()) return true;
  if (!known_ || !news_) known_ = tables_concern_leaving();
  return *known_;
}

bool Firewall::tables_concern_leaving() {
  bool leaving = false, following = false;
  std::set<std::string> arriving;  // Tables.
  if (!list(NFT_MSG_GETCHAIN, [&](const NetlinkPart& m) {
        const auto chain = read_host_chain(m);
        if (!chain || !chain->in_force || chain->table == own_table_) return;
        if (chain->leaving) {
          leaving = true;
        } else {
          arriving.insert(chain->table);
        }
      }))
    return true;
  if (leaving || arriving.empty()) return leaving;
  const bool whole = list(NFT_MSG_GETRULE, [&](const NetlinkPart& m) {
    if (m.payload.size() < sizeof(nfgenmsg) || !is_ip(std::to_integer<unsigned>(m.payload[0]))) return;
    if (arriving.contains(text_of(attribute_of(after(m.payload, sizeof(nfgenmsg)), NFTA_RULE_TABLE))))
      following |= follows_connections(m);
  });
  return !whole || following;
}

}  // namespace ipseckey::ipsecd
