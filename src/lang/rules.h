#pragma once
/// THE table of rules between keywords: what the parts of a command must be for the whole to make sense.
#include <absl/functional/function_ref.h>

#include <string>

#include "lang/faults.h"
#include "lang/keywords.h"

namespace ipseckey::lang {

/// What the rules inspect.
struct Facts {
  Verb verb;
  pfkey::SaType satype;
  const SaSpec& spec;
  bool fresh = false;  ///< The keys were never used before.
};

/// A reservation about a keyword's value; the parser gives it its place in the text.
struct Objection {
  Severity severity = Severity::error;
  Slot about;
  std::string message;
  bool fresh_keys_end_it = false;  ///< It is about keys that may have been used before (Facts::fresh).
  bool always_shown = false;       ///< However many like it there are.
};
using Objections = absl::FunctionRef<void(Objection&&)>;

/// Puts every broken rule into `out`. Rules about a keyword for which `faulty` holds are left out: its own fault is
/// reported already.
void check_rules(const Facts& facts, absl::FunctionRef<bool(const Slot&)> faulty, Objections out);

}  // namespace ipseckey::lang
