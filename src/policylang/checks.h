#pragma once
/// THE tables of what must hold between the words of an entry.
#include <span>
#include <string_view>

#include "policylang/record.h"
#include "policylang/rows.h"
#include "table/faults.h"

namespace ipseckey::policylang {

/// A condition on a pattern, the keyword where its fault is shown, and the fault.
struct PatternCheck {
  bool (*broken)(const Pattern&);
  PatternRow::Slot where;
  std::string_view message;
};
std::span<const PatternCheck> pattern_checks();

/// The same for the properties of `ipsec`.
struct PropertyCheck {
  table::Severity severity;
  bool (*broken)(const Pattern&, const Properties&);
  PropertyRow::Slot where;
  std::string_view message;
};
std::span<const PropertyCheck> property_checks();

/// Whether it is protected by anything.
bool has_algorithm(const Properties& properties);

}  // namespace ipseckey::policylang
