// How rules of netfilter become messages:
// 1. For each family there is a table that is deleted with all that is in it, if it exists, and, if it has rules,
//    created again with its chains and rules. Where the kernel can, it has ipsecd's socket as its owner.
// 2. A rule is a list of expressions: each loads a piece of the packet into a register and compares it; the last one is
//    the verdict. add_expressions() has one line for each member of a FilterRule.
// 3. Queueing is the expression `queue`, or, on kernels without nft_queue, the target NFQUEUE of iptables.
// 4. A chain that no packet meets has a rule with `tproxy`, because while there is one the kernel puts fragments of
//    IPv6 together before all hooks. (So does connection tracking, but that has a cost and limits.)
#include "ipsecd/packets/nf_transaction.h"

#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "ipsecd/packets/nf_batch.h"

namespace ipseckey::ipsecd {
namespace {

constexpr std::uint32_t kLoopback = 1;  // The index of `lo` in every network namespace.

// Where each chain is attached: the number of the hook, and the place in the order of what else is attached there. The
// host's firewall (priority 0) sees what leaves before it is protected, and what arrives after it was opened. Source
// NAT is before the last one.
struct Place {
  std::string_view chain;
  std::uint32_t hook;
  std::int32_t priority;
};
constexpr std::array<Place, kFilterChains> kPlaces = {{{"output", NF_INET_LOCAL_OUT, 250},
                                                       {"input", NF_INET_LOCAL_IN, -10},
                                                       {"forward_in", NF_INET_FORWARD, -10},
                                                       {"forward_out", NF_INET_FORWARD, 250},
                                                       {"translated", NF_INET_POST_ROUTING, 250}}};

// ---- expressions

template <class F>
void expression(NfBatch& b, std::string_view name, F data) {
  b.nest(NFTA_LIST_ELEM, [&] {
    b.text(NFTA_EXPR_NAME, name);
    b.nest(NFTA_EXPR_DATA, data);
  });
}

// Whether what was loaded is that value. Registers hold network order, except numbers of the host such as marks.
void compare(NfBatch& b, Bytes value, std::uint32_t how = NFT_CMP_EQ) {
  expression(b, "cmp", [&] {
    b.number(NFTA_CMP_SREG, NFT_REG_1);
    b.number(NFTA_CMP_OP, how);
    b.nest(NFTA_CMP_DATA, [&] { b.octets(NFTA_DATA_VALUE, value); });
  });
}

void mask(NfBatch& b, Bytes bits) {
  const std::vector<std::byte> none(bits.size());
  expression(b, "bitwise", [&] {
    b.number(NFTA_BITWISE_SREG, NFT_REG_1);
    b.number(NFTA_BITWISE_DREG, NFT_REG_1);
    b.number(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(bits.size()));
    b.nest(NFTA_BITWISE_MASK, [&] { b.octets(NFTA_DATA_VALUE, bits); });
    b.nest(NFTA_BITWISE_XOR, [&] { b.octets(NFTA_DATA_VALUE, none); });
  });
}

void load_meta(NfBatch& b, std::uint32_t key) {
  expression(b, "meta", [&] {
    b.number(NFTA_META_DREG, NFT_REG_1);
    b.number(NFTA_META_KEY, key);
  });
}

void load(NfBatch& b, std::uint32_t base, std::size_t at, std::size_t size) {
  expression(b, "payload", [&] {
    b.number(NFTA_PAYLOAD_DREG, NFT_REG_1);
    b.number(NFTA_PAYLOAD_BASE, base);
    b.number(NFTA_PAYLOAD_OFFSET, static_cast<std::uint32_t>(at));
    b.number(NFTA_PAYLOAD_LEN, static_cast<std::uint32_t>(size));
  });
}

template <std::unsigned_integral T>
std::array<std::byte, sizeof(T)> network(T v) {
  return std::bit_cast<std::array<std::byte, sizeof(T)>>(big_endian(v));
}
template <std::unsigned_integral T>
std::array<std::byte, sizeof(T)> host(T v) {
  return std::bit_cast<std::array<std::byte, sizeof(T)>>(v);
}

void match_prefix(NfBatch& b, const policy::Prefix& prefix, bool source) {
  if (prefix.length == 0) return;
  const bool v4 = prefix.address.family == Family::v4;
  const std::size_t size = v4 ? 4 : 16, first = v4 ? 12 : 8;
  load(b, NFT_PAYLOAD_NETWORK_HEADER, source ? first : first + size, size);
  std::array<std::byte, 16> bits{}, value{};
  for (std::size_t i = 0; i < size; ++i) {
    const unsigned set =
        prefix.length > 8 * i ? std::min<unsigned>(8, static_cast<unsigned>(prefix.length - 8 * i)) : 0;
    bits[i] = static_cast<std::byte>(0xff00u >> set);
    std::memcpy(&value[i], &prefix.address.octets[i], 1);
    value[i] &= bits[i];
  }
  if (prefix.length < 8 * size) mask(b, Bytes(bits).first(size));
  compare(b, Bytes(value).first(size));
}

void match_port(NfBatch& b, std::size_t at, std::uint16_t port) {
  load(b, NFT_PAYLOAD_TRANSPORT_HEADER, at, 2);
  compare(b, network(port));
}

void match_range(NfBatch& b, std::size_t at, const policy::NumberRange& range) {
  load(b, NFT_PAYLOAD_TRANSPORT_HEADER, at, 1);
  if (range.first == range.last) return compare(b, host(range.first));
  compare(b, host(range.first), NFT_CMP_GTE);
  compare(b, host(range.last), NFT_CMP_LTE);
}

// Offset and "more fragments": in the header of IPv4 (RFC 791), or of an IPv6 fragment (RFC 8200 section 4.5).
void match_piece(NfBatch& b, Family family, Piece piece) {
  if (piece == Piece::any) return;
  const bool v4 = family == Family::v4;
  if (v4) {
    load(b, NFT_PAYLOAD_NETWORK_HEADER, 6, 2);
  } else {
    expression(b, "exthdr", [&] {
      constexpr std::uint8_t kFragment = 44;
      b.number(NFTA_EXTHDR_DREG, NFT_REG_1);
      b.octets(NFTA_EXTHDR_TYPE, host(kFragment));
      b.number(NFTA_EXTHDR_OFFSET, 2);
      b.number(NFTA_EXTHDR_LEN, 2);
    });
  }
  const std::uint16_t offset = v4 ? 0x1fff : 0xfff8, more = v4 ? 0x2000 : 0x0001;
  mask(b, network(static_cast<std::uint16_t>(piece == Piece::later ? offset : offset | more)));
  compare(b, network(std::uint16_t{0}), NFT_CMP_NEQ);
}

void match_device(NfBatch& b, const std::string& device, bool arrives) {
  std::array<std::byte, IFNAMSIZ> name{};
  std::memcpy(name.data(), device.data(), std::min(device.size(), name.size() - 1));
  load_meta(b, arrives ? NFT_META_IIFNAME : NFT_META_OIFNAME);
  compare(b, name);
}

void match_source_of_others(NfBatch& b) {
  expression(b, "fib", [&] {
    b.number(NFTA_FIB_DREG, NFT_REG_1);
    b.number(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    b.number(NFTA_FIB_FLAGS, NFTA_FIB_F_SADDR);
  });
  compare(b, host(std::uint32_t{RTN_LOCAL}), NFT_CMP_NEQ);
}

// ---- verdicts

void accept(NfBatch& b) {
  expression(b, "immediate", [&] {
    b.number(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    b.nest(NFTA_IMMEDIATE_DATA, [&] { b.nest(NFTA_DATA_VERDICT, [&] { b.number(NFTA_VERDICT_CODE, NF_ACCEPT); }); });
  });
}

// Without a bypass: while nobody reads the queue, what is queued is dropped.
void queue(NfBatch& b, std::uint16_t first, std::uint16_t count, bool by_expression) {
  if (by_expression)
    return expression(b, "queue", [&] {
      b.number16(NFTA_QUEUE_NUM, first);
      b.number16(NFTA_QUEUE_TOTAL, count);
    });
  expression(b, "target", [&] {
    const xt_NFQ_info_v3 info{.queuenum = first, .queues_total = count, .flags = 0};
    std::array<std::byte, (sizeof info + 7) / 8 * 8> padded{};
    std::memcpy(padded.data(), &info, sizeof info);
    b.text(NFTA_TARGET_NAME, "NFQUEUE");
    b.number(NFTA_TARGET_REV, 3);
    b.octets(NFTA_TARGET_INFO, padded);
  });
}

void put_together(NfBatch& b) {
  expression(b, "immediate", [&] {
    b.number(NFTA_IMMEDIATE_DREG, NFT_REG_1);
    b.nest(NFTA_IMMEDIATE_DATA, [&] { b.octets(NFTA_DATA_VALUE, network(std::uint16_t{1})); });
  });
  expression(b, "tproxy", [&] {
    b.number(NFTA_TPROXY_FAMILY, NFPROTO_IPV6);
    b.number(NFTA_TPROXY_REG_PORT, NFT_REG_1);
  });
}

bool at_entrance(FilterChain chain) { return chain == FilterChain::input || chain == FilterChain::forward_in; }

void add_expressions(NfBatch& b, const FilterRule& rule, const QueueNumbers& queues, bool by_expression) {
  const bool arrives = at_entrance(rule.chain);
  if (rule.loopback) load_meta(b, arrives ? NFT_META_IIF : NFT_META_OIF), compare(b, host(kLoopback));
  if (!rule.device.empty()) match_device(b, rule.device, arrives);
  if (rule.of_others) match_source_of_others(b);
  if (rule.mark) {
    load_meta(b, NFT_META_MARK);
    if (rule.mark->mask != UINT32_MAX) mask(b, host(rule.mark->mask));
    compare(b, host(rule.mark->value & rule.mark->mask));
  }
  if (rule.source) match_prefix(b, *rule.source, true);
  if (rule.destination) match_prefix(b, *rule.destination, false);
  if (rule.protocol) load_meta(b, NFT_META_L4PROTO), compare(b, host(*rule.protocol));
  match_piece(b, rule.family, rule.piece);
  if (rule.source_port) match_port(b, 0, *rule.source_port);
  if (rule.destination_port) match_port(b, 2, *rule.destination_port);
  if (rule.icmp_type) match_range(b, 0, *rule.icmp_type);
  if (rule.icmp_code) match_range(b, 1, *rule.icmp_code);
  if (rule.esp_in_udp) load(b, NFT_PAYLOAD_TRANSPORT_HEADER, 8, 4), compare(b, network(std::uint32_t{0}), NFT_CMP_NEQ);
  switch (rule.verdict) {
    case FilterVerdict::accept:
      return accept(b);
    case FilterVerdict::queue_out:
      return queue(b, queues.out(0), queues.workers, by_expression);
    case FilterVerdict::queue_in:
      return queue(b, queues.in(0), queues.workers, by_expression);
    case FilterVerdict::queue_long:
      return queue(b, queues.tcp(0), queues.workers, by_expression);
  }
}

// ---- objects

// Newer than the headers of Debian 12.
constexpr std::uint32_t kPersist = 4;        // NFT_TABLE_F_PERSIST, Linux 6.9.
constexpr std::uint16_t kDestroyTable = 26;  // NFT_MSG_DESTROYTABLE, Linux 6.3: it need not exist.

void add_table(NfBatch& b, Family family, const std::string& table, bool owned = false) {
  b.begin(NFT_MSG_NEWTABLE, family, NLM_F_CREATE);
  b.text(NFTA_TABLE_NAME, table);
  if (owned) b.number(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER | kPersist);
  b.end();
}

void destroy_table(NfBatch& b, Family family, const std::string& table) {
  b.begin(kDestroyTable, family);
  b.text(NFTA_TABLE_NAME, table);
  b.end();
}

void delete_table(NfBatch& b, Family family, const std::string& table, std::uint16_t flags = 0) {
  b.begin(NFT_MSG_DELTABLE, family, flags);
  b.text(NFTA_TABLE_NAME, table);
  b.end();
}

void add_chain(NfBatch& b, Family family, const std::string& table, std::string_view name, const Place* place) {
  b.begin(NFT_MSG_NEWCHAIN, family, NLM_F_CREATE);
  b.text(NFTA_CHAIN_TABLE, table);
  b.text(NFTA_CHAIN_NAME, name);
  if (place) {
    b.nest(NFTA_CHAIN_HOOK, [&] {
      b.number(NFTA_HOOK_HOOKNUM, place->hook);
      b.number(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(place->priority));
    });
    b.text(NFTA_CHAIN_TYPE, "filter");
  }
  b.end();
}

template <class F>
void add_rule(NfBatch& b, Family family, const std::string& table, std::string_view chain, F expressions) {
  b.begin(NFT_MSG_NEWRULE, family, NLM_F_CREATE | NLM_F_APPEND);
  b.text(NFTA_RULE_TABLE, table);
  b.text(NFTA_RULE_CHAIN, chain);
  b.nest(NFTA_RULE_EXPRESSIONS, expressions);
  b.end();
}

void add_defragmenting(NfBatch& b, const std::string& table) {
  add_chain(b, Family::v6, table, "whole", nullptr);
  add_rule(b, Family::v6, table, "whole", [&] { put_together(b); });
}

void fill_table(NfBatch& b, Family family, const std::string& table, std::span<const FilterRule> rules,
                const QueueNumbers& queues, const NfTablesFacts& facts) {
  std::array<bool, kFilterChains> made{};
  bool table_made = false;
  for (const FilterRule& rule : rules) {
    if (rule.family != family) continue;
    if (!std::exchange(table_made, true)) {
      add_table(b, family, table, facts.owned);
      if (family == Family::v6 && facts.whole_v6) add_defragmenting(b, table);
    }
    const auto number = static_cast<std::size_t>(rule.chain);
    const Place& place = kPlaces[number];
    if (!std::exchange(made[number], true)) add_chain(b, family, table, place.chain, &place);
    add_rule(b, family, table, place.chain, [&] { add_expressions(b, rule, queues, facts.queue_expression); });
  }
}

}  // namespace

std::vector<std::byte> filter_transaction(const std::string& table, std::span<const FilterRule> rules,
                                          const QueueNumbers& queues, const NfTablesFacts& facts) {
  NfBatch b;
  b.mark(NFNL_MSG_BATCH_BEGIN);
  for (const Family family : {Family::v4, Family::v6}) {
    if (family == Family::v6 && !facts.v6) continue;
    if (facts.owned) {
      destroy_table(b, family, table);  // Also one without an owner, which could not be given one.
    } else {
      add_table(b, family, table);
      delete_table(b, family, table);
    }
    fill_table(b, family, table, rules, queues, facts);
  }
  b.mark(NFNL_MSG_BATCH_END);
  return b.take();
}

std::vector<std::byte> claim_of_table(const std::string& table, Family family, bool owned) {
  NfBatch b;
  b.mark(NFNL_MSG_BATCH_BEGIN);
  add_table(b, family, table, owned);
  b.mark(NFNL_MSG_BATCH_END);
  return b.take();
}

std::vector<std::byte> trial_of_ownership(const std::string& table) {
  NfBatch b;
  b.mark(NFNL_MSG_BATCH_BEGIN);
  add_table(b, Family::v4, table, true);
  destroy_table(b, Family::v4, table);
  b.mark(NFNL_MSG_BATCH_END);
  return b.take();
}

std::vector<std::byte> trial_of_queueing(const std::string& table, Family family, bool by_expression) {
  NfBatch b;
  b.mark(NFNL_MSG_BATCH_BEGIN);
  add_table(b, family, table);
  add_chain(b, family, table, "trial", nullptr);
  add_rule(b, family, table, "trial", [&] { queue(b, 0, 1, by_expression); });
  delete_table(b, family, table);
  b.mark(NFNL_MSG_BATCH_END);
  return b.take();
}

std::vector<std::byte> trial_of_defragmenting(const std::string& table) {
  NfBatch b;
  b.mark(NFNL_MSG_BATCH_BEGIN);
  add_table(b, Family::v6, table);
  add_defragmenting(b, table);
  delete_table(b, Family::v6, table);
  b.mark(NFNL_MSG_BATCH_END);
  return b.take();
}

std::vector<std::byte> trial_of_sources(const std::string& table, Family family) {
  NfBatch b;
  b.mark(NFNL_MSG_BATCH_BEGIN);
  add_table(b, family, table);
  add_chain(b, family, table, "trial", nullptr);
  add_rule(b, family, table, "trial", [&] { match_source_of_others(b); });
  delete_table(b, family, table);
  b.mark(NFNL_MSG_BATCH_END);
  return b.take();
}

std::vector<std::byte> question_for_table(const std::string& table, Family family) {
  NfBatch b;
  b.begin(NFT_MSG_GETTABLE, family, NLM_F_ACK);
  b.text(NFTA_TABLE_NAME, table);
  b.end();
  return b.take();
}

}  // namespace ipseckey::ipsecd
