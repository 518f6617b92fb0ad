// How an entry becomes rules:
// 1. read_pattern() and read_clause() read what is in the braces into records (table/pairs.h).
// 2. check_entry() asks the tables of checks.h, and what concerns the entry as a whole: its style, its direction,
//    which alternatives can follow one another.
// 3. build() looks up names and makes a rule of each pair of addresses.
// An entry with an error ends before the next step.
#include "policylang/parse.h"

#include <fmt/format.h>

#include <algorithm>

#include "policylang/build.h"
#include "policylang/checks.h"
#include "table/suggest.h"

namespace ipseckey::policylang {
namespace {

using table::Severity;

// A keyword that decides the style.
struct StyleMark {
  std::string_view name;
  Piece place;
};

template <class Rows, class Record>
std::optional<StyleMark> first_of(Style style, const Rows& rows, const Record& record, const ReadEntry& e,
                                  const table::Language& language, Piece within) {
  for (const auto& row : rows)
    if (row.style == style && has_value(row.slot, record))
      return StyleMark{row.name(), place_in(e.entry, language, within, row)};
  return std::nullopt;
}

std::optional<StyleMark> style_mark(Style style, const ReadEntry& e) {
  if (auto mark = first_of(style, pattern_rows(), e.pattern, e, kPatternLanguage, e.entry.pattern)) return mark;
  for (const ReadClause& c : e.clauses) {
    if (c.action->style == style) return StyleMark{c.action->name, c.source.action};
    if (auto mark = first_of(style, property_rows(), c.properties, e, kPropertyLanguage, c.source.properties))
      return mark;
  }
  if (style == Style::new_one && e.clauses.size() > 1) return StyleMark{"or", e.clauses[1].source.action};
  return std::nullopt;
}

// Sets the directions of the entry.
void check_direction(ReadEntry& e) {
  const auto old_one = style_mark(Style::old_one, e), new_one = style_mark(Style::new_one, e);
  if (old_one && new_one)
    return e.fault(Severity::error, old_one->place,
                   fmt::format("{} is of the old style and {} of the new one: an entry has one style", old_one->name,
                               new_one->name));
  const ReadClause& first = e.clauses[0];
  const ActionRow& action = *first.action;
  if (old_one) {
    const auto& said = first.properties.way;
    if (said && action.way && *said != *action.way)
      return e.fault(Severity::error, e.place(first, row_of(&Properties::way)),
                     fmt::format("{} means dir {}", action.name, *action.way == OneWay::out ? "out" : "in"));
    if (!said && !action.way)
      return e.fault(
          Severity::error, first.source.action,
          fmt::format("in the old style {} needs a direction: dir in or dir out among its properties", action.name));
    const OneWay way = said ? *said : *action.way;
    e.old_style = true, e.out = way == OneWay::out, e.in = way == OneWay::in;
    return;
  }
  if (!e.pattern.way && action.action != policy::Action::ipsec)
    return e.fault(Severity::error, first.source.action,
                   fmt::format("{} needs a direction: write dir in, dir out or dir both in the pattern", action.name));
  const Way way = e.pattern.way.value_or(Way::both);
  e.out = way != Way::in, e.in = way != Way::out;
}

void check_alternatives(ReadEntry& e) {
  for (std::size_t i = 0; i < e.clauses.size() && e.clauses.size() > 1; ++i) {
    const ReadClause& c = e.clauses[i];
    if (c.action->action == policy::Action::drop)
      e.fault(Severity::error, c.source.action,
              "drop cannot be one of several alternatives: write it as an entry of its own");
    if (c.action->action == policy::Action::pass && i + 1 < e.clauses.size())
      e.fault(Severity::error, c.source.action,
              fmt::format("what follows {} would never be used: put it last", c.action->name));
  }
}

// What is about the packets holds for the whole entry.
template <class T>
void check_same(ReadEntry& e, std::optional<T> Properties::* member) {
  const ReadClause* first = nullptr;
  for (const ReadClause& c : e.clauses) {
    if (!(c.properties.*member)) continue;
    if (!first) first = &c;
    if (c.properties.*member != first->properties.*member)
      e.fault(Severity::error, e.place(c, row_of(member)),
              "it is about the packets, so it must be the same in each alternative");
  }
}

void check_entry(ReadEntry& e) {
  for (const PatternCheck& check : pattern_checks())
    if (check.broken(e.pattern))
      e.fault(Severity::error, place_in(e.entry, kPatternLanguage, e.entry.pattern, row_of(check.where)),
              std::string(check.message));
  for (const ReadClause& c : e.clauses) {
    if (c.action->action != policy::Action::ipsec) continue;
    if (!has_algorithm(c.properties))
      e.fault(Severity::error, c.source.action,
              fmt::format("{} needs an algorithm: auth_algs, encr_algs or encr_auth_algs", c.action->name));
    for (const PropertyCheck& check : property_checks())
      if (check.broken(e.pattern, c.properties))
        e.fault(check.severity, e.place(c, row_of(check.where)), std::string(check.message));
  }
  check_alternatives(e);
  check_same(e, &Properties::mark);
  check_same(e, &Properties::if_id);
  check_direction(e);
}

// In the order of the text. Each is shown with what may be shown of the whole entry, so a long one with many faults
// ends after those of one pair of braces.
void settle(table::Faults& faults) {
  std::ranges::stable_sort(faults, {}, &table::Fault::at);
  constexpr std::size_t kMost = table::Pairs::kMostFaults + 1;  // With the one that says that there were more.
  if (faults.size() <= kMost) return;
  faults[kMost].message = "this entry has more faults, which are not shown";
  faults[kMost].severity = has_errors(faults) ? Severity::error : Severity::warning;
  faults.resize(kMost + 1);
}

}  // namespace

Piece place_in(const Entry& entry, const table::Language& language, Piece within, const table::Row& row) {
  std::vector<table::Word> words;
  split(entry.of(within), words);
  const table::Place place = place_of(language.table, words, row);
  return {within.at + place.at, place.length};
}

Piece ReadEntry::place(const ReadClause& clause, const PropertyRow& row) const {
  return place_in(entry, kPropertyLanguage, clause.source.properties, row);
}

void ReadEntry::fault(Severity severity, Piece place, std::string message) {
  entry.faults.push_back({severity, static_cast<std::uint32_t>(place.at),
                          static_cast<std::uint32_t>(std::max<std::size_t>(place.size, 1)), std::move(message)});
}

EntryParser::EntryParser(const table::Names& names)
    : names_(names), pattern_pairs_(kPatternLanguage, names), property_pairs_(kPropertyLanguage, names) {}

void EntryParser::take_faults(Entry& entry, Piece piece, const table::Pairs& pairs) {
  for (table::Fault fault : pairs.faults()) {
    fault.at += static_cast<std::uint32_t>(piece.at);
    entry.faults.push_back(std::move(fault));
  }
}

void EntryParser::read_pattern(ReadEntry& e) {
  if (!pattern_pairs_.begin(e.entry.of(e.entry.pattern))) return take_faults(e.entry, e.entry.pattern, pattern_pairs_);
  pattern_pairs_.read(
      {"a pattern", kPattern}, [&](const table::Row& row, table::Words words, table::ReadContext& context, bool keep) {
        return table::read_value<Syntax>(static_cast<const PatternRow&>(row).slot, words, context, keep, e.pattern);
      });
  take_faults(e.entry, e.entry.pattern, pattern_pairs_);
}

void EntryParser::read_clause(ReadEntry& e, const Clause& clause) {
  const std::string_view name = e.entry.of(clause.action);
  const ActionRow* const action = find_action(name);
  if (!action) {
    std::vector<std::string_view> names;
    for (const ActionRow& row : action_rows()) names.push_back(row.name);
    return e.fault(Severity::error, clause.action,
                   fmt::format("Unknown action; expected {}{}", action_names(), table::did_you_mean(name, names)));
  }
  ReadClause read{action, {}, clause};
  if (property_pairs_.begin(e.entry.of(clause.properties)))
    property_pairs_.read({action->name, action->bit},
                         [&](const table::Row& row, table::Words words, table::ReadContext& context, bool keep) {
                           return table::read_value<Syntax>(static_cast<const PropertyRow&>(row).slot, words, context,
                                                            keep, read.properties);
                         });
  take_faults(e.entry, clause.properties, property_pairs_);
  e.clauses.push_back(std::move(read));
}

policy::Rules EntryParser::parse(Entry& entry) {
  policy::Rules rules;
  ReadEntry e{.entry = entry, .pattern = {}, .clauses = {}};
  if (!has_errors(entry.faults)) {
    read_pattern(e);
    for (const Clause& clause : entry.clauses) read_clause(e, clause);
  }
  if (!has_errors(entry.faults)) check_entry(e);
  if (!has_errors(entry.faults)) rules = build(e, names_);
  if (has_errors(entry.faults)) rules.clear();
  settle(entry.faults);
  return rules;
}

}  // namespace ipseckey::policylang
