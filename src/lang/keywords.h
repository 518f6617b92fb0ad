#pragma once
/// THE table of extension keywords. Parser, checks, help, completion, manual, save and redaction are loops over its
/// rows; no other list of keywords exists.
#include <cstdint>
#include <span>
#include <string_view>

#include "lang/commands.h"
#include "lang/spec.h"

namespace lang {

struct Keyword {
  std::string_view names;                      ///< Synonyms, separated by blanks; `save` writes the first.
  Slot slot;                                   ///< Which member of SaSpec, and so which syntax.
  Verbs used;                                  ///< Commands that act on it.
  Verbs required;                              ///< Commands that fail without it.
  std::string_view help;                       ///< One sentence.
  std::string_view v6_names = {};              ///< Synonyms that take IPv6 addresses only.
  pfkey::SaType only = pfkey::SaType::unspec;  ///< The SA type that it is for; unspec: both.

  constexpr std::string_view name() const { return names.substr(0, names.find(' ')); }
};

std::span<const Keyword> keywords();

/// Some of the rows, a bit for each.
using KeywordSet = std::uint64_t;
KeywordSet bit(const Keyword& row);
/// The rows that a command fails without.
KeywordSet required_for(Verb verb);

/// A row and the form in which it was named.
struct KeywordMatch {
  const Keyword* row = nullptr;  ///< nullptr: no such keyword.
  bool v6_only = false;
};
KeywordMatch find_keyword(std::string_view name);

/// The row whose value is kept in that member.
const Keyword& keyword_for(const Slot& slot);

/// Calls f(name) for each synonym of a row, the IPv6 ones last.
template <class F>
void for_each_name(const Keyword& row, F f) {
  for (std::string_view list : {row.names, row.v6_names})
    while (!list.empty()) {
      const auto end = list.find(' ');
      f(list.substr(0, end));
      list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
    }
}

/// Whether the keyword's value is key material.
bool is_secret(const Keyword& row);
/// How many words its value has.
std::size_t value_words(const Keyword& row);
/// What stands for its value in help: "NUMBER", "ADDRESS[/PREFIX]"; empty for one that stands alone.
std::string_view metavar(const Keyword& row);

}  // namespace lang
