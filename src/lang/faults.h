#pragma once
/// Faults of a command: where, what, and how a person sees them. Nothing here shows a key. It is table/faults.h for
/// this language.
#include <string>
#include <string_view>

#include "lang/language.h"

namespace ipseckey::lang {

using table::Fault;
using table::Faults;
using table::has_errors;
using table::Origin;
using table::Position;
using table::position_of;
using table::Severity;

class Echo : public table::Echo {
 public:
  explicit Echo(Words words) : table::Echo(language(), words) {}
};

inline bool may_hold_key(std::string_view text) { return table::may_hold_key(language(), text); }
inline bool is_known(std::string_view word) { return table::is_known(language(), word); }

inline std::string without_text(std::string_view message, std::string_view text) {
  return table::without_text(language(), message, text);
}

inline void render(const Fault& fault, std::string_view text, const Origin& origin, bool caret, std::string& out) {
  table::render(language(), fault, text, origin, caret, out);
}

}  // namespace ipseckey::lang
