#include "table/record.h"

namespace ipseckey::table {

std::string names_of(const Table& table, const RowSet& set) {
  std::string list;
  for (std::size_t row = 0; row < table.rows.size(); ++row)
    if (set.has(row)) list.append(list.empty() ? "" : ", ").append(table.rows[row]->name());
  return list;
}

std::size_t last_column(const SecretText& text) {
  const auto newline = text.rfind('\n');
  return text.size() - (newline == SecretText::npos ? 0 : newline + 1);
}

void append_item(const SecretText& item, const Layout& layout, std::size_t& column, SecretText& out) {
  if (column + 1 + item.size() > layout.columns) {
    out += layout.broken;
    column = layout.broken.size() - layout.broken.find('\n') - 1;
  } else {
    out += ' ';
    ++column;
  }
  out += item;
  column += item.size();
}

}  // namespace ipseckey::table
