// Help in the middle of a command.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "lang/complete.h"
#include "lang/cursor_context.h"
#include "pfkey/algorithms.h"
#include "table/help.h"

namespace ipseckey::lang {
namespace {

using table::with_value;
using table::write_explained;

std::string_view explain_satype(std::string_view word) {
  const auto type = find_satype(word);
  if (type == pfkey::SaType::ah) return "Authentication Header.";
  if (type == pfkey::SaType::esp) return "Encapsulating Security Payload.";
  return "Both.";
}

void explain_keywords(const CursorContext& place, const Completion& found, std::string& out) {
  const Verbs verb = bit(place.row->verb);
  for (const bool needed : {true, false}) {
    std::string list;
    for (const std::string_view word : found.words)
      if (const Keyword& row = *find_keyword(word).row; ((row.required & verb) != 0) == needed)
        write_explained(with_value(row), row.help, list);
    if (!list.empty()) out += (needed ? "Still needed:\n" : "Can follow:\n") + list;
  }
  const bool complete =
      std::ranges::none_of(keywords(), [&](const Keyword& k) { return (k.required & verb) != 0 && place.takes(k); });
  if (complete && place.typed.empty()) out += "Or Enter, to run the command.\n";
}

std::string key_of(const pfkey::Algorithm& a) {
  return a.takes_key() ? fmt::format("Key of {}.", pfkey::key_sizes(a)) : "No key.";
}

// An algorithm with the keys that it takes; of any other word only the word.
void explain_value(const CursorContext& place, const Completion& found, std::string& out) {
  const Keyword& row = *place.keyword;
  out += fmt::format("{}: {}\n", with_value(row), row.help);
  const bool auth = row.slot == Slot(&SaSpec::auth), encrypt = row.slot == Slot(&SaSpec::encrypt);
  for (const std::string_view word : found.words) {
    const auto kind = auth ? pfkey::AlgorithmKind::auth : pfkey::AlgorithmKind::encrypt;
    const pfkey::Algorithm* a = auth || encrypt ? pfkey::find_algorithm(kind, word) : nullptr;
    write_explained(word, a ? key_of(*a) : "", out);
  }
}

std::string explain(const CursorContext& place, const Completion& found) {
  using Kind = CursorContext::Kind;
  std::string out;
  switch (place.kind) {
    case Kind::command:
      for (const std::string_view word : found.words) write_explained(word, find_command(word)->help, out);
      break;
    case Kind::satype:
      for (const std::string_view word : found.words) write_explained(word, explain_satype(word), out);
      if (place.row->satype == SaTypeRule::optional && place.typed.empty()) out += "Or Enter, for all.\n";
      break;
    case Kind::keyword:
      explain_keywords(place, found, out);
      break;
    case Kind::value:
      explain_value(place, found, out);
      break;
    case Kind::file:
      out = fmt::format("{} {}: {}\n", place.row->name(), place.row->arguments, place.row->help);
      break;
    case Kind::topic:
      out = "A command, attr, or an extension.\n";
      break;
    case Kind::algorithm:
      for (const std::string_view word : found.words) write_explained(word, key_of(*pfkey::find_algorithm(word)), out);
      break;
    case Kind::bits:
      out = fmt::format("{} Or Enter, for the longest.\n", key_of(*place.algorithm));
      break;
    case Kind::end:
      out = "Nothing more can follow; Enter runs the command.\n";
      break;
    case Kind::lost:
      out = "That is not a command; `help` lists the commands.\n";
      break;
  }
  return out.empty() ? "No word starts like that.\n" : out;
}

// Where free text is allowed, `help` may be that text.
bool is_free_text(const Completion& found, const CursorContext& place) {
  return found.file || (place.kind == CursorContext::Kind::value && found.words.empty());
}

}  // namespace

std::string help_here(std::string_view text) { return explain(context_at_end(text), complete(text)); }

std::optional<std::string_view> asks_what_follows(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  std::vector<Word> words;
  if (split(text, words) || words.size() < 2 || words.back().kind != Word::Kind::bare) return std::nullopt;
  if (const CommandRow* row = find_command(words[0].text); row && row->verb == Verb::help) return std::nullopt;
  const Word& last = words.back();
  const std::string_view before = text.substr(0, last.at);
  if (last.text == "?") return before;
  if (last.text != "help" || is_free_text(complete(before), context_at_end(before))) return std::nullopt;
  return before;
}

}  // namespace ipseckey::lang
