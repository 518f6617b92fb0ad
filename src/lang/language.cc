#include "lang/language.h"

#include "base/text.h"
#include "lang/keywords.h"
#include "lang/neighbours.h"
#include "lang/syntax.h"
#include "pfkey/names.h"

namespace ipseckey::lang {
namespace {

// Commands, keywords, algorithms, SA types, states, identity types and their like.
std::vector<std::string_view> known_words() {
  std::vector<std::string_view> words;
  const auto add = [&](std::string_view w) { words.push_back(w); };
  for (const CommandRow& c : commands()) text::for_each_word(c.names, add);
  for (const Keyword& k : keywords()) for_each_name(k, add);
  for (const bool auth : {true, false}) std::ranges::for_each(algorithm_names(auth), add);
  for (const auto& table : {pfkey::state_words(), pfkey::identity_words(), pfkey::encapsulation_words(),
                            pfkey::offload_words(), pfkey::df_words(), pfkey::dscp_words()})
    std::ranges::for_each(pfkey::all_names(table), add);
  for (const std::string_view list : {kSaTypeWords, std::string_view("attr")}) text::for_each_word(list, add);
  return words;
}

std::span<const std::string_view> known() {
  static const std::vector<std::string_view> kWords = known_words();
  return kWords;
}

constexpr table::Neighbours kNeighbours = {
    is_foreign,
    is_foreign_keyword,
    [](std::string_view theirs) { return our_words(Foreign::keyword, theirs); },
    [](std::string_view word, std::span<const std::string_view> known_names) {
      return suggestion(Foreign::keyword, word, known_names);
    },
};

constexpr table::Language kLanguage = {
    .table = kKeywordTable,
    .noun = "extension",
    .a_noun = "an extension",
    .known = known,
    .is_head = [](std::string_view word) { return find_command(word) != nullptr; },
    .why_never = ": it is not for manual keys",
    .passes_over = kFinders,
    .comments = "a comment needs a line of its own; here # is a word of the command",
    .no_zone =
        "an SA has no zone. Remove the % and everything after it; the SA is then for this address on every link, "
        "unless if_id ties it to an XFRM interface of one link",
    .neighbours = &kNeighbours,
};

}  // namespace

const table::Language& language() { return kLanguage; }

}  // namespace ipseckey::lang
