#pragma once
/// Rules of netfilter as messages to the kernel's nf_tables, and the socket for them. ipsecd starts no other program for
/// this: it keeps CAP_NET_ADMIN anyway, and needs neither execve() nor files (doc/explanation/design.md).
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "ipsecd/packets/filter_rules.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// The queues' numbers: `workers` for packets that leave, from `first` on, then as many for those that arrive.
struct QueueNumbers {
  std::uint16_t first = 0, workers = 1;
  std::uint16_t out(unsigned worker) const { return static_cast<std::uint16_t>(first + worker); }
  std::uint16_t in(unsigned worker) const { return static_cast<std::uint16_t>(first + workers + worker); }
};

/// What this kernel's nf_tables has.
struct NfTablesFacts {
  bool queue_expression = false;  ///< `queue` (nft_queue). Otherwise the target NFQUEUE through nft_compat.
  bool v6 = true;                 ///< Tables for IPv6.
  bool whole_v6 = false;          ///< IPv6 packets can be put together from fragments before all hooks, as IPv4's are.
};

/// One transaction that replaces the tables of that name by these rules, or deletes them if there are none, whether
/// they exist or not. Packets meet all of the old rules or all of the new ones.
std::vector<std::byte> filter_transaction(const std::string& table, std::span<const FilterRule> rules,
                                          const QueueNumbers& queues, const NfTablesFacts& facts);

/// The tables of one ipsecd. They have no owner in the kernel, so they outlive a process that is killed: what they queue
/// is dropped until an ipsecd reads the queues again.
class NfTables {
 public:
  /// The name of the tables is "ipsecd-" and the first queue's number. Errors: denied (it needs CAP_NET_ADMIN),
  /// unsupported (no nf_tables, or nothing to queue with).
  static Result<NfTables> make(const QueueNumbers& queues);

  const std::string& table() const { return table_; }
  const NfTablesFacts& facts() const { return facts_; }
  /// Whether one of the tables exists.
  bool exists();
  /// Error io: the kernel refused the rules; the former ones are unchanged.
  Result<void> replace(std::span<const FilterRule> rules);

 private:
  NfTables(Descriptor fd, const QueueNumbers& queues);

  /// 0, or the errno of the first refusal.
  int carry_out(std::span<const std::byte> transaction);
  int try_queueing(Family family, bool expression);
  int try_defragmenting();

  Descriptor fd_;
  QueueNumbers queues_;
  std::string table_;
  NfTablesFacts facts_;
};

}  // namespace ipseckey::ipsecd
