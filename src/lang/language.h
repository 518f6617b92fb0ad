#pragma once
/// The command language as the table machinery (src/table) sees it, and the names of that machinery that are at home in
/// this language, too.
#include "table/faults.h"
#include "table/language.h"
#include "table/names.h"
#include "table/syntax.h"
#include "table/words.h"

namespace ipseckey::lang {

using table::KeyText;
using table::Names;
using table::ReadContext;
using table::split;
using table::unescape;
using table::Value;
using table::ValueFault;
using table::Word;
using table::WordFault;
using table::Words;
using table::write_in_quotes;
using table::write_quoted;

using table::is_blank;
using table::like_a_key;

const table::Language& language();

}  // namespace ipseckey::lang
