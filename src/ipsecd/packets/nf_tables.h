#pragma once
/// The tables of ipsecd in netfilter, through a netlink socket. ipsecd starts no other program for
/// this: it keeps CAP_NET_ADMIN anyway, and needs neither execve() nor files (doc/explanation/design.md).
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "ipsecd/packets/nf_transaction.h"
#include "system/descriptor.h"

namespace ipseckey::ipsecd {

/// The tables of one ipsecd. They outlive a process that is killed: what they queue is dropped until an ipsecd reads
/// the queues again. Where the kernel can (NfTablesFacts::owned), no other program changes or removes them while it
/// runs.
class NfTables {
 public:
  /// The name of the tables is "ipsecd-" and the first queue's number. Errors: denied (it needs CAP_NET_ADMIN),
  /// unsupported (no nf_tables, or nothing to queue with).
  static Result<NfTables> make(const QueueNumbers& queues);

  /// The port of the netlink socket that changes them; the kernel names it in what it tells others.
  std::uint32_t port() const;
  const std::string& table() const { return table_; }
  const NfTablesFacts& facts() const { return facts_; }
  /// Whether tables of an earlier ipsecd exist. Where the kernel can, they are this one's from now on. Error exists:
  /// another program that runs owns one of them.
  Result<bool> take_up();
  /// Whether one of the tables exists.
  bool exists();
  /// Error io: the kernel refused the rules; the former ones are unchanged.
  Result<void> replace(std::span<const FilterRule> rules);

 private:
  NfTables(Descriptor fd, const QueueNumbers& queues);

  /// 0, or the errno of the first refusal.
  int carry_out(std::span<const std::byte> transaction);
  int try_queueing(Family family, bool by_expression);

  Descriptor fd_;
  QueueNumbers queues_;
  std::string table_;
  NfTablesFacts facts_;
};

}  // namespace ipseckey::ipsecd
