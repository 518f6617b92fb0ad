#pragma once
/// Whether a firewall, address translation or connection tracking concerns packets that leave this host, or what
/// arrives depends on them: then they must take the kernel's own way out. Netfilter in both forms: nf_tables, and the
/// older ip_tables (legacy_tables.h).
#include <absl/functional/function_ref.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "ipsecd/packets/legacy_tables.h"
#include "ipsecd/packets/netlink_ear.h"
#include "ipsecd/packets/netlink_reader.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// A base chain of nf_tables through which IP packets of this host pass.
struct HostChain {
  std::string table;
  bool leaving = false;   ///< At a hook for packets that leave; otherwise for those that arrive.
  bool in_force = false;  ///< It has rules, or drops what no rule accepts.
};
/// From the answer to NFT_MSG_GETCHAIN; nullopt: another chain, or a truncated message.
std::optional<HostChain> read_host_chain(const NetlinkPart& message);

/// Whether a rule, as NFT_MSG_GETRULE returns it, uses connection tracking, or what it needs cannot be seen.
bool follows_connections(const NetlinkPart& message);

/// Whether one of the messages (group NFNLGRP_NFTABLES) reports a change of tables, chains or rules. `own_table`: a
/// table whose changes do not count.
bool changes_rules(Bytes messages, std::string_view own_table);

class Firewall {
 public:
  /// `own_table`: the name of tables of nf_tables that do not count; empty: all count. Without nf_tables in the kernel
  /// there are only ip_tables. Error io.
  static Result<Firewall> make(std::string own_table);

  /// Becomes readable when changed() must be asked; -1: never.
  int fd() const { return news_ ? news_->fd() : -1; }
  /// Whether rules have changed since the last call, or may have.
  bool changed();
  /// Whether packets that leave must pass the kernel's hooks; true if it cannot be known. Changes of ip_tables are not
  /// reported: ask again from time to time. The answer of nf_tables is kept until changed() was true.
  bool concerns_leaving();

 private:
  Firewall() = default;
  bool tables_concern_leaving();
  bool list(std::uint16_t question, absl::FunctionRef<void(const NetlinkPart&)> each);

  std::string own_table_;
  std::optional<NetlinkEar> news_;  // nullopt: the kernel has no nf_tables.
  Descriptor questions_;
  LegacyTables legacy_;
  std::optional<bool> known_;  // What nf_tables answered.
  std::uint32_t sequence_ = 0;
};

}  // namespace ipseckey::ipsecd
