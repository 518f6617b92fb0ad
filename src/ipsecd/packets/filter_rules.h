#pragma once
/// Which packets netfilter takes out of the host's stack for ipsecd (--hook): those that the rules concern, and no
/// others. Pure: nf_tables.h passes the result to the kernel.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/net.h"
#include "pfkey/message.h"
#include "policy/rule.h"

namespace ipseckey::ipsecd {

/// The chains, each at one of netfilter's hooks. A forwarded packet passes two of them: first the one that asks whether
/// it should have arrived protected, then the one that asks whether it must leave protected. `translated` is behind
/// source NAT: what has one of the host's addresses there is asked once more, like what the host sends.
enum class FilterChain : std::uint8_t { output, input, forward_in, forward_out, translated };
inline constexpr std::size_t kFilterChains = 5;

/// What a chain does with packets: leaves them to the host, or puts them into one of ipsecd's queues.
enum class FilterVerdict : std::uint8_t {
  accept,
  queue_out,
  queue_in,
  queue_long,  ///< TCP of this host, which is queued before it is cut into segments.
};

/// Pieces of datagrams.
enum class Piece : std::uint8_t {
  any,    ///< Every packet.
  part,   ///< Only fragments.
  later,  ///< Only fragments that are not the first, which have neither ports nor ICMP's type.
};

/// One rule of a chain: what it requires of a packet, and the verdict. An absent member fits every packet.
struct FilterRule {
  Family family = Family::v4;
  FilterChain chain = FilterChain::output;
  FilterVerdict verdict = FilterVerdict::accept;
  std::optional<policy::Prefix> source = {}, destination = {};
  std::optional<std::uint8_t> protocol = {};  ///< The upper-layer protocol, behind all extension headers.
  std::optional<std::uint16_t> source_port = {}, destination_port = {};
  std::optional<policy::NumberRange> icmp_type = {}, icmp_code = {};
  Piece piece = Piece::any;
  std::optional<pfkey::Mark> mark = {};
  bool of_others = false;   ///< Its source is none of the host's addresses.
  bool loopback = false;    ///< It comes from, or goes to, the loopback device.
  std::string device = {};  ///< It comes from (input, forward_in), or goes to, this device.
  bool esp_in_udp = false;  ///< The payload of UDP does not begin with the non-ESP marker (RFC 3948 section 2.2).

  bool operator==(const FilterRule&) const = default;
};

struct FilterOptions {
  std::uint32_t mark = 0;  ///< Of packets that ipsecd sends itself; they are left alone.
  std::string
      device;  ///< Its TUN device, whose packets are left alone, and which delivers what was opened; empty: none.
  bool whole_v6 = false;                 ///< As in NfTablesFacts.
  bool long_tcp = false;                 ///< There is a queue for TCP.
  bool local_source = false;             ///< As in NfTablesFacts.
  std::vector<std::uint16_t> udp_ports;  ///< Where ESP in UDP arrives: left to ipsecd's sockets if there is a device.
};

/// More rules of the policy than this are not written as rules of netfilter, which tries one after the other: then all
/// packets are queued, and ipsecd's own look-up, whose cost does not depend on their number, decides.
inline constexpr std::size_t kMostFilterRules = 512;

/// The rules of all chains, in order. `rules` are in the order in which they are tried; those of tunnels that are
/// devices of their own are about what is routed into these, and not about what meets a hook. Forwarded packets are
/// those of rules in tunnel mode. Empty if there are no rules.
std::vector<FilterRule> filter_rules(std::span<const policy::Rule> rules, const FilterOptions& options);

/// One rule in the notation of nft(8), without its table: "input ip daddr 192.0.2.1 meta l4proto 50 queue in".
std::string filter_text(const FilterRule& rule);

}  // namespace ipseckey::ipsecd
