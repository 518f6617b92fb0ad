#include "lang/complete.h"

#include "base/text.h"
#include "lang/cursor_context.h"
#include "pfkey/algorithms.h"
#include "table/completion.h"

namespace ipseckey::lang {
namespace {

using table::Offers;

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
  Offers offers{place.typed, any_case, static_cast<std::uint8_t>(place.satype)};
  switch (place.kind) {
    case Kind::command:
      for (const CommandRow& c : commands())
        if (c.allowed_from(Where::prompt)) offers.add(c.names);
      break;
    case Kind::satype:
      offers.add_each(satypes_for(*place.row));
      break;
    case Kind::keyword:
      table::offer_names(kKeywordTable, bit(place.row->verb), place.not_taken(), offers);
      break;
    case Kind::value:
      table::offer_value(*place.keyword, place.value_word, offers);
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

}  // namespace ipseckey::lang
