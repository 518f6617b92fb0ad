// How a line is parsed:
// 1. split() makes words. parse_head() finds the command, whether it is allowed here, and its SA type.
// 2. parse_extensions() finds each keyword; read_value() reads its value as the type of its member wants (syntax.h).
//    After an unknown keyword parsing continues at the next known one.
// 3. Other commands have options, an algorithm or a name: parse_operands().
// 4. check_required() and check_rules() check the whole, except keywords in faulty_, which have been reported.
// 5. Faults are kept in the order of the line; with an error among them there is no command. A word that may be a key
//    is not shown (Echo).
#include "lang/parse.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "lang/corrected_command.h"
#include "lang/neighbours.h"
#include "lang/numbers.h"
#include "lang/suggest.h"
#include "lang/syntax.h"

namespace lang {
namespace {

constexpr std::string_view kOwnLine = "a comment stands on a line of its own; here # is a word of the command";

bool starts_comment(const Word& word) { return word.kind == Word::Kind::bare && word.text.starts_with('#'); }

bool on_one_line(const Word& a, const Word& b) {
  const char* const begin = a.text.data();  // Views into one text.
  const char* const end = b.text.data();
  return std::find(begin, end, '\n') == end;
}

// Our keyword, NAME=VALUE, or a neighbour's keyword.
bool stands_as_keyword(const Word& word) {
  const std::string_view name = word.text.substr(0, word.text.find('='));
  return find_keyword(name).row || is_foreign_keyword(name);
}

std::vector<std::string_view> command_words() {
  std::vector<std::string_view> words;
  for (const CommandRow& c : commands()) text::for_each_word(c.names, [&](std::string_view n) { words.push_back(n); });
  return words;
}

std::vector<std::string_view> keyword_words(Verbs used_by) {
  std::vector<std::string_view> words;
  for (const Keyword& k : keywords())
    if (k.used & used_by) for_each_name(k, [&](std::string_view n) { words.push_back(n); });
  return words;
}

std::string_view why_not_from(const CommandRow& row, Where where) {
  if (where == Where::shell && !row.has_keys()) return "it counts for one file or session; give --fresh-keys instead";
  if (where == Where::shell)
    return "its keys would be visible to every user in the list of processes; use the ipseckey> prompt, a file "
           "(ipseckey -f FILE) or a pipe";
  return row.verb == Verb::help ? "it is for the prompt and the shell" : "use it at the prompt or from the shell";
}

// Commands that only look an SA up take what names one and pass over the rest.
bool passed_over(const Keyword& row, Verb verb) { return (bit(verb) & kFinders) != 0 && row.used != 0; }

Fault place_in(const std::vector<Word>& words, Objection&& o) {
  Fault fault{o.severity, 0, 1, std::move(o.message), o.fresh_keys_end_it, o.always_shown};
  if (words.empty()) return fault;
  fault.at = words[0].at;
  fault.length = static_cast<std::uint32_t>(words[0].text.size());
  const Keyword* const wanted = &keyword_for(o.about);
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto match = find_keyword(words[i].text);
    if (!match.row) continue;
    if (match.row == wanted) {
      const Word& last = words[std::min(i + value_words(*match.row), words.size() - 1)];
      fault.at = words[i].at;
      fault.length = static_cast<std::uint32_t>(last.at + last.text.size() - fault.at);
      break;
    }
    i += value_words(*match.row);
  }
  return fault;
}

}  // namespace

void Parser::add(Severity severity, const Word& word, std::string message) {
  const auto length = static_cast<std::uint32_t>(std::max<std::size_t>(word.text.size(), 1));
  add({severity, word.at, length, std::move(message)});
}

// Faults of one place stay in the order in which they were found.
void Parser::add(Fault fault) {
  const auto behind = std::ranges::upper_bound(faults_, fault.at, {}, &Fault::at);
  faults_.insert(behind, std::move(fault));
}

Fault Parser::place(Objection&& objection) const { return place_in(words_, std::move(objection)); }

