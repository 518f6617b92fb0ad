// How a line is parsed:
// 1. begin() makes words. parse_head() finds the command, whether it is allowed here, and its SA type.
// 2. parse_extensions() has table/pairs.h find each keyword and read its value in the syntax of the member's type
//    (syntax.h).
// 3. Other commands have options, an algorithm or a name: parse_operands().
// 4. check() checks the whole, except keywords that have a fault of their own, which has been reported.
// 5. Faults are kept in the order of the line; with an error among them there is no command. A word that may be a key
//    is not shown (Echo).
#include "lang/parse.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "lang/corrected_command.h"
#include "lang/neighbours.h"
#include "lang/numbers.h"
#include "lang/syntax.h"
#include "table/record.h"
#include "table/suggest.h"

namespace ipseckey::lang {
namespace {

using table::did_you_mean;
using table::listed;

std::vector<std::string_view> command_words() {
  std::vector<std::string_view> words;
  for (const CommandRow& c : commands()) text::for_each_word(c.names, [&](std::string_view n) { words.push_back(n); });
  return words;
}

std::string_view why_not_from(const CommandRow& row, Where where) {
  if (where == Where::shell && !row.has_keys()) return "it applies to one file or session; give --fresh-keys instead";
  if (where == Where::shell)
    return "every user could see its keys in the process list; use the ipseckey> prompt, a file (ipseckey -f FILE) or "
           "a pipe";
  return row.verb == Verb::help ? "it is for the prompt and the shell" : "use it at the prompt or from the shell";
}

Fault place_in(Words words, Objection&& o) {
  const auto [at, length] = table::place_of(kKeywordTable, words, keyword_for(o.about));
  return {o.severity, at, length, std::move(o.message), o.fresh_keys_end_it, o.always_shown};
}

}  // namespace

Fault Parser::place(Objection&& objection) const { return place_in(words(), std::move(objection)); }

Fault place(std::string_view text, Objection&& objection) {
  std::vector<Word> words;
  split(text, words);
  return place_in(words, std::move(objection));
}

// A suggestion for a word that must not be shown would reveal most of it.
std::string Parser::near_to(Foreign kind, const Word& word, std::span<const std::string_view> candidates) const {
  return shows(word) ? suggestion(kind, word.text, candidates) : "";
}

std::optional<Command> Parser::parse(std::string_view text, Where where) {
  std::optional<Command> command;
  if (!begin(text) || words().empty() || first_word().text.starts_with('#')) return command;
  command.emplace();
  if (parse_head(*command, where, text)) {
    parse_operands(*command);
    if (command->row->operands == Operands::extensions) check(*command);
  }
  if (has_errors(faults())) command.reset();
  return command;
}

bool Parser::parse_head(Command& command, Where where, std::string_view text) {
  const Word& word = take();
  command.row = find_command(word.text);
  if (!command.row) {
    if (find_keyword(word.text).row) {
      error(word, fmt::format("\"{}\" is an extension, not a command: is a command missing before it, or a backslash "
                              "at the end of the line above?",
                              word.text));
    } else {
      error(word, fmt::format("Unknown command {}{}", unknown(word), near_to(Foreign::command, word, command_words())));
    }
    return false;
  }
  if (!command.row->allowed_from(where)) {
    const auto mended = where == Where::shell && command.row->has_keys() ? through_a_pipe(text) : std::nullopt;
    error(word, fmt::format("can't do {} from {}: {}{}", command.row->name(),
                            where == Where::shell ? "the command line" : "a file", why_not_from(*command.row, where),
                            mended ? ": " + *mended : ""));
    return false;
  }
  if (command.row->satype != SaTypeRule::none) parse_satype(command);
  return !at_end() || faults().empty();  // If only a faulty SA type is there, everything else is missing too.
}

void Parser::parse_satype(Command& command) {
  const CommandRow& row = *command.row;
  const bool needed = row.satype != SaTypeRule::optional;
  if (at_end()) {
    if (needed)
      error(last_word(), fmt::format("Unexpected end of command line: {} needs an SA type, {}", row.name(),
                                     row.satype == SaTypeRule::specific ? "ah or esp" : "all, ah or esp"));
    return;
  }
  const Word& word = peek();
  const auto type = find_satype(word.text);
  if (!type && is_comment(peek())) return skip_comment(peek());
  if (!type && needed && find_keyword(word.text).row)
    return error(word, fmt::format("{} needs an SA type, ah or esp, before its extensions", row.name()));
  take();
  if (!type)
    return error(word, fmt::format("Unknown SA type {}; expected {}{}", unknown(word), listed(kSaTypeWords, "or"),
                                   near_to(Foreign::satype, word, {})));
  if (row.satype == SaTypeRule::specific && *type == pfkey::SaType::unspec)
    return error(word, fmt::format("{} needs one SA type, ah or esp, not all", row.name()));
  command.satype = *type;
}

void Parser::parse_operands(Command& command) {
  const CommandRow& row = *command.row;
  if (row.operands == Operands::extensions) return parse_extensions(command);
  if (!at_end() && is_comment(peek())) return skip_comment(peek());
  parse_options(command);
  if (row.operands == Operands::algorithm) {
    parse_algorithm(command);
  } else if (row.operands != Operands::none && !at_end()) {
    auto operand = unescape(peek());
    if (!operand || operand->empty()) error(peek(), "a name is needed here");
    if (operand) command.operand = std::move(*operand);
    take();
  } else if (row.operands == Operands::file) {
    error(last_word(), fmt::format("Unexpected end of command line: {} needs a file", row.name()));
  }
  if (!at_end())
    error(peek(), fmt::format("too many arguments for {}: usage: {}{}{}", row.name(), row.name(),
                              row.arguments.empty() ? "" : " ", row.arguments));
}

// NAME=VALUE, or the value is the next word.
void Parser::parse_options(Command& command) {
  for (; !at_end() && !command.row->options.empty(); take()) {
    const Word& word = peek();
    if (!word.text.starts_with("--")) return;
    std::vector<std::string_view> known;
    text::for_each_word(command.row->options, [&](std::string_view n) { known.push_back(n); });
    const auto equals = word.text.find('=');
    const std::string_view name = word.text.substr(0, equals);
    const auto option = std::ranges::find(known, name, [](std::string_view n) { return n.substr(0, n.find('=')); });
    if (word.kind != Word::Kind::bare && (option == known.end() || equals == std::string_view::npos)) return;
    if (option == known.end()) {
      error(word, fmt::format("Unknown option {}{}", unknown(word),
                              shows(word) ? suggestion(Foreign::value, name, known) : ""));
    } else if (!option->ends_with('=')) {
      if (equals != std::string_view::npos) error(word, fmt::format("{} takes no value", *option));
      command.options.push_back(*option);
    } else if (equals == std::string_view::npos && &word == &last_word()) {
      error(word, fmt::format("Unexpected end of command line: {} needs a value", name));
    } else {
      if (equals == std::string_view::npos) take();
      auto value = unescape(peek());
      if (value && equals != std::string_view::npos) value->erase(0, equals + 1);
      if (!value || value->empty()) error(word, fmt::format("{} needs a value", name));
      if (value) command.owner = std::move(*value);
    }
  }
}

void Parser::parse_algorithm(Command& command) {
  if (at_end()) return;
  const Word& name = take();
  command.algorithm = pfkey::find_algorithm(name.text);
  if (!command.algorithm) {
    std::vector<std::string_view> known;
    for (const pfkey::Algorithm& a : pfkey::algorithms())
      if (a.takes_key()) text::for_each_word(a.names, [&](std::string_view n) { known.push_back(n); });
    const Foreign kind = our_words(Foreign::encrypt, name.text).empty() ? Foreign::auth : Foreign::encrypt;
    const auto ours = our_words(kind, name.text);
    const bool keyed = !ours.empty() && pfkey::find_algorithm(ours[0]) && pfkey::find_algorithm(ours[0])->takes_key();
    return error(name, fmt::format("Unknown algorithm {}{}", unknown(name),
                                   keyed         ? near_to(kind, name, known)
                                   : shows(name) ? did_you_mean(name.text, known)
                                                 : ""));
  }
  const pfkey::Algorithm& algorithm = *command.algorithm;
  if (!algorithm.takes_key()) return error(name, fmt::format("{} takes no key", algorithm.name()));
  command.bits = algorithm.max_bits;
  if (at_end()) return;
  const Word& bits = take();
  bool too_big = false;
  const auto number = parse_number(bits.text, too_big);
  if (!number || *number > algorithm.max_bits || !algorithm.key_fits(static_cast<unsigned>(*number)))
    return error(bits, fmt::format("{} takes keys of {}", algorithm.name(), pfkey::key_sizes(algorithm)));
  command.bits = static_cast<std::uint16_t>(*number);
}

void Parser::parse_extensions(Command& command) {
  read({command.row->name(), bit(command.row->verb)},
       [&](const table::Row& row, Words words, ReadContext& context, bool keep) {
         return table::read_value<Syntax>(static_cast<const Keyword&>(row).slot, words, context, keep, command.spec);
       });
}

void Parser::check(const Command& command) {
  const CommandRow& row = *command.row;
  require({row.name(), bit(row.verb)}, required_for(row.verb));
  if (command.satype == pfkey::SaType::unspec) return;
  // A keyword that was not understood may have been any.
  const KeywordSet without = faulty() | (lost() ? bit(keyword_for(&SaSpec::unusable)) : KeywordSet());
  check_rules(
      {row.verb, command.satype, command.spec, fresh_},
      [&](const Slot& s) { return !without.empty() && without.meets(bit(keyword_for(s))); },
      [&](Objection&& o) { add(place(std::move(o))); });
}

}  // namespace ipseckey::lang
