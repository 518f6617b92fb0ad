#include "table/language.h"

namespace ipseckey::table {

std::vector<std::string_view> names_used_by(const Table& table, Uses entries) {
  std::vector<std::string_view> names;
  for (const Row* const row : table.rows)
    if (row->used & entries) for_each_name(*row, [&](std::string_view name) { names.push_back(name); });
  return names;
}

}  // namespace ipseckey::table
