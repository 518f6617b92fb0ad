// How rules become netfilter's:
// 1. Each chain has one question: must these packets leave protected (output, forward_out), or should they have arrived
//    protected (input, forward_in)? add_policy() asks each rule of that direction, in order, what it does: a rule that
//    leaves its packets clear becomes "accept", any other one "queue".
// 2. spread() splits a rule into those that netfilter can compare: by family; ports without a protocol are those of
//    every protocol that has ports. TCP of this host goes to a queue of its own, where it is not cut yet.
// 3. A rule about ports or ICMP types that queues also queues later fragments, which have none: ipsecd puts datagrams
//    together. One that accepts does not accept them.
// 4. Exemptions come first: loopback, ipsecd's device, and its own packets; behind source NAT, multicast that is
//    protected already, and what the host forwards under another's address.
#include "ipsecd/packets/filter_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "policy/forwarded.h"
#include "policy/match.h"

namespace ipseckey::ipsecd {
namespace {

using policy::Direction;
using policy::Outcome;
using policy::Rule;

constexpr std::uint8_t kTcp = 6, kUdp = 17, kEsp = 50, kAh = 51;

struct ChainRow {
  std::string_view name;
  Direction direction;
  FilterVerdict queue;
  bool arrives;  // Devices and exemptions are those of where packets come from; else of where they go.
  bool sent_here;
};
constexpr std::array<ChainRow, kFilterChains> kChains = {{
    {"output", Direction::out, FilterVerdict::queue_out, false, true},
    {"input", Direction::in, FilterVerdict::queue_in, true, false},
    {"forward_in", Direction::in, FilterVerdict::queue_in, true, false},
    {"forward_out", Direction::out, FilterVerdict::queue_out, false, false},
    {"translated", Direction::out, FilterVerdict::queue_out, false, true},
}};
const ChainRow& row_of(FilterChain chain) { return kChains[static_cast<std::size_t>(chain)]; }

bool is_forward(FilterChain chain) { return chain == FilterChain::forward_in || chain == FilterChain::forward_out; }

bool of_family(const Rule& rule, Family family) {
  const policy::Selector& s = rule.selector;
  return (!s.local || s.local->address.family == family) && (!s.remote || s.remote->address.family == family);
}

// What a rule requires, but for the protocols of its ports.
FilterRule basis(const Rule& rule, Family family, FilterChain chain) {
  const policy::Selector& s = rule.selector;
  const bool out = row_of(chain).direction == Direction::out;
  return {.family = family,
          .chain = chain,
          .source = out ? s.local : s.remote,
          .destination = out ? s.remote : s.local,
          .protocol = s.protocol,
          .source_port = out ? s.local_port : s.remote_port,
          .destination_port = out ? s.remote_port : s.local_port,
          .icmp_type = s.icmp_type,
          .icmp_code = s.icmp_code,
          .mark = rule.mark};
}

bool beyond_fragments(const FilterRule& rule) {
  return rule.source_port || rule.destination_port || rule.icmp_type || rule.icmp_code;
}

// TCP has a queue of its own.
void add(const FilterRule& rule, bool long_tcp, std::vector<FilterRule>& into) {
  const bool splits = long_tcp && rule.chain == FilterChain::output && rule.verdict == FilterVerdict::queue_out;
  if (splits && rule.protocol.value_or(kTcp) == kTcp && rule.piece == Piece::any) {
    into.push_back(rule);
    into.back().protocol = kTcp, into.back().verdict = FilterVerdict::queue_long;
    if (rule.protocol) return;
  }
  into.push_back(rule);
}

void spread(FilterRule rule, bool long_tcp, std::vector<FilterRule>& into) {
  const bool queues = rule.verdict != FilterVerdict::accept;
  const bool ports = rule.source_port || rule.destination_port;
  std::vector<std::optional<std::uint8_t>> protocols = {rule.protocol};
  if (ports && !rule.protocol) {
    const auto all = policy::protocols_with_ports();
    protocols.assign(all.begin(), all.end());
  }
  for (const auto& protocol : protocols) {
    rule.protocol = protocol;
    add(rule, long_tcp, into);
    if (!queues || !beyond_fragments(rule)) continue;
    FilterRule later = rule;
    later.source_port = later.destination_port = std::nullopt;
    later.icmp_type = later.icmp_code = std::nullopt;
    later.piece = Piece::later;
    into.push_back(later);
  }
}

// As policy::Lookup has it.
bool is_about(const Rule& rule, const policy::Forwarded& forwarded, FilterChain chain) {
  const Direction direction = row_of(chain).direction;
  return is_forward(chain) ? forwarded.has(direction) : !rule.tunnel && rule.has(direction);
}

bool leaves_clear(const Rule& rule, Direction direction) {
  const Outcome outcome = policy::outcome(rule, direction);
  return outcome == Outcome::clear || (direction == Direction::in && outcome == Outcome::protect_or_clear);
}

// The rules of the policy in one chain; what follows the last one that queues has no effect.
std::vector<FilterRule> of_policy(std::span<const Rule> rules, Family family, FilterChain chain, bool long_tcp) {
  const ChainRow& row = row_of(chain);
  std::vector<FilterRule> made;
  std::size_t needed = 0;
  const auto forwarded = policy::about_forwarded(rules);
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Rule& rule = rules[i];
    if (!of_family(rule, family) || !is_about(rule, forwarded[i], chain)) continue;
    FilterRule one = basis(rule, family, chain);
    one.verdict = leaves_clear(rule, row.direction) ? FilterVerdict::accept : row.queue;
    spread(one, long_tcp, made);
    if (one.verdict != FilterVerdict::accept) needed = made.size();
  }
  made.resize(needed);
  if (made.size() <= kMostFilterRules) return made;
  made.clear();
  add({.family = family, .chain = chain, .verdict = row.queue}, long_tcp, made);
  return made;
}

// Addresses that mean something on one link only.
struct OfLink {
  Family family;
  std::string_view address;
  std::uint8_t length;
  bool source;
};
constexpr std::array kOfLink = {OfLink{Family::v4, "224.0.0.0", 4, false},
                                OfLink{Family::v4, "255.255.255.255", 32, false},
                                OfLink{Family::v4, "169.254.0.0", 16, true}, OfLink{Family::v6, "ff00::", 8, false},
                                OfLink{Family::v6, "fe80::", 10, true}};

// AH or ESP: queued, or, with a device, left to ipsecd's sockets, unless its interface matters. If the host puts
// fragments of IPv6 together behind this hook, they are left to it: then a raw socket receives the whole.
void add_protected(FilterRule rule, const FilterOptions& options, std::vector<FilterRule>& into) {
  if (rule.family == Family::v6 && !options.whole_v6) {
    into.push_back(rule);
    into.back().piece = Piece::part;
  }
  rule.verdict = FilterVerdict::queue_in;
  if (options.device.empty()) return into.push_back(rule);
  for (const OfLink& row : kOfLink) {
    if (row.family != rule.family) continue;
    FilterRule one = rule;
    (row.source ? one.source : one.destination) = policy::Prefix{*parse_address(row.address), row.length};
    into.push_back(one);
  }
  rule.verdict = FilterVerdict::accept;
  into.push_back(rule);
}

void add_arriving(Family family, const FilterOptions& options, std::vector<FilterRule>& into) {
  FilterRule rule{.family = family, .chain = FilterChain::input};
  for (const std::uint8_t protocol : {kEsp, kAh}) {
    rule.protocol = protocol;
    add_protected(rule, options, into);
  }
  rule.protocol = kUdp, rule.esp_in_udp = true;
  rule.verdict = options.device.empty() ? FilterVerdict::queue_in : FilterVerdict::accept;
  for (const std::uint16_t port : options.udp_ports) {
    rule.destination_port = port;
    into.push_back(rule);
  }
}

void add_exempt(Family family, FilterChain chain, const FilterOptions& options, std::vector<FilterRule>& into) {
  const FilterRule accepts{.family = family, .chain = chain};
  if (!is_forward(chain)) into.push_back(accepts), into.back().loopback = true;
  if (!options.device.empty()) into.push_back(accepts), into.back().device = options.device;
  if (row_of(chain).sent_here) into.push_back(accepts), into.back().mark = pfkey::Mark{.value = options.mark};
  if (chain != FilterChain::translated) return;
  for (const std::uint8_t protocol : {kEsp, kAh}) into.push_back(accepts), into.back().protocol = protocol;
  into.push_back(accepts), into.back().of_others = true;
}

}  // namespace

