#pragma once
/// Numbers of the command language, for the readers of values.
#include <optional>
#include <span>
#include <string_view>

#include "lang/neighbours.h"
#include "lang/syntax.h"
#include "pfkey/names.h"
#include "table/numbers.h"

namespace ipseckey::lang {

using table::append_number;
using table::bad;
using table::looks_numeric;
using table::number;
using table::parse_number;

/// The number of a word of the table, or, for a number, itself up to `largest`; none: only words. `what`: "state";
/// `kind`: where a neighbour has words for the same.
Value<std::uint32_t> word_or_number(const Word& word, std::span<const pfkey::Word> table, std::string_view what,
                                    Foreign kind, std::optional<std::uint32_t> largest = std::nullopt);

}  // namespace ipseckey::lang
