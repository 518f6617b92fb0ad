#include "lang/complete.h"

#include <algorithm>

#include "base/text.h"
#include "lang/cursor_context.h"
#include "lang/syntax.h"
#include "pfkey/algorithms.h"
#include "pfkey/names.h"

namespace lang {
namespace {

bool starts_like(std::string_view name, std::string_view typed) {
  return name.size() >= typed.size() && text::same_word(name.substr(0, typed.size()), typed);
}

// Collects names that start like what was typed.
struct Offers {
  std::string_view typed;
  bool any_case;
  std::vector<std::string_view> words = {};

  bool fits(std::string_view name) const { return any_case ? starts_like(name, typed) : name.starts_with(typed); }

  // Synonyms: the first of them stands for all, unless something else was begun.
  void add(std::string_view names, std::string_view more = {}) {
    if (fits(text::first_word(names))) return words.push_back(text::first_word(names));
    for (const std::string_view list : {names, more})
      text::for_each_word(list, [&](std::string_view name) {
        if (fits(name)) words.push_back(name);
      });
  }
  void add_each(std::span<const pfkey::Word> table) {
    for (const std::string_view name : pfkey::all_names(table)) add(name);
  }
  void add_each(std::string_view list) {
    text::for_each_word(list, [&](std::string_view name) { add(name); });
  }
};

// Only ESP may do without one.
void offer_algorithms(const CursorContext& place, pfkey::AlgorithmKind kind, Offers& offers) {
  for (const pfkey::Algorithm& a : pfkey::algorithms())
    if (a.kind == kind) offers.add(a.names);
  if (place.satype != pfkey::SaType::ah) offers.add(pfkey::none_names(kind));
}

std::string_view word_of(std::string_view list, std::size_t n) {
  for (; n > 0 && !list.empty(); --n) list.remove_prefix(std::min(text::first_word(list).size() + 1, list.size()));
  return text::first_word(list);
}

// What help writes in small letters is to be written as it stands: "udp", "this|that".
void offer_literals(std::string_view metavar, Offers& offers) {
  while (!metavar.empty()) {
    const auto end = std::min(metavar.find('|'), metavar.size());
    if (metavar[0] >= 'a' && metavar[0] <= 'z') offers.add(metavar.substr(0, end));
    metavar.remove_prefix(std::min(end + 1, metavar.size()));
  }
}

void offer_values(const CursorContext& place, Offers& offers) {
  std::visit(
      [&]<class T>(std::optional<T> SaSpec::*) {
        if constexpr (std::is_same_v<T, AuthAlgorithm>) offer_algorithms(place, pfkey::AlgorithmKind::auth, offers);
        if constexpr (std::is_same_v<T, EncryptAlgorithm>)
          offer_algorithms(place, pfkey::AlgorithmKind::encrypt, offers);
        if constexpr (std::is_same_v<T, pfkey::State>) offers.add_each(pfkey::state_words());
        offer_literals(word_of(Syntax<T>::kMetavar, place.value_word), offers);
        if constexpr (std::is_same_v<T, Identity>)
          if (place.value_word == 0) offers.add_each(pfkey::identity_words());
      },
      place.keyword->slot);
}

void offer_topics(Offers& offers) {
  for (const CommandRow& c : commands()) offers.add(c.names);
  offers.add("attr");
  for (const Keyword& k : keywords())
    if (k.used != 0) offers.add(k.names, k.v6_names);
}

}  // namespace

Completion complete(std::string_view text) {
  using Kind = CursorContext::Kind;
  const CursorContext place = context_at_end(text);
  const bool any_case = place.kind == Kind::satype || place.kind == Kind::value || place.kind == Kind::algorithm;
  Offers offers{place.typed, any_case};
  switch (place.kind) {
    case Kind::command:
      for (const CommandRow& c : commands())
        if (c.allowed_from(Where::prompt)) offers.add(c.names);
      break;
    case Kind::satype:
      offers.add_each(satypes_for(*place.row));
      break;
    case Kind::keyword:
      for (const Keyword& k : keywords())
        if (place.takes(k)) offers.add(k.names, k.v6_names);
      break;
    case Kind::value:
      offer_values(place, offers);
      break;
    case Kind::topic:
      offer_topics(offers);
      break;
    case Kind::algorithm:
      for (const pfkey::Algorithm& a : pfkey::algorithms())
        if (a.takes_key()) offers.add(a.names);
      break;
    case Kind::file:
      if (place.typed.starts_with('-')) offers.add_each(place.row->options);
      break;
    case Kind::bits:
    case Kind::end:
    case Kind::lost:
      break;
  }
  const bool file = place.kind == Kind::file && offers.words.empty();
  return {place.at, std::move(offers.words), file};
}

}  // namespace lang
