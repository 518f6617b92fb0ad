#pragma once
/// Rules of netfilter as messages to the kernel's nf_tables. Pure; nf_tables.h sends them.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ipsecd/packets/filter_rules.h"

namespace ipseckey::ipsecd {

/// The queues' numbers: `workers` for packets that leave, from `first` on, then as many for those that arrive, then as
/// many for TCP that leaves.
struct QueueNumbers {
  std::uint16_t first = 0, workers = 1;
  std::uint16_t out(unsigned worker) const { return static_cast<std::uint16_t>(first + worker); }
  std::uint16_t in(unsigned worker) const { return static_cast<std::uint16_t>(first + workers + worker); }
  std::uint16_t tcp(unsigned worker) const { return static_cast<std::uint16_t>(first + 2 * workers + worker); }
  static constexpr unsigned kKinds = 3;
};

/// What this kernel's nf_tables has.
struct NfTablesFacts {
  bool queue_expression = false;  ///< `queue` (nft_queue). Otherwise the target NFQUEUE through nft_compat.
  bool v6 = true;                 ///< Tables for IPv6.
  bool local_source = false;      ///< Whether a source is one of the host's addresses (nft_fib).
  bool whole_v6 = false;          ///< IPv6 packets can be put together from fragments before all hooks, as IPv4's are.
  /// A table can have an owner, the netlink socket that made it, and outlive it (Linux 6.10): nobody else changes it or
  /// removes it while its owner lives, and it stays afterwards.
  bool owned = false;
};

/// One transaction that replaces the tables of that name by these rules, or deletes them if there are none, whether
/// they exist or not. Packets meet all of the old rules or all of the new ones.
std::vector<std::byte> filter_transaction(const std::string& table, std::span<const FilterRule> rules,
                                          const QueueNumbers& queues, const NfTablesFacts& facts);

/// Makes the sender the owner of a table that an owner has left behind, if `owned`. Refused if a program that runs owns
/// it (EPERM), or, if `owned`, if it was made without an owner (EOPNOTSUPP).
std::vector<std::byte> claim_of_table(const std::string& table, Family family, bool owned);

// Transactions that leave nothing behind, and are refused if the kernel lacks what they try.
std::vector<std::byte> trial_of_ownership(const std::string& table);
std::vector<std::byte> trial_of_queueing(const std::string& table, Family family, bool by_expression);
std::vector<std::byte> trial_of_defragmenting(const std::string& table);
std::vector<std::byte> trial_of_sources(const std::string& table, Family family);

/// Refused if the table does not exist.
std::vector<std::byte> question_for_table(const std::string& table, Family family);

}  // namespace ipseckey::ipsecd
