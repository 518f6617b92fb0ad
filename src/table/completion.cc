#include "table/completion.h"

#include <algorithm>

#include "base/text.h"

namespace ipseckey::table {
namespace {

bool starts_like(std::string_view name, std::string_view typed) {
  return name.size() >= typed.size() && text::same_word(name.substr(0, typed.size()), typed);
}

std::string_view word_of(std::string_view list, std::size_t n) {
  for (; n > 0 && !list.empty(); --n) list.remove_prefix(std::min(text::first_word(list).size() + 1, list.size()));
  return text::first_word(list);
}

// Words that help prints in lower case are typed as they are.
void offer_literals(std::string_view metavar, Offers& offers) {
  while (!metavar.empty()) {
    const auto end = std::min(metavar.find('|'), metavar.size());
    if (metavar[0] >= 'a' && metavar[0] <= 'z') offers.add(metavar.substr(0, end));
    metavar.remove_prefix(std::min(end + 1, metavar.size()));
  }
}

}  // namespace

Unfinished unfinished(std::string_view text) {
  Unfinished found;
  found.at = text.size();
  std::vector<Word>& words = found.words;
  if (const auto fault = split(text, words)) {
    // While a quotation mark is open, the word is being typed. After a closed one a blank is missing.
    const std::size_t mark = text.find('"', fault->at);
    found.lost =
        mark == std::string_view::npos || mark > fault->at + 1 || text.find('"', mark + 1) != std::string_view::npos;
    if (found.lost) return found;
    found.at = fault->at;
    found.typed = text.substr(mark + 1);
  } else if (!words.empty() && words.back().kind == Word::Kind::bare &&
             words.back().at + words.back().text.size() == text.size()) {
    found.at = words.back().at;
    found.typed = words.back().text;
    words.pop_back();
  }
  return found;
}

PairsEnd end_of_pairs(const Table& table, Words words) {
  PairsEnd end;
  const auto is_name = [&](const Word& w) { return w.kind == Word::Kind::bare && table.find(w.text).row; };
  for (std::size_t next = 0; next < words.size();) {
    end.name = table.find(words[next++].text);
    if (!end.name.row) continue;
    end.given |= end.name.bit();
    for (std::size_t n = 0; n < value_words(*end.name.row); ++n, ++next) {
      end.value_word = n;
      if (next == words.size()) return end;
      if (is_name(words[next]) && !is_choice(*end.name.row, words[next].text)) break;
    }
  }
  end.name = {};
  return end;
}

bool Offers::fits(std::string_view name) const { return any_case ? starts_like(name, typed) : name.starts_with(typed); }

void Offers::add(std::string_view names, std::string_view more) {
  if (fits(text::first_word(names))) return words.push_back(text::first_word(names));
  for (const std::string_view list : {names, more})
    text::for_each_word(list, [&](std::string_view name) {
      if (fits(name)) words.push_back(name);
    });
}

void Offers::add_each(std::string_view list) {
  text::for_each_word(list, [&](std::string_view name) { add(name); });
}

void Offers::add_each(std::span<const std::string_view> names) {
  for (const std::string_view name : names) add(name);
}

void offer_names(const Table& table, Uses entries, const RowSet& given, Offers& offers) {
  for (std::size_t number = 0; number < table.rows.size(); ++number) {
    const Row& row = *table.rows[number];
    if ((row.used & entries) != 0 && !given.has(number)) offers.add(row.names, row.v6_names);
  }
}

void offer_value(const Row& row, std::size_t n, Offers& offers) {
  offer_literals(word_of(metavar(row), n), offers);
  if (row.kind->offer) row.kind->offer(n, offers);
}

}  // namespace ipseckey::table
