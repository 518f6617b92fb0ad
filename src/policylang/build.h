#pragma once
/// An entry that was read, and the rules that it means.
#include <string>
#include <vector>

#include "policy/rule.h"
#include "policylang/entries.h"
#include "policylang/rows.h"
#include "table/names.h"

namespace ipseckey::policylang {

struct ReadClause {
  const ActionRow* action;
  Properties properties;
  Clause source;
};

struct ReadEntry {
  Entry& entry;  ///< To which faults are added.
  Pattern pattern;
  std::vector<ReadClause> clauses;
  bool old_style = false, out = false, in = false;

  void fault(table::Severity severity, Piece place, std::string message);
  /// Where a property is in the entry's text.
  Piece place(const ReadClause& clause, const PropertyRow& row) const;
};

/// Where a keyword with its value is in the entry's text; `within`: the braces.
Piece place_in(const Entry& entry, const table::Language& language, Piece within, const table::Row& row);

/// The rules of an entry whose words are in order: one for each pair of its addresses of one family. Adds a fault for
/// each name that has no address, or too many.
policy::Rules build(ReadEntry& e, const table::Names& names);

}  // namespace ipseckey::policylang
