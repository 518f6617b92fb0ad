#include "table/record.h"

namespace ipseckey::table {

std::string names_of(const Table& table, RowSet set) {
  std::string list;
  for (const Row* const row : table.rows) {
    if (set & 1) list.append(list.empty() ? "" : ", ").append(row->name());
    set >>= 1;
  }
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
