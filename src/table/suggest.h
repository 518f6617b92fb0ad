#pragma once
/// What a person most likely meant by a word that is not in the language, and lists of words for sentences.
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ipseckey::table {

/// The candidates that are nearest to `word`, in their order: the one that differs only in case; else those that begin
/// with it (if it has two characters or more); else those with the fewest typing errors between (at most one in three
/// characters, at most two). Empty: none is near, or more than three are equally near.
std::vector<std::string_view> near_misses(std::string_view word, std::span<const std::string_view> candidates);

/// "; did you mean a, b or c?", or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

/// "a, b LAST c".
std::string listed(std::span<const std::string_view> words, std::string_view last);
/// The same for a list that is separated by blanks.
std::string listed(std::string_view words, std::string_view last);

}  // namespace ipseckey::table
