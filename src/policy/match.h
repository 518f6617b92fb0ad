#pragma once
/// What the rules do with a packet: the rule that it meets first, and why that one.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/order.h"
#include "policy/rule.h"

namespace ipseckey::policy {

/// A packet as rules see it. A fragment that is not the first has neither ports nor ICMP numbers.
struct Flow {
  Address local, remote;  ///< Of one family.
  std::uint8_t protocol = 0;
  std::optional<std::uint16_t> local_port, remote_port;
  std::optional<std::uint8_t> icmp_type, icmp_code;
  std::string tunnel;  ///< The tunnel that it goes through; empty: none.
  std::uint32_t mark = 0, if_id = 0;
};

/// The same without its tunnel and without memory of its own, for code that sees each packet.
struct Probe {
  Address local, remote;  ///< Of one family.
  std::uint8_t protocol = 0;
  std::optional<std::uint16_t> local_port, remote_port;
  std::optional<std::uint8_t> icmp_type, icmp_code;
  std::uint32_t mark = 0, if_id = 0;
};
Probe probe(const Flow& flow);

/// Whether the rule is about the packet.
bool matches(const Rule& rule, const Flow& flow, Direction direction);
/// The same, whatever tunnel the rule is for.
bool matches(const Rule& rule, const Probe& packet, Direction direction);
/// Whether the packet's mark and XFRM interface are those of the rule.
bool marks_fit(const Rule& rule, const Probe& packet);

/// The number of the first rule that is about the packet; `tried`: the order, from order(). nullopt: there is none.
std::optional<std::size_t> match(std::span<const Rule> rules, std::span<const std::size_t> tried, const Flow& flow,
                                 Direction direction);

/// What is done with a packet, or accepted from one.
enum class Outcome : std::uint8_t {
  clear,             ///< Out: sent as it is. In: accepted if it is not protected.
  protect,           ///< Out: sent protected, or not at all. In: accepted only with such a protection.
  protect_or_clear,  ///< Out: clear if there is no SA (`level use`). In: accepted clear, or with such a protection.
  discard,
};

/// "clear", "protected", "protected or clear", "dropped".
std::string_view words(Outcome outcome);

/// What a rule does with its packets. `ipsec ... or pass` never sends in clear, but accepts it, as on Solaris.
Outcome outcome(const Rule& rule, Direction direction);

/// Why the first of the rules that match is the first.
enum class Reason : std::uint8_t {
  none_matches,      ///< The host has no rule about it: clear.
  tunnel_has_rules,  ///< None matches, but the tunnel has rules in tunnel mode: discarded.
  only_one,
  higher_class,  ///< Its class comes before that of the second, though it is later in the file.
  earlier,       ///< It is earlier in the file than the second.
};

struct Explanation {
  std::vector<std::size_t> matching;  ///< All rules that match, the one that is used first.
  Reason reason = Reason::none_matches;
  Outcome outcome = Outcome::clear;
};

Explanation explain(std::span<const Rule> rules, Order by, const Flow& flow, Direction direction);
/// The same, where something else than matches() says whether the rule with that number is about the packet.
Explanation explain(std::span<const Rule> rules, Order by, const Flow& flow, Direction direction,
                    const std::function<bool(std::size_t)>& fits);

/// "clear, by the rule in line 7: it is earlier in the file than that in line 9".
std::string sentence(const Explanation& explanation, std::span<const Rule> rules);

}  // namespace ipseckey::policy
