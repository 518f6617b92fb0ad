#pragma once
/// One set of rules: by index, and by what they are about, because two about the same packets in one direction cannot
/// be.
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "pfpolicy/message.h"
#include "policy/rule.h"
#include "policy/tally.h"

namespace ipseckey::engine {

/// Shared between sets and DUMPs, and never changed, except for what it counts.
struct HeldRule {
  std::uint64_t index;
  std::uint64_t serial;  ///< Of the addition.
  std::uint32_t priority;
  policy::Rule rule;
  std::shared_ptr<policy::Tally> tally;
};
using HeldPtr = std::shared_ptr<const HeldRule>;

/// The rules that FLUSH, DUMP, CLONE and FLIP are about: those of the host, of one tunnel, or all.
struct Scope {
  bool all;
  std::string tunnel;
  explicit Scope(const pfpolicy::Message& m)
      : all(m.tunnel && m.tunnel->text.empty()), tunnel(m.tunnel ? m.tunnel->text : "") {}
  bool has(const policy::Rule& rule) const { return all || (rule.tunnel ? rule.tunnel->name : "") == tunnel; }
};
Scope everything();

class RuleSet {
 public:
  std::size_t size() const { return rules_.size(); }

  /// nullptr: there is none.
  HeldPtr at(std::uint64_t index) const;
  /// A rule about the same packets in one of the rule's directions; nullptr: there is none.
  HeldPtr about(const policy::Rule& rule) const;
  void put(const HeldPtr& held);
  void put(const std::vector<HeldPtr>& list);
  void take(const HeldRule& held);
  void take(const std::vector<HeldPtr>& list);
  /// By index.
  std::vector<HeldPtr> of(const Scope& scope) const;
  /// Whether a rule of that tunnel says what its ends are.
  bool names_ends(std::string_view tunnel) const;

 private:
  // What makes two rules the same to a packet.
  using Key = std::tuple<policy::Selector, std::optional<policy::Tunnel>, std::uint32_t, std::uint32_t, std::uint32_t,
                         policy::Direction>;
  static std::vector<Key> keys_of(const policy::Rule& rule);

  std::map<std::uint64_t, HeldPtr> rules_;
  std::map<Key, std::uint64_t> patterns_;
};

/// Into the order in which they are tried.
void sort(std::vector<HeldPtr>& list);

}  // namespace ipseckey::engine
