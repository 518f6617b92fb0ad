#pragma once
/// One entry as rules: a rule for each pair of addresses that its names have.
#include <string>
#include <string_view>
#include <vector>

#include "policy/rule.h"
#include "policylang/entries.h"
#include "policylang/rows.h"
#include "table/names.h"

namespace ipseckey::policylang {

struct ReadEntry;

class EntryParser {
 public:
  /// The names outlive the parser.
  explicit EntryParser(const table::Names& names);

  /// The entry's rules; none, if it has an error. Adds to the entry's faults, in the order of its text.
  policy::Rules parse(Entry& entry);

 private:
  void read_pattern(ReadEntry& e);
  void read_clause(ReadEntry& e, const Clause& clause);
  static void take_faults(Entry& entry, Piece piece, const table::Pairs& pairs);

  const table::Names& names_;
  table::Pairs pattern_pairs_, property_pairs_;
};

}  // namespace ipseckey::policylang
