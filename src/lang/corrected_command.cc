#include "lang/corrected_command.h"

#include <fmt/format.h>

#include <vector>

#include "lang/faults.h"
#include "lang/keywords.h"

namespace ipseckey::lang {
namespace {

// A word as it was written, quotes included, where it may be shown.
std::string_view written(std::string_view masked, const std::vector<Word>& words, std::size_t i) {
  const std::size_t end = i + 1 < words.size() ? words[i + 1].at : masked.size();
  std::string_view piece = masked.substr(words[i].at, end - words[i].at);
  const bool quoted = words[i].kind != Word::Kind::bare;
  if (!quoted) return piece.substr(0, words[i].text.size());
  return piece.substr(0, piece.rfind('"') + 1);
}

}  // namespace

std::optional<std::string> with_ends_swapped(std::string_view text) {
  std::vector<Word> words;
  if (split(text, words)) return std::nullopt;
  const std::string masked = Echo(words).masked(text);
  std::vector<std::string_view> shown;
  std::optional<std::size_t> src, dst;  // Where their values are.
  std::size_t values = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    shown.push_back(written(masked, words, i));
    if (values > 0) {
      --values;
      continue;
    }
    const auto match = find_keyword(words[i].text);
    if (!match.row) continue;
    values = value_words(*match.row);
    const auto names = [&](const Slot& slot) { return match.row == &keyword_for(slot); };
    if (names(&SaSpec::inbound)) shown.back() = keyword_for(&SaSpec::outbound).name();
    if (names(&SaSpec::outbound)) shown.back() = keyword_for(&SaSpec::inbound).name();
    if (names(&SaSpec::src)) src = i + 1;
    if (names(&SaSpec::dst)) dst = i + 1;
  }
  if (!src || !dst || std::max(*src, *dst) >= words.size()) return std::nullopt;
  std::swap(shown[*src], shown[*dst]);
  return fmt::format("{}", fmt::join(shown, " "));
}

std::optional<std::string> through_a_pipe(std::string_view text) {
  std::vector<Word> words;
  if (may_hold_key(text) || split(text, words) || text.find('\'') != std::string_view::npos) return std::nullopt;
  if (Echo(words).masked(text) != text) return std::nullopt;
  return fmt::format("echo '{}' | ipseckey", text);
}

}  // namespace ipseckey::lang
