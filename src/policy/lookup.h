#pragma once
/// The rules of a host as the path of packets needs them: made once, never changed, read by any number of threads.
/// The rule that a packet meets first is the one that match() finds, at a cost that depends on how many kinds of
/// patterns there are (lengths of prefixes; whether protocol and ports are given), not on the number of rules.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "policy/match.h"
#include "policy/rule.h"
#include "policy/tally.h"

namespace ipseckey::policy {

class Lookup {
 public:
  /// Whose rules are asked: those of the host, or of one of its tunnels.
  using Head = std::uint32_t;
  static constexpr Head kHost = 0;
  /// For packets that the host passes on: those of its own rules that are in tunnel mode. The others are not about
  /// them.
  static constexpr Head kForwarded = 1;

  /// In the order in which they are tried; `tallies`: of each, or none.
  explicit Lookup(Rules rules, Tallies tallies = {});
  ~Lookup();
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  const Rules& rules() const;
  /// Of the rule with that number in rules(), for any thread; nullptr: it has none.
  Tally* tally(std::size_t rule) const { return rule < tallies_.size() ? tallies_[rule].get() : nullptr; }

  /// The number, in rules(), of the first rule of that head that is about the packet; nullopt: there is none.
  std::optional<std::size_t> find(const Probe& packet, Direction direction, Head head = kHost) const;

  /// For a packet whose ports or ICMP numbers are unknown (a fragment): the number of the first rule that names such
  /// ports or numbers and may be about it. Inbound, only rules that do not accept it in clear count.
  std::optional<std::size_t> find_possible(const Probe& packet, Direction direction, Head head = kHost) const;

  /// The head of the tunnel with that name; nullopt: no rule is about it.
  std::optional<Head> tunnel(std::string_view name) const;
  /// The head of the tunnel whose rules name these ends; an unspecified remote address is any.
  std::optional<Head> tunnel_between(const Address& local, const Address& remote) const;
  /// Whether packets that no rule of the head is about are discarded: it has a rule in tunnel mode.
  bool discards_the_rest(Head head) const;

  /// The number of groups and rules that find() compares.
  std::size_t effort(const Probe& packet, Direction direction, Head head = kHost) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
  Tallies tallies_;
};

}  // namespace ipseckey::policy