Fault place(std::string_view text, Objection&& objection) {
  std::vector<Word> words;
  split(text, words);
  return place_in(words, std::move(objection));
}

// What is near to a word that may not be shown would tell most of it.
std::string Parser::near_to(Foreign kind, const Word& word, std::span<const std::string_view> candidates) const {
  return Echo(words_).shows(word) ? suggestion(kind, word.text, candidates) : "";
}

std::optional<Command> Parser::parse(std::string_view text, Where where) {
  faults_.clear();
  given_ = faulty_ = 0;
  next_ = 0;
  std::optional<Command> command;
  if (const auto fault = split(text, words_)) {
    faults_.push_back({Severity::error, fault->at, 1, std::string(fault->message)});
    return command;
  }
  if (words_.empty() || words_[0].text.starts_with('#')) return command;
  command.emplace();
  if (parse_head(*command, where, text)) {
    parse_operands(*command);
    if (command->row->operands == Operands::extensions) {
      check_required(*command);
      if (command->satype != pfkey::SaType::unspec)
        check_rules(
            {command->row->verb, command->satype, command->spec, fresh_},
            [&](const Slot& s) { return faulty_ != 0 && (faulty_ & bit(keyword_for(s))) != 0; },
            [&](Objection&& o) { add(place(std::move(o))); });
    }
  }
  if (has_errors(faults_)) command.reset();
  return command;
}

