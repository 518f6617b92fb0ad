#include "table/suggest.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace ipseckey::table {
namespace {

constexpr std::size_t kMost = 3;  // More do not help.

bool goes_on(std::string_view candidate, std::string_view word) {
  return candidate.size() > word.size() && text::same_word(candidate.substr(0, word.size()), word);
}

std::vector<std::string_view> by_slips(std::string_view word, std::span<const std::string_view> candidates) {
  std::vector<std::string_view> best;
  std::size_t fewest = std::min<std::size_t>(2, word.size() / 3);
  if (fewest == 0) return best;
  for (const std::string_view c : candidates) {
    if (std::max(word.size(), c.size()) - std::min(word.size(), c.size()) > fewest) continue;
    const std::size_t slips = text::edit_distance(word, c);
    if (slips > fewest) continue;
    if (slips < fewest) best.clear();
    fewest = slips;
    best.push_back(c);
  }
  return best;
}

}  // namespace

std::vector<std::string_view> near_misses(std::string_view word, std::span<const std::string_view> candidates) {
  const auto same = std::ranges::find_if(candidates, [&](std::string_view c) { return text::same_word(word, c); });
  if (same != candidates.end()) return {*same};
  std::vector<std::string_view> best;
  if (word.size() >= 2)
    std::ranges::copy_if(candidates, std::back_inserter(best), [&](std::string_view c) { return goes_on(c, word); });
  if (best.empty() || best.size() > kMost) best = by_slips(word, candidates);
  if (best.size() > kMost) best.clear();
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const auto near = near_misses(word, candidates);
  return near.empty() ? "" : fmt::format("; did you mean {}?", listed(near, "or"));
}

std::string listed(std::span<const std::string_view> words, std::string_view last) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 < words.size() ? ", " : fmt::format(" {} ", last);
    out += words[i];
  }
  return out;
}

std::string listed(std::string_view words, std::string_view last) {
  std::vector<std::string_view> list;
  text::for_each_word(words, [&](std::string_view w) { list.push_back(w); });
  return listed(list, last);
}

}  // namespace ipseckey::table