std::vector<FilterRule> filter_rules(std::span<const Rule> rules, const FilterOptions& options) {
  std::vector<FilterRule> made;
  for (const Family family : {Family::v4, Family::v6})
    for (std::size_t i = 0; i < kFilterChains; ++i) {
      const auto chain = static_cast<FilterChain>(i);
      if (chain == FilterChain::translated && !options.local_source) continue;
      const std::vector<FilterRule> own = of_policy(rules, family, chain, options.long_tcp);
      const bool arrives = chain == FilterChain::input && !rules.empty();
      if (own.empty() && !arrives) continue;
      add_exempt(family, chain, options, made);
      if (arrives) add_arriving(family, options, made);
      made.insert(made.end(), own.begin(), own.end());
    }
  return made;
}

// ---- as text

namespace {

std::string prefix_text(const policy::Prefix& prefix) {
  return fmt::format("{}/{}", to_string(prefix.address), prefix.length);
}

std::string range_text(const policy::NumberRange& range) {
  return range.first == range.last ? fmt::format("{}", range.first) : fmt::format("{}-{}", range.first, range.last);
}

constexpr std::string_view kVerdicts[] = {"accept", "queue out", "queue in", "queue long"};

}  // namespace

std::string filter_text(const FilterRule& rule) {
  const ChainRow& row = row_of(rule.chain);
  const bool v4 = rule.family == Family::v4;
  const std::string_view ip = v4 ? "ip" : "ip6";
  std::string out = fmt::format("{} {}", ip, row.name);
  const auto add = [&](std::string_view what, const auto& value) { out += fmt::format(" {} {}", what, value); };
  if (rule.loopback) add(row.arrives ? "iif" : "oif", "lo");
  if (!rule.device.empty()) add(row.arrives ? "iifname" : "oifname", rule.device);
  if (rule.of_others) out += " fib saddr type != local";
  if (rule.mark) out += fmt::format(" meta mark & 0x{:x} == 0x{:x}", rule.mark->mask, rule.mark->value);
  if (rule.source) add("saddr", prefix_text(*rule.source));
  if (rule.destination) add("daddr", prefix_text(*rule.destination));
  if (rule.protocol) add("meta l4proto", *rule.protocol);
  if (rule.piece == Piece::part) out += v4 ? " frag-off & 0x3fff != 0" : " frag frag-off & 0xfff9 != 0";
  if (rule.piece == Piece::later) out += v4 ? " frag-off & 0x1fff != 0" : " frag frag-off & 0xfff8 != 0";
  if (rule.source_port) add("th sport", *rule.source_port);
  if (rule.destination_port) add("th dport", *rule.destination_port);
  if (rule.icmp_type) add("icmp type", range_text(*rule.icmp_type));
  if (rule.icmp_code) add("icmp code", range_text(*rule.icmp_code));
  if (rule.esp_in_udp) out += " @th,64,32 != 0";
  return out + fmt::format(" {}", kVerdicts[static_cast<std::size_t>(rule.verdict)]);
}

}  // namespace ipseckey::ipsecd