bool Parser::parse_head(Command& command, Where where, std::string_view text) {
  const Word& word = words_[next_++];
  command.row = find_command(word.text);
  if (!command.row) {
    if (find_keyword(word.text).row) {
      error(word, fmt::format("\"{}\" is an extension and no command: is the command before it missing, or does a "
                              "backslash miss at the end of the line above?",
                              word.text));
    } else {
      error(word, fmt::format("Unknown command {}{}", Echo(words_).unknown(word),
                              near_to(Foreign::command, word, command_words())));
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
  return !at_end() || faults_.empty();  // After a faulty SA type and nothing more, all else is missing too.
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
  const Word& word = words_[next_];
  const auto type = find_satype(word.text);
  if (!type && starts_comment(word)) return skip_comment();
  if (!type && needed && find_keyword(word.text).row)
    return error(word, fmt::format("{} needs an SA type, ah or esp, before its extensions", row.name()));
  ++next_;
  if (!type)
    return error(word, fmt::format("Unknown SA type {}; there are {}{}", Echo(words_).unknown(word),
                                   listed(kSaTypeWords, "and"), near_to(Foreign::satype, word, {})));
  if (row.satype == SaTypeRule::specific && *type == pfkey::SaType::unspec)
    return error(word, fmt::format("{} needs one SA type, ah or esp, not all", row.name()));
  command.satype = *type;
}

void Parser::parse_operands(Command& command) {
  const CommandRow& row = *command.row;
  if (row.operands == Operands::extensions) return parse_extensions(command);
  if (!at_end() && starts_comment(words_[next_])) return skip_comment();
  parse_options(command);
  if (row.operands == Operands::algorithm) {
    parse_algorithm(command);
  } else if (row.operands != Operands::none && !at_end()) {
    auto operand = unescape(words_[next_]);
    if (!operand || operand->empty()) error(words_[next_], "a name is needed here");
    if (operand) command.operand = std::move(*operand);
    ++next_;
  } else if (row.operands == Operands::file) {
    error(last_word(), fmt::format("Unexpected end of command line: {} needs a file", row.name()));
  }
  if (!at_end())
    error(words_[next_], fmt::format("too many arguments for {}: usage: {}{}{}", row.name(), row.name(),
                                     row.arguments.empty() ? "" : " ", row.arguments));
}

// NAME=VALUE, or the value is the next word.
void Parser::parse_options(Command& command) {
  for (; !at_end() && !command.row->options.empty(); ++next_) {
    const Word& word = words_[next_];
    if (!word.text.starts_with("--")) return;
    std::vector<std::string_view> known;
    text::for_each_word(command.row->options, [&](std::string_view n) { known.push_back(n); });
    const auto equals = word.text.find('=');
    const std::string_view name = word.text.substr(0, equals);
    const auto option = std::ranges::find(known, name, [](std::string_view n) { return n.substr(0, n.find('=')); });
    if (word.kind != Word::Kind::bare && (option == known.end() || equals == std::string_view::npos)) return;
    if (option == known.end()) {
      error(word, fmt::format("Unknown option {}{}", Echo(words_).unknown(word),
                              Echo(words_).shows(word) ? suggestion(Foreign::value, name, known) : ""));
    } else if (!option->ends_with('=')) {
      if (equals != std::string_view::npos) error(word, fmt::format("{} takes no value", *option));
      command.options.push_back(*option);
    } else if (equals == std::string_view::npos && next_ + 1 == words_.size()) {
      error(word, fmt::format("Unexpected end of command line: {} needs a value", name));
    } else {
      if (equals == std::string_view::npos) ++next_;
      auto value = unescape(words_[next_]);
      if (value && equals != std::string_view::npos) value->erase(0, equals + 1);
      if (!value || value->empty()) error(word, fmt::format("{} needs a value", name));
      if (value) command.owner = std::move(*value);
    }
  }
}

void Parser::parse_algorithm(Command& command) {
  if (at_end()) return;
  const Word& name = words_[next_++];
  command.algorithm = pfkey::find_algorithm(name.text);
  if (!command.algorithm) {
    std::vector<std::string_view> known;
    for (const pfkey::Algorithm& a : pfkey::algorithms())
      if (a.takes_key()) text::for_each_word(a.names, [&](std::string_view n) { known.push_back(n); });
    const Foreign kind = our_words(Foreign::encrypt, name.text).empty() ? Foreign::auth : Foreign::encrypt;
    const auto ours = our_words(kind, name.text);
    const bool keyed = !ours.empty() && pfkey::find_algorithm(ours[0]) && pfkey::find_algorithm(ours[0])->takes_key();
    return error(name, fmt::format("Unknown algorithm {}{}", Echo(words_).unknown(name),
                                   keyed                      ? near_to(kind, name, known)
                                   : Echo(words_).shows(name) ? did_you_mean(name.text, known)
                                                              : ""));
  }
  const pfkey::Algorithm& algorithm = *command.algorithm;
  if (!algorithm.takes_key()) return error(name, fmt::format("{} takes no key", algorithm.name()));
  command.bits = algorithm.max_bits;
  if (at_end()) return;
  const Word& bits = words_[next_++];
  bool too_big = false;
  const auto number = parse_number(bits.text, too_big);
  if (!number || *number > algorithm.max_bits || !algorithm.key_fits(static_cast<unsigned>(*number)))
    return error(bits, fmt::format("{} has keys of {}", algorithm.name(), pfkey::key_sizes(algorithm)));
  command.bits = static_cast<std::uint16_t>(*number);
}

void Parser::parse_extensions(Command& command) {
  while (!at_end()) {
    const Word& word = words_[next_++];
    if (const auto match = find_keyword(word.text); match.row) {
      parse_extension(command, match, word);
    } else {
      unknown_keyword(command, word);
    }
  }
}

// What follows an unknown keyword cannot be told apart, so parsing goes on at the next known one.
void Parser::unknown_keyword(const Command& command, const Word& word) {
  if (starts_comment(word)) {
    --next_;
    return skip_comment();
  }
  const auto known = keyword_words(bit(command.row->verb));
  // NAME=VALUE: what is behind the sign may be a key.
  const std::string_view name = word.text.substr(0, word.text.find('='));
  const KeywordMatch ours = find_keyword(name);
  if (ours.row) {
    error(word, fmt::format("Unknown extension \"{}=...\"; a blank is between an extension and its value: {} {}", name,
                            name, metavar(*ours.row)));
  } else if (name.size() < word.text.size() && is_foreign(name)) {
    error(word, fmt::format("Unknown extension \"{}=...\"{}", name, suggestion(Foreign::keyword, name, known)));
  } else {
    error(word,
          fmt::format("Unknown extension {}{}", Echo(words_).unknown(word), near_to(Foreign::keyword, word, known)));
  }
  faulty_ |= bit(keyword_for(&SaSpec::unusable));
  if (ours.row) faulty_ |= bit(*ours.row);
  auto meant = our_words(Foreign::keyword, name);
  if (meant.empty()) meant = near_misses(word.text, known);
  for (const std::string_view keyword : meant) faulty_ |= bit(*find_keyword(keyword).row);
  while (!at_end() && !stands_as_keyword(words_[next_])) ++next_;
}

// What stands behind the # on its line is no part of the command, and never shown.
void Parser::skip_comment() {
  const Word& mark = words_[next_];
  error(mark, std::string(kOwnLine));
  faulty_ |= bit(keyword_for(&SaSpec::unusable));
  while (!at_end() && on_one_line(mark, words_[next_])) ++next_;
}

void Parser::parse_extension(Command& command, const KeywordMatch& match, const Word& name) {
  const Keyword& row = *match.row;
  const Verb verb = command.row->verb;
  if ((row.used & bit(verb)) == 0) {
    if (passed_over(row, verb)) {
      add(Severity::warning, name, fmt::format("{} does not use {}; it is ignored", command.row->name(), name.text));
    } else {
      error(name, fmt::format("Don't use extension {} for {}{}", name.text, command.row->name(),
                              row.used == 0 ? ": it is not for manual keys" : ""));
    }
  }
  std::visit([&](auto member) { read_value(command, match, name, member); }, row.slot);
}

template <class T>
void Parser::read_value(Command& command, const KeywordMatch& match, const Word& name,
                        std::optional<T> SaSpec::* member) {
  using Value = Syntax<T>;
  const Keyword& row = *match.row;
  std::size_t have = 0;
  // A keyword where a value should be means that the value was left out.
  while (have < Value::kWords && next_ + have < words_.size() &&
         (words_[next_ + have].kind != Word::Kind::bare || !find_keyword(words_[next_ + have].text).row))
    ++have;
  if (have < Value::kWords) {
    const bool ended = next_ + have == words_.size();
    error(name, fmt::format("{}: {} needs {}", ended ? "Unexpected end of command line" : "a value is missing",
                            name.text, Value::kMetavar));
    next_ += have;
    faulty_ |= bit(row);
    return;
  }
  const Words value_of = Words(words_).subspan(next_, Value::kWords);
  next_ += Value::kWords;
  ReadContext context{names_, match.v6_only, {}};
  auto value = Value::read(value_of, context);
  if (!value) {
    const Word& bad = value_of[value.error().word];
    std::string message = std::move(value.error().message);
    if (const auto at = message.find("{word}"); at != std::string::npos) {
      const Echo echo(words_);
      const bool shown = !Value::kSecret && echo.shows(bad);
      message.replace(at, 6, shown || at == 0 ? echo.value(bad) : "(not shown)");
    }
    error(bad, fmt::format("{}: {}", name.text, message));
    faulty_ |= bit(row);
    return;
  }
  if ((row.used & bit(command.row->verb)) == 0) return;
  if (command.spec.*member) {
    error(name, fmt::format("Can only specify single {}", row.name()));
    return;
  }
  if (!context.warning.empty()) add(Severity::warning, name, fmt::format("{}: {}", name.text, context.warning));
  command.spec.*member = std::move(*value);
  given_ |= bit(row);
}

void Parser::check_required(const Command& command) {
  const KeywordSet missing = required_for(command.row->verb) & ~given_ & ~faulty_;
  if (missing == 0) return;
  for (const Keyword& row : keywords())
    if (missing & bit(row)) error(words_[0], fmt::format("{} needs {}", command.row->name(), row.name()));
}

}  // namespace lang
