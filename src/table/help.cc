#include "table/help.h"

#include <fmt/format.h>

#include "base/text.h"

namespace ipseckey::table {
namespace {

constexpr std::size_t kColumn = 28;  // Where the explanations begin.

}  // namespace

void wrap(std::string_view sentence, std::size_t indent, std::string& out) {
  std::size_t column = indent;
  out += std::string(indent, ' ');
  bool first = true;
  text::for_each_word(sentence, [&](std::string_view word) {
    if (!first && column + 1 + word.size() > kHelpWidth) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
      first = true;
    }
    if (!first) out += ' ', ++column;
    out += word;
    column += word.size();
    first = false;
  });
  out += '\n';
}

void write_help(const Row& row, std::string& out) {
  std::string names;
  for_each_name(row, [&](std::string_view name) { names += names.empty() ? "" : ", ", names += name; });
  if (const auto value = metavar(row); !value.empty()) names += fmt::format("  {}", value);
  wrap(names, 2, out);
  wrap(row.help, 8, out);
}

void write_help(const Table& table, Uses entries, std::string& out) {
  for (const Row* const row : table.rows)
    if (row->used & entries) write_help(*row, out);
}

void write_explained(std::string_view left, std::string_view right, std::string& out) {
  std::size_t column = left.size() + 2;
  out += fmt::format("  {}", left);
  if (column >= kColumn && !right.empty()) {
    out += '\n';
    column = 0;
  }
  text::for_each_word(right, [&](std::string_view word) {
    const bool fresh = column < kColumn;
    if (!fresh && column + 1 + word.size() > kHelpWidth) {
      out += '\n';
      column = 0;
    }
    const std::size_t gap = column < kColumn ? kColumn - column : 1;
    out.append(gap, ' ').append(word);
    column += gap + word.size();
  });
  out += '\n';
}

std::string with_value(const Row& row) {
  return metavar(row).empty() ? std::string(row.name()) : fmt::format("{} {}", row.name(), metavar(row));
}

}  // namespace ipseckey::table
