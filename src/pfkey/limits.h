#pragma once
/// What an UPDATE makes of the limits of an SA.
#include <optional>

#include "pfkey/message.h"

namespace pfkey {

/// A limit that is given replaces the one that was there; 0 leaves it as it is.
void replace_limits(Lifetime& limits, const std::optional<Lifetime>& given);

/// No limit stays beyond that of `most`, where that has one: a soft limit beyond the hard one could never be reached,
/// and an ADD that asked for it would be refused.
void cap_limits(Lifetime& limits, const Lifetime& most);

}  // namespace pfkey
