#pragma once
/// Fills the templates of manual pages and shell completions with rows of the program's tables, so that the contents of
/// a table are not written a second time.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ipseckey::texts {

/// One row of a table as texts; every row of a kind has the same fields, and "name" is one of them.
using Row = std::map<std::string, std::string, std::less<>>;
/// Kind: its rows, in the order of the table.
using Tables = std::map<std::string, std::vector<Row>, std::less<>>;

/// In a template
///
///   @version@                is replaced by `version` anywhere,
///   @each KIND [FIELD=VALUE ...] begins lines that are written once for each row (whose fields have those values) with
///                            {{FIELD}} and {{FIELD|FILTER}} replaced (texts/filters.h); a line with such parts is left
///                            out if all of them are empty,
///   @more NAME               begins lines that follow the row of that name,
///   @before NAME             begins lines that go before it,
///   @end                     ends the block.
///
/// Error syntax: the line and what is wrong with it; a kind, field, filter or name that does not exist is an error.
Result<std::string> fill(std::string_view text, const Tables& tables, std::string_view version);

}  // namespace ipseckey::texts
