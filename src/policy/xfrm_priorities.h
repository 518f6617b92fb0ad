#pragma once
/// The numbers by which the kernel orders policies. Rules keep theirs as long as the order allows, so that a rule that
/// is put between others changes none of them.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ipseckey::policy {

/// Numbers of rules lie from here up to, and not including, kGuardPriority. Smaller ones are tried earlier.
inline constexpr std::uint32_t kFirstPriority = 0x100000;
/// Of the policies that keep ::1 reachable: before all rules, unless rules name ::1 (XfrmPlan::loopback_before).
inline constexpr std::uint32_t kLoopbackPriority = 0xff000;
/// Of the guards that block while rules are changed: behind all rules.
inline constexpr std::uint32_t kGuardPriority = 0x1000000;
/// The distance of rules that are added one after another.
inline constexpr std::uint32_t kPriorityStep = 0x400;

/// How many rules there can be.
inline constexpr std::uint32_t kMostRules = kGuardPriority - kFirstPriority - 1;

struct Numbering {
  std::vector<std::uint32_t> numbers;  ///< In the order in which the rules are tried: ascending, all different.
  bool from_scratch = false;           ///< There was no room between two numbers: none has stayed.
};

/// `old`: the numbers of the rules that are held already, in the new order. As many of them as can be stay.
Numbering priorities(std::span<const std::optional<std::uint32_t>> old);

/// `count` numbers, as far from each other as there is room.
std::vector<std::uint32_t> spread(std::size_t count);

}  // namespace ipseckey::policy
