#pragma once
/// From everything that was seen to one verdict: protected both ways, or the one cause and its cure.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "prove/facts.h"

namespace ipseckey::prove {

enum class State : std::uint8_t {
  is_protected,  ///< Seen protected both ways, and all that was tried was refused as it must be.
  in_clear,      ///< A packet that the rule protects was seen in clear.
  lost,          ///< Nothing gets through.
  weak,          ///< It is protected, but more is accepted than should be, or less fits than the host believes.
  not_shown,     ///< It could not be found out.
};
/// "protected", "in-clear", "lost", "weak", "not-shown".
std::string_view word(State state);

struct Verdict {
  State state = State::not_shown;
  std::string cause;                          ///< A word for programs, such as "wrong-key"; empty: protected.
  std::string text;                           ///< A sentence without a full stop.
  std::string cure;                           ///< What mends it; empty if it is protected.
  std::optional<std::uint64_t> seconds_left;  ///< Until an SA's limit is reached at the present rate; absent: years.
  std::vector<std::string> remarks;           ///< What should be known besides, such as an SA that expires soon.
};

Verdict judge(Facts facts);

/// The words for all causes, in the order in which they are looked for.
std::vector<std::string_view> causes();

}  // namespace ipseckey::prove
