#pragma once
/// Memory that is put by for when there is none: `operator new` then spends it, so that what is under way ends well,
/// and nothing that makes the process grow is begun until it is back.
#include <cstddef>

namespace ipseckey::ipsecd::reserve {

/// Bytes, of address space until they are spent. More than any request takes, the growth of the SADB's own tables
/// apart, for which the engine looks before (Sadb::make_room()).
inline constexpr std::size_t kSize = std::size_t{16} << 20;

/// Puts the reserve by, and from now on spends it where `operator new` finds no memory. Where it is spent already,
/// `end` is called, which must not return.
void hold(void (*end)());

/// Whether the reserve is there; if it was spent, it is put by again as soon as there is memory.
bool ready();

/// The new handler that hold() sets.
void spend();

}  // namespace ipseckey::ipsecd::reserve
