#pragma once
/// The order of an SA's limits, and what an UPDATE makes of them.
#include <cstdint>
#include <optional>

#include "pfkey/message.h"

namespace ipseckey::pfkey {

/// A limit beyond another one; 0 means no limit.
constexpr bool above(std::uint64_t limit, std::uint64_t most) { return limit != 0 && most != 0 && limit > most; }

/// A limit that is given replaces the one that was there; 0 leaves it as it is.
void replace_limits(Lifetime& limits, const std::optional<Lifetime>& given);

/// No limit stays beyond that of `most`, where that has one: a soft limit beyond the hard one could never be reached,
/// and an ADD that asked for it would be refused.
void cap_limits(Lifetime& limits, const Lifetime& most);

}  // namespace ipseckey::pfkey
