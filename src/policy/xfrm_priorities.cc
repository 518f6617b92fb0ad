#include "policy/xfrm_priorities.h"

#include <algorithm>

namespace ipseckey::policy {
namespace {

bool usable(const std::optional<std::uint32_t>& number) {
  return number && *number > kFirstPriority && *number < kGuardPriority;
}

// Which rules stay: a longest ascending sequence of the old numbers.
std::vector<bool> staying(std::span<const std::optional<std::uint32_t>> old) {
  std::vector<std::size_t> ends;  // By length: the sequence of that length that ends at the smallest number.
  std::vector<std::size_t> before(old.size(), SIZE_MAX);
  for (std::size_t i = 0; i < old.size(); ++i) {
    if (!usable(old[i])) continue;
    const auto at = std::ranges::lower_bound(ends, *old[i], {}, [&](std::size_t j) { return *old[j]; });
    if (at != ends.begin()) before[i] = *(at - 1);
    if (at == ends.end()) {
      ends.push_back(i);
    } else {
      *at = i;
    }
  }
  std::vector<bool> stay(old.size());
  for (std::size_t i = ends.empty() ? SIZE_MAX : ends.back(); i != SIZE_MAX; i = before[i]) stay[i] = true;
  return stay;
}

// Numbers of rules between two others, `step` at most from one to the next; false: there is no room.
bool fill(std::span<std::uint32_t> numbers, std::uint32_t after, std::uint32_t end, std::uint32_t most) {
  const auto count = static_cast<std::uint32_t>(numbers.size());
  const std::uint32_t step = std::min((end - after) / (count + 1), most);
  if (step == 0) return count == 0;
  for (std::uint32_t k = 0; k < count; ++k) numbers[k] = after + (k + 1) * step;
  return true;
}

}  // namespace

Numbering priorities(std::span<const std::optional<std::uint32_t>> old) {
  Numbering result{std::vector<std::uint32_t>(old.size()), false};
  const std::vector<bool> stay = staying(old);
  std::uint32_t after = kFirstPriority;
  std::size_t from = 0;
  for (std::size_t i = 0; i <= old.size(); ++i) {
    if (i < old.size() && !stay[i]) continue;
    const std::uint32_t end = i < old.size() ? *old[i] : kGuardPriority;
    if (!fill(std::span(result.numbers).subspan(from, i - from), after, end, kPriorityStep))
      return {spread(old.size()), true};
    if (i < old.size()) result.numbers[i] = after = end;
    from = i + 1;
  }
  return result;
}

std::vector<std::uint32_t> spread(std::size_t count) {
  std::vector<std::uint32_t> numbers(count);
  fill(numbers, kFirstPriority, kGuardPriority, UINT32_MAX);
  return numbers;
}

}  // namespace ipseckey::policy
