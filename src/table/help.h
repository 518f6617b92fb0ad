#pragma once
/// Help, printed from the rows of a table.
#include <string>
#include <string_view>

#include "table/row.h"

namespace ipseckey::table {

inline constexpr std::size_t kHelpWidth = 80;  ///< Columns of the screen.

/// Breaks a sentence into lines with a hanging indent.
void wrap(std::string_view sentence, std::size_t indent, std::string& out);

/// A row: its names with what stands for its value, and its sentence.
void write_help(const Row& row, std::string& out);
/// Each row that one of the entries uses.
void write_help(const Table& table, Uses entries, std::string& out);

/// "  word      explanation", for help in the middle of an entry.
void write_explained(std::string_view left, std::string_view right, std::string& out);

/// "name VALUE".
std::string with_value(const Row& row);

}  // namespace ipseckey::table
