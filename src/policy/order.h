#pragma once
/// Which rule comes first, and what is odd about an order: rules that are there twice, that are never used, or that
/// Solaris would order differently.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "policy/rule.h"

namespace ipseckey::policy {

enum class Order : std::uint8_t {
  classes,  ///< Solaris': pass, then AH with ESP, ESP, AH, and drop last; the file's order within a class.
  file,     ///< The file's.
};

/// Solaris' boost of a rule, the sum of those of its alternatives: 0x800000 pass, 0x400000 ESP, 0x200000 AH, 0 drop.
/// The larger comes first.
std::uint32_t boost(const Rule& rule);

/// The rules' numbers, the first to be tried first.
std::vector<std::size_t> order(std::span<const Rule> rules, Order by);

/// Two rules, by their numbers; `first` is earlier in the file.
struct RulePair {
  std::size_t first, second;
  auto operator<=>(const RulePair&) const = default;
};

/// Rules about the same packets in the same direction: each with the first such rule of the file. Which of them is used
/// depends on the order only, so Solaris refuses the second, whatever its action is.
std::vector<RulePair> duplicates(std::span<const Rule> rules);

/// A rule that is never used in a direction, because another one has all its packets before.
struct Shadow {
  std::size_t rule, by;
  Direction direction;
  auto operator<=>(const Shadow&) const = default;
};
/// `tried`: the order in which they are tried, from order(). In the order of the rules; of several rules in front, the
/// first one that is tried.
std::vector<Shadow> shadowed(std::span<const Rule> rules, std::span<const std::size_t> tried);

/// Rules that have packets in common, that do different things with them, and of which Solaris tries the second first.
/// In the order of the second; at most `most`, because their number can grow with the square of that of the rules.
std::vector<RulePair> disagreements(std::span<const Rule> rules, std::size_t most = SIZE_MAX);

}  // namespace ipseckey::policy
